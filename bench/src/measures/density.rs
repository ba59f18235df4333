//! Many idle environments at the same time: how fast they are made, and what memory each takes.
//!
//! Each belongs to a function of its own, so that none is used twice. What the kernel holds for an environment (its
//! namespaces, mounts, page tables) is told by the whole machine's counters: it is rough beside other work.

use std::thread;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::connection::Connection;
use crate::figure::{Figure, Unit};
use crate::function;
use crate::journal;
use crate::language::{self, Language};
use crate::process;
use crate::server::Server;

const CLIENTS: usize = 4;
/// How many functions run first, so that a stem is there.
const STEM_AFTER_MAX: usize = 50;
/// After that long without an invocation environments are frozen, and nothing happens any more.
const SETTLE: Duration = Duration::from_millis(1_000);
const CREATED_PER_S_MIN: f64 = 100.0;
const MEBIBYTE: f64 = (1024 * 1024) as f64;

/// How many environments per GiB there should be.
const LANGUAGES: [(&Language, Option<f64>); 5] = [
    (&language::NATIVE, Some(800.0)),
    (&language::PYTHON, Some(300.0)),
    (&language::NODE, Some(250.0)),
    (&language::RUBY, None),
    (&language::JAVA, None),
];

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    for (language, per_gib_min) in LANGUAGES {
        match language.check() {
            Ok(()) => measure_one(bench, language, per_gib_min)?,
            Err(reason) => bench.note(format!("density of {} was not measured: {reason}", language.name)),
        }
    }
    Ok(())
}

fn measure_one(bench: &mut Bench, language: &Language, per_gib_min: Option<f64>) -> Result<(), String> {
    let count = count_of(bench, language);
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = language.package(bench.folder())?;
    let names: Vec<String> = (0..count).map(|number| format!("idle-{number}")).collect();
    for name in &names {
        function::create(&mut server, &mut client, name, language, &package)?;
    }
    warm_up(&mut server, &mut client, language, &package)?;
    thread::sleep(SETTLE);
    let before = Memory::now(&server)?;
    let begin = Instant::now();
    let latencies_us = invoke_each(&server, &names)?;
    let per_second = count as f64 / begin.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let after = Memory::now(&server)?;

    let name = language.name;
    let made = Figure::rate(
        &format!("environments made, {name}, {count} one after another by {CLIENTS} clients"),
        per_second,
        latencies_us,
    );
    bench.add(if language.name == language::NATIVE.name { made.at_least(CREATED_PER_S_MIN) } else { made });
    let processes_mib = (after.processes - before.processes) / count as f64;
    let kernel_mib = (after.kernel - before.kernel) / count as f64;
    let of =
        |what: &str, mib| Figure::samples(&format!("an idle environment, {name}, {what}"), Unit::Mebibytes, vec![mib]);
    bench.add(of("its processes (PSS)", processes_mib));
    bench.add(of("what the kernel holds for it", kernel_mib));
    let per_gib = 1_024.0 / (processes_mib + kernel_mib);
    let density = Figure::samples(&format!("idle environments per GiB, {name}"), Unit::PerGibibyte, vec![per_gib]);
    bench.add(per_gib_min.map_or(density.clone(), |min| density.at_least(min)));
    let own = Figure::samples(
        &format!("server and launcher with {count} idle, {name} (PSS)"),
        Unit::Mebibytes,
        vec![after.own],
    );
    bench.add(own);
    Ok(())
}

fn count_of(bench: &Bench, language: &Language) -> usize {
    // What no stem bears is heavier.
    let part = match language.name {
        "native" => 1,
        "Python" | "Node.js" => 4,
        "Ruby" => 10,
        _ => 50,
    };
    (bench.scale.idle_environments / part).max(2)
}

/// Runs functions until one is forked, if the runtime has a stem, and lets the server take the memory that it keeps.
fn warm_up(server: &mut Server, client: &mut Connection, language: &Language, package: &[u8]) -> Result<(), String> {
    for number in 0..STEM_AFTER_MAX {
        let name = format!("before-{number}");
        function::create(server, client, &name, language, package)?;
        let invoked = function::invoke(client, &name)?;
        let told = journal::newest(client, 1)?.remove(&invoked.request_id).ok_or("the journal lacks an invocation")?;
        if !language.has_stem() || told.started.is_some_and(|mode| mode != "exec") {
            return Ok(());
        }
    }
    Err(format!("no environment of {} is forked", language.name))
}

/// Invokes each function once; returns the latencies.
fn invoke_each(server: &Server, names: &[String]) -> Result<Vec<u64>, String> {
    let share = names.len().div_ceil(CLIENTS);
    thread::scope(|scope| {
        let clients = names.chunks(share).map(|names| {
            scope.spawn(move || {
                let mut client = server.connect()?;
                let us = |name: &String| Ok((function::invoke(&mut client, name)?.ms * 1_000.0) as u64);
                names.iter().map(us).collect::<Result<Vec<u64>, String>>()
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut latencies_us = Vec::new();
        for client in clients {
            latencies_us.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok(latencies_us)
    })
}

/// In MiB.
struct Memory {
    /// Of all processes, shared pages once.
    processes: f64,
    /// Of these, the server's and the launcher's.
    own: f64,
    kernel: f64,
}

impl Memory {
    fn now(server: &Server) -> Result<Memory, String> {
        let id = server.process_id();
        let mib = |bytes: u64| bytes as f64 / MEBIBYTE;
        let launcher = process::children(id).into_iter().next().ok_or("there is no launcher")?;
        let own = process::memory_of(id)?.proportional + process::memory_of(launcher)?.proportional;
        let processes = process::memory_of_tree(id)?.proportional;
        Ok(Memory { processes: mib(processes), own: mib(own), kernel: mib(process::kernel_memory()?) })
    }
}
