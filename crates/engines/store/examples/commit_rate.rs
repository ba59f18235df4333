//! Prints how many durable one-row commits a second SQLite takes from 1 and from 64 producers.

use std::sync::Arc;
use std::time::Duration;

use kobel_store::{Batch, Sqlite, Store};

const MEASURED: Duration = Duration::from_secs(2);

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn main() {
    for producers in [1, 64] {
        let folder = tempfile::tempdir().expect("a folder");
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).expect("opens"));
        let started = std::time::Instant::now();
        let tasks: Vec<_> = (0..producers).map(|producer| tokio::spawn(produce(store.clone(), producer))).collect();
        let mut commits = 0;
        for task in tasks {
            commits += task.await.expect("a producer ends");
        }
        println!("{producers} producers: {:.0} commits/s", commits as f64 / started.elapsed().as_secs_f64());
    }
}

#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn produce(store: Arc<dyn Store>, producer: usize) -> u64 {
    let started = std::time::Instant::now();
    let mut commits = 0;
    while started.elapsed() < MEASURED {
        let mut batch = Batch::default();
        batch.put(format!("{producer:02}/{commits:08}").into_bytes(), vec![7; 1024]);
        store.commit(batch).await.expect("committed");
        commits += 1;
    }
    commits
}
