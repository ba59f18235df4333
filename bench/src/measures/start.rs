//! How fast Kobel starts and how much memory it has when nothing happens.

use std::thread;
use std::time::Duration;

use crate::bench::Bench;
use crate::figure::{Figure, Unit};
use crate::process;
use crate::server::Server;

/// How long nothing happens before the memory is looked at.
const IDLE: Duration = Duration::from_secs(1);
const MEBIBYTE: f64 = (1024 * 1024) as f64;

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    let (mut ready, mut resident, mut proportional) = (Vec::new(), Vec::new(), Vec::new());
    // The first start reads the binary from the disk, and does not count.
    drop(Server::serve(&bench.binary, bench.folder())?);
    for start in 0..bench.scale.starts {
        let server = Server::serve(&bench.binary, bench.folder())?;
        ready.push(server.ready_after.as_secs_f64() * 1_000.0);
        if start < bench.scale.idles {
            thread::sleep(IDLE);
            let memory = process::memory_of_tree(server.process_id())?;
            resident.push(memory.resident as f64 / MEBIBYTE);
            proportional.push(memory.proportional as f64 / MEBIBYTE);
        }
    }
    bench.add(Figure::samples("ready, from exec to the first answer", Unit::Milliseconds, ready).at_most(30.0));
    bench.add(
        Figure::samples("memory when idle, server and launcher, resident (RSS)", Unit::Mebibytes, resident)
            .at_most(25.0),
    );
    bench.add(Figure::samples(
        "memory when idle, server and launcher, shared once (PSS)",
        Unit::Mebibytes,
        proportional,
    ));
    Ok(())
}
