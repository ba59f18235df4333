//! Invocations that find an environment: seen by the client, and from inside.

use crate::bench::Bench;
use crate::figure::{Figure, Unit};
use crate::function::{self, PAYLOAD};
use crate::journal::{self, INVOCATIONS_MAX};
use crate::language::{self, Language};
use crate::request::Request;
use crate::server::Server;

/// Kobel's own bootstraps, and a program that speaks the public Runtime API.
const LANGUAGES: [Language; 5] = [language::PYTHON, language::NODE, language::RUBY, language::JAVA, language::NATIVE];
/// From the event's hand-over to the response, over the socket that bootstraps inherit.
const INSIDE_US_MAX: f64 = 25.0;
/// What the public API adds to that.
const ADDED_US_MAX: f64 = 150.0;

/// One client, one kept connection, one function that is already there.
pub fn measure(bench: &mut Bench) -> Result<(), String> {
    for language in &LANGUAGES {
        match language.check() {
            Ok(()) => measure_one(bench, language)?,
            Err(reason) => bench.note(format!("warm invoke of {} was not measured: {reason}", language.name)),
        }
    }
    Ok(())
}

fn measure_one(bench: &mut Bench, language: &Language) -> Result<(), String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = language.package(bench.folder())?;
    function::create(&mut server, &mut client, "warm", language, &package)?;
    let invoke = Request::invoke("warm", "RequestResponse", PAYLOAD);
    for _ in 0..bench.scale.warm_ups {
        function::send(&mut client, &invoke)?;
    }
    let mut invoked = Vec::new();
    for _ in 0..bench.scale.invokes.min(INVOCATIONS_MAX) {
        invoked.push(function::send(&mut client, &invoke)?);
    }
    let told = journal::newest(&mut client, invoked.len())?;
    let (mut whole, mut inside, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for invoked in &invoked {
        let told = told.get(&invoked.request_id).ok_or("the journal lacks an invocation")?;
        whole.push(invoked.ms);
        inside.push(told.us);
        added.push(invoked.ms * 1_000.0 - told.us);
    }
    let name = language.name;
    bench.add(Figure::samples(&format!("warm invoke, {name}, 1 client"), Unit::Milliseconds, whole).at_most(1.0));
    let inside = Figure::samples(&format!("warm invoke, {name}, event to response"), Unit::Microseconds, inside);
    let own_bootstrap = language.name != language::NATIVE.name;
    bench.add(if own_bootstrap { inside.at_most(INSIDE_US_MAX) } else { inside });
    let added = Figure::samples(&format!("warm invoke, {name}, added by the API"), Unit::Microseconds, added);
    bench.add(added.at_most(ADDED_US_MAX));
    Ok(())
}
