//! Measures a real Kobel on the loopback interface, each measurement with an empty data folder. Prints a table and
//! writes a JSON file to `bench/results`. It asserts no time: whoever reads the table judges.

mod bench;
mod connection;
mod figure;
mod function;
mod journal;
mod language;
mod load;
mod machine;
mod measures;
mod process;
mod request;
mod response;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use bench::{Bench, Scale};

const HELP: &str = "Measures the Kobel in KOBEL_BIN.

Usage: bench/run [--quick] [MEASUREMENT …]

  --quick   a few samples of each: shows that all works, not how fast it is

Measurements: start, up, warm, cold, snapstart, standby, density, async, sqs, s3; without a name, all.
Data is kept below CARGO_TARGET_DIR meanwhile, so that it lies on the same disk as a real data folder.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let scale = if arguments.iter().any(|argument| argument == "--quick") { Scale::QUICK } else { Scale::FULL };
    let named: Vec<&String> = arguments.iter().filter(|argument| *argument != "--quick").collect();
    if let Some(unknown) = named.iter().find(|name| measures::ALL.iter().all(|(known, _)| known != *name)) {
        return Err(format!("there is no measurement `{unknown}`\n\n{HELP}"));
    }
    let binary = PathBuf::from(env::var_os("KOBEL_BIN").ok_or("name the binary in KOBEL_BIN")?);
    let binary =
        fs::canonicalize(&binary).map_err(|error| format!("failed to find `{}`: {error}", binary.display()))?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut bench = Bench::new(binary, &target.join("tmp"), scale)?;

    let mut failures = 0;
    for (name, measure) in measures::ALL {
        if !named.is_empty() && !named.iter().any(|wanted| *wanted == name) {
            continue;
        }
        if let Err(message) = measure(&mut bench) {
            bench.note(format!("`{name}` failed: {message}"));
            failures += 1;
        }
    }
    write_results(&bench)?;
    if failures == 0 { Ok(()) } else { Err(format!("{failures} measurements failed")) }
}

fn write_results(bench: &Bench) -> Result<(), String> {
    let date = machine::date();
    let folder = Path::new("bench/results");
    let file = folder.join(format!("{date}.json"));
    let text = format!("{:#}\n", bench.json(&date));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| format!("failed to write `{}`: {error}", file.display()))?;
    println!("\n{}", file.display());
    Ok(())
}
