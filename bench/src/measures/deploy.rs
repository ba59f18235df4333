//! `kobel up` of the example, and what a change of its code takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::connection::Connection;
use crate::figure::{Figure, Unit};
use crate::request::Request;
use crate::server::Server;

const EXAMPLE: &str = "examples/upload-pipeline";
/// The file that is changed, and the function that it belongs to.
const CHANGED: (&str, &str) = ("summarize/app.py", "SummarizeFunction");
const STACK: &str = "upload-pipeline";
/// How long a deployment may take, the first with its builds.
const DEPLOYED_S_MAX: u64 = 180;
const ASK_EVERY: Duration = Duration::from_millis(2);

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    let needed = ["python3", "node", "javac"];
    if let Some(missing) = needed.iter().find(|program| !crate::machine::has(program)) {
        bench.note(format!("`kobel up` of the example was not measured: there is no `{missing}`"));
        return Ok(());
    }
    let example = bench.folder().join(STACK);
    copy(Path::new(EXAMPLE), &example)?;
    // The first run builds, and does not count.
    drop(up(bench, &example)?);
    let mut samples = Vec::new();
    for _ in 0..bench.scale.ups {
        let (server, ms) = up(bench, &example)?;
        samples.push(ms);
        drop(server);
    }
    let name = "kobel up of the built example, from exec to CREATE_COMPLETE";
    bench.add(Figure::samples(name, Unit::Milliseconds, samples).at_most(1_500.0));
    let changes = changes(bench, &example)?;
    bench.add(Figure::samples(
        "a changed Python file, from its saving to UPDATE_COMPLETE",
        Unit::Milliseconds,
        changes,
    ));
    Ok(())
}

/// `kobel up` with nothing but builds in its data folder; returns the milliseconds until the stack is there.
fn up(bench: &Bench, example: &Path) -> Result<(Server, f64), String> {
    let data = example.join(".kobel");
    keep_only(&data, "builds")?;
    let port_file = bench.folder().join("up.port");
    remove(&port_file)?;
    let mut command = Command::new(&bench.binary);
    command.arg("up").arg(example.join("template.yaml")).arg("--data").arg(&data).arg("--port-file").arg(&port_file);
    let begin = Instant::now();
    let mut server = Server::start(command, bench.folder())?;
    // The file is written once the stack is complete.
    server.wait_until(DEPLOYED_S_MAX, "the stack is deployed", ASK_EVERY, || Ok(port_file.exists()))?;
    let ms = begin.elapsed().as_secs_f64() * 1_000.0;
    let stack = stack(&mut server.connect()?)?;
    if stack["StackStatus"] != "CREATE_COMPLETE" {
        return Err(format!("the stack is {}", stack["StackStatus"]));
    }
    Ok((server, ms))
}

/// Changes the code again and again under a running `kobel up`.
fn changes(bench: &Bench, example: &Path) -> Result<Vec<f64>, String> {
    let (mut server, _) = up(bench, example)?;
    let mut client = server.connect()?;
    let function = function_name(&mut client)?;
    let file = example.join(CHANGED.0);
    let failed = |error: std::io::Error| format!("failed to change `{}`: {error}", file.display());
    let source = fs::read_to_string(&file).map_err(failed)?;
    let mut samples = Vec::new();
    for change in 0..bench.scale.changes {
        let before = client.json(&Request::get_configuration(&function))?["CodeSha256"].clone();
        let begin = Instant::now();
        fs::write(&file, format!("{source}\n# change {change}\n")).map_err(failed)?;
        server.wait_until(DEPLOYED_S_MAX, "the change is deployed", ASK_EVERY, || {
            let configuration = client.json(&Request::get_configuration(&function))?;
            let changed = configuration["CodeSha256"] != before && configuration["LastUpdateStatus"] == "Successful";
            Ok(changed && stack(&mut client)?["StackStatus"] == "UPDATE_COMPLETE")
        })?;
        samples.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(samples)
}

fn stack(client: &mut Connection) -> Result<Value, String> {
    let answer = client.json(&Request::api("cloudformation", "DescribeStacks", &json!({"StackName": STACK})))?;
    Ok(answer["Stacks"][0].clone())
}

fn function_name(client: &mut Connection) -> Result<String, String> {
    let asked = json!({"StackName": STACK, "LogicalResourceId": CHANGED.1});
    let answer = client.json(&Request::api("cloudformation", "DescribeStackResources", &asked))?;
    let name = answer["StackResources"][0]["PhysicalResourceId"].as_str();
    name.map(str::to_owned).ok_or_else(|| format!("the stack has no {}", CHANGED.1))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("failed to copy `{}`: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().filter(|name| *name != ".kobel") else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Empties a folder but for one entry; a folder that is not there is empty.
fn keep_only(folder: &Path, kept: &str) -> Result<(), String> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let others = entries.flatten().map(|entry| entry.path()).filter(|path| !path.ends_with(kept));
    others.collect::<Vec<PathBuf>>().iter().try_for_each(|path| remove(path))
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if path.exists() => Err(format!("failed to remove `{}`: {error}", path.display())),
        _ => Ok(()),
    }
}
