//! Prints how many durable commits of one 1 KiB row a second SQLite takes from 1 and from 64 producers, in a new
//! folder below the one given (or below the system's folder for temporary files), beside what the disk itself
//! makes of one sync after another.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kobel_store::{Batch, Sqlite, Store};

const MEASURED: Duration = Duration::from_secs(3);
const ROW_BYTES: usize = 1024;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn main() {
    let below = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for producers in [1, 64] {
        let folder = tempfile::tempdir_in(&below).expect("a folder");
        println!("the disk: {:.0} syncs/s", syncs(folder.path()));
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).expect("opens"));
        let started = Instant::now();
        let tasks: Vec<_> = (0..producers).map(|producer| tokio::spawn(produce(store.clone(), producer))).collect();
        let mut commits = 0;
        for task in tasks {
            commits += task.await.expect("a producer ends");
        }
        let rate = commits as f64 / started.elapsed().as_secs_f64();
        let log = std::fs::metadata(folder.path().join("kobel.sqlite-wal")).map_or(0, |log| log.len() >> 20);
        println!("{producers} producers: {rate:.0} commits/s; log {log} MiB; resident {} MiB", resident_mib());
    }
}

#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn produce(store: Arc<dyn Store>, producer: usize) -> u64 {
    let started = Instant::now();
    let mut commits = 0;
    while started.elapsed() < MEASURED {
        let mut batch = Batch::default();
        batch.put(format!("{producer:02}/{commits:08}").into_bytes(), vec![7; ROW_BYTES]);
        store.commit(batch).await.expect("committed");
        commits += 1;
    }
    commits
}

#[expect(clippy::disallowed_methods, reason = "measures durations")]
fn syncs(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("syncs")).expect("a file");
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < MEASURED / 3 {
        file.write_all(&[7; 2 * ROW_BYTES]).expect("written");
        file.sync_all().expect("synced");
        count += 1;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

fn resident_mib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    (pages * 4096) >> 20
}
