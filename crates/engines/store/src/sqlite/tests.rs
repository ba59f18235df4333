use std::io::{Seek, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::oneshot;

use super::connection;
use super::log::Log;
use super::writer::{Request, Writer};
use super::*;

type Answered = oneshot::Receiver<Result<(), Error>>;

fn writer(folder: &Path, pages_max: usize) -> Writer {
    let file = folder.join("kobel.sqlite");
    let connection = connection::open_writing(&file).expect("opens");
    connection.execute_batch(&format!("PRAGMA max_page_count = {pages_max}")).expect("limited");
    Writer::new(connection, Log::open(&file).expect("opens"), Arc::new(AtomicUsize::new(0)))
}

fn request(batch: Batch) -> (Request, Answered) {
    let (answer, answered) = oneshot::channel();
    let answer = Answer::new(Box::new(|outcome| drop(answer.send(outcome))));
    (Request::Commit { bytes: batch.bytes(), batch, answer }, answered)
}

fn put(mut batch: Batch, key: &str, bytes: usize) -> (Request, Answered) {
    batch.put(key.as_bytes().to_vec(), vec![7; bytes]);
    request(batch)
}

fn outcome(mut answered: Answered) -> Result<(), Error> {
    answered.try_recv().expect("answered")
}

#[test]
fn a_full_disk_fails_what_shares_the_transaction_and_nothing_later_that_fits() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = writer(folder.path(), 16);
    let (small, small_answered) = put(Batch::new("cell", 0), "a", 10);
    let (large, large_answered) = put(Batch::default(), "b", 1_000_000);
    writer.write(vec![small, large]);
    assert_eq!(outcome(small_answered), Err(Error::DiskFull));
    assert_eq!(outcome(large_answered), Err(Error::DiskFull));
    let (behind, behind_answered) = put(Batch::new("cell", 0), "c", 10);
    let (apart, apart_answered) = put(Batch::new("cell", 0).independent(), "d", 10);
    let (other, other_answered) = put(Batch::default(), "e", 10);
    writer.write(vec![behind, apart, other]);
    assert_eq!(outcome(behind_answered), Err(Error::Fenced { cell: "cell".into() }));
    assert_eq!(outcome(apart_answered), Ok(()));
    assert_eq!(outcome(other_answered), Ok(()));
    let rows = Readers::new(folder.path().join("kobel.sqlite")).range(&Range::from("")).expect("read");
    assert_eq!(rows.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(), [b"d", b"e"]);
}

#[tokio::test]
async fn says_that_its_file_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).expect("opens");
    for number in 0..200 {
        let mut batch = Batch::default();
        batch.put(format!("{number:03}").into_bytes(), vec![7; 500]);
        store.commit(batch).await.expect("committed");
    }
    drop(store);
    let mut file = File::options().write(true).open(folder.path().join("kobel.sqlite")).expect("opens");
    file.seek(SeekFrom::Start(2 * 4096)).expect("long enough");
    file.write_all(&[0xa5; 10 * 4096]).expect("written");
    let store = Sqlite::open(folder.path()).expect("opens: the first pages are whole");
    let read = store.range(Range::from("")).await;
    assert!(matches!(read, Err(Error::Damaged { .. })), "{read:?}");
}

#[tokio::test]
async fn what_waits_when_the_store_is_closed_is_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).expect("opens");
    let put = |number: usize| {
        let mut batch = Batch::default();
        batch.put(format!("{number:03}").into_bytes(), Vec::new());
        store.commit(batch)
    };
    let commits: Vec<_> = (0..100).map(put).collect();
    drop(store);
    for commit in commits {
        assert_eq!(commit.await, Ok(()));
    }
    let log = std::fs::metadata(folder.path().join("kobel.sqlite-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "the log is copied into the file at the end");
}
