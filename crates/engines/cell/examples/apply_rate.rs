//! Prints how many durable commands a second one cell on SQLite takes from 1 and from 64 callers, in a new folder
//! below the one given (or below the system's folder for temporary files), and how many reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::Clock;
use kobel_cell::{Cell, Cells, Error, Message, Outbox, Rows, State};
use store::Sqlite;

const MEASURED: Duration = Duration::from_secs(3);
const ROW_BYTES: usize = 200;

struct Count(u64);

impl State for Count {
    fn load(rows: &Rows) -> Result<Count, String> {
        Ok(Count(rows.iter().count() as u64))
    }
}

struct Nobody;

impl Outbox for Nobody {
    fn committed(&self, _: Vec<Message>) {}
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn main() {
    let below = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for callers in [1, 64] {
        let folder = tempfile::tempdir_in(&below).expect("a folder");
        let store = Arc::new(Sqlite::open(folder.path()).expect("opens"));
        let cells = Cells::new(store, Clock::real(), Arc::new(Nobody));
        let cell = cells.open::<Count>("bench/cell").await.expect("opened");
        let started = Instant::now();
        let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(apply(cell.clone()))).collect();
        let mut applied = 0;
        for task in tasks {
            applied += task.await.expect("a caller ends");
        }
        println!("{callers} callers: {:.0} commands/s", f64::from(applied) / started.elapsed().as_secs_f64());
        let started = Instant::now();
        let mut reads = 0u32;
        while started.elapsed() < MEASURED / 6 {
            cell.read(|count| count.0).await.expect("read");
            reads += 1;
        }
        println!("{:.0} reads/s with no commit pending", f64::from(reads) / started.elapsed().as_secs_f64());
    }
}

#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn apply(cell: Cell<Count>) -> u32 {
    let started = Instant::now();
    let mut applied = 0;
    while started.elapsed() < MEASURED {
        let command = cell.apply(|count, tx| {
            count.0 += 1;
            tx.put(format!("{:010}", count.0), vec![7; ROW_BYTES]);
            Ok::<_, Error>(())
        });
        command.await.expect("applied");
        applied += 1;
    }
    applied
}
