//! Invocations for which no environment is there: each sample is the first one of a function, in a full sandbox.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bench::Bench;
use crate::connection::Connection;
use crate::figure::{Figure, Unit};
use crate::function;
use crate::journal;
use crate::language::{self, Language};
use crate::request::Request;
use crate::server::Server;

/// How many functions run before the samples, so that a stem or an archive of classes is there if the runtime has one.
const STEM_AFTER_MAX: usize = 200;
/// Between two samples.
const PAUSE: Duration = Duration::from_millis(100);
/// Start modes that do without the function's own init.
const RESTORING: [&str; 2] = ["template", "checkpoint"];
/// What a version that is published with SnapStart may take, by language.
const SNAP_START_MS_MAX: [(Language, f64); 3] =
    [(language::PYTHON_RESTORED, 8.0), (language::NODE, 9.0), (language::JAVA, 60.0)];

/// What is invoked: a function, or a version of it that was published with SnapStart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Published {
    Latest,
    WithSnapStart,
}

struct Samples {
    ms: Vec<f64>,
    modes: BTreeSet<String>,
}

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    for language in &language::ALL {
        let name = format!("cold invoke, {}", language.name);
        let samples = match language.check() {
            Ok(()) => sample(bench, language, Published::Latest),
            Err(reason) => Err(reason),
        };
        match (samples, language.may_lack) {
            (Ok(samples), _) => {
                let modes = samples.modes.into_iter().collect::<Vec<_>>().join(", ");
                let figure = Figure::samples(&format!("{name} ({modes})"), Unit::Milliseconds, samples.ms);
                bench.add(figure.at_most(language.cold_ms_max));
            }
            (Err(_), Some(lack)) => bench.note(format!("{name} was not measured: the runtime has no {lack}")),
            (Err(reason), None) if language.check().is_err() => {
                bench.note(format!("{name} was not measured: {reason}"))
            }
            (Err(error), None) => return Err(error),
        }
    }
    Ok(())
}

/// Versions that were published with SnapStart, where this Kobel restores them.
pub fn snap_start(bench: &mut Bench) -> Result<(), String> {
    for (language, ms_max) in &SNAP_START_MS_MAX {
        let name = format!("cold invoke, {}, SnapStart", language.name);
        if let Err(reason) = language.check() {
            bench.note(format!("{name} was not measured: {reason}"));
            continue;
        }
        let samples = match sample(bench, language, Published::WithSnapStart) {
            Err(error) if error.contains("SnapStart") => {
                bench.note(format!("{name} was not measured: {error}"));
                continue;
            }
            other => other?,
        };
        let modes = samples.modes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        if samples.modes.iter().all(|mode| RESTORING.contains(&mode.as_str())) {
            bench.add(Figure::samples(&format!("{name} ({modes})"), Unit::Milliseconds, samples.ms).at_most(*ms_max));
        } else {
            bench.note(format!("{name} was not measured: versions are started by {modes}, not restored"));
        }
    }
    Ok(())
}

fn sample(bench: &Bench, language: &Language, published: Published) -> Result<Samples, String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = language.package(bench.folder())?;
    let mut first = |client: &mut Connection, name: &str| -> Result<(f64, String), String> {
        let invoked_as = prepare(&mut server, client, name, language, &package, published)?;
        let invoked = function::invoke(client, &invoked_as)?;
        let told = journal::newest(client, 1)?.remove(&invoked.request_id).ok_or("the journal lacks an invocation")?;
        client.expect(&Request::delete_function(name))?;
        // The end of this environment is no part of the next sample, nor are the sandboxes that are made ahead.
        std::thread::sleep(PAUSE);
        Ok((invoked.ms, told.started.ok_or("an environment was there already")?))
    };
    for number in 0..STEM_AFTER_MAX {
        let (_, mode) = first(&mut client, &format!("before-{number}"))?;
        if language.starts_at_its_best(&mode) {
            break;
        }
    }
    let mut samples = Samples { ms: Vec::new(), modes: BTreeSet::new() };
    for number in 0..bench.scale.colds {
        let (ms, mode) = first(&mut client, &format!("cold-{number}"))?;
        samples.ms.push(ms);
        samples.modes.insert(mode);
    }
    Ok(samples)
}

/// Creates what is invoked; returns its name.
fn prepare(
    server: &mut Server,
    client: &mut Connection,
    name: &str,
    language: &Language,
    package: &[u8],
    published: Published,
) -> Result<String, String> {
    function::create(server, client, name, language, package)?;
    if published == Published::Latest {
        return Ok(name.to_owned());
    }
    let by_tag = language.runtime.starts_with("nodejs");
    let set = if by_tag { Request::set_snap_start_by_tag(name) } else { Request::set_snap_start(name) };
    client.expect(&set)?;
    function::wait_active(server, client, name)?;
    client.expect(&Request::publish_version(name))?;
    let version = format!("{name}:1");
    function::wait_active(server, client, &version)?;
    Ok(version)
}
