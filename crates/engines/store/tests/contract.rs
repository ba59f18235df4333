//! What every engine of the store must do, run against each.

use std::sync::Arc;

use kobel_store::{Batch, Condition, Error, Memory, Range, Sqlite, Store, Write};

struct Engine {
    store: Arc<dyn Store>,
    _folder: Option<tempfile::TempDir>,
}

fn engines() -> Vec<Engine> {
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = Sqlite::open(folder.path()).expect("opens");
    vec![
        Engine { store: Arc::new(Memory::new()), _folder: None },
        Engine { store: Arc::new(sqlite), _folder: Some(folder) },
    ]
}

fn puts(rows: &[(&str, &str)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in rows {
        batch.put(key.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
    batch
}

async fn keys(store: &dyn Store, range: Range) -> Vec<String> {
    let rows = store.range(range).await.expect("read");
    rows.into_iter().map(|(key, _)| String::from_utf8(key).expect("text")).collect()
}

#[tokio::test]
async fn a_batch_is_there_when_its_commit_returns() {
    for Engine { store, .. } in engines() {
        store.commit(puts(&[("a", "1"), ("b", "2")])).await.expect("committed");
        assert_eq!(store.get(b"b").await, Ok(Some(b"2".to_vec())));
        assert_eq!(store.get(b"c").await, Ok(None));
    }
}

#[tokio::test]
async fn ranges_are_ordered_and_bounded() {
    for Engine { store, .. } in engines() {
        store.commit(puts(&[("b/2", ""), ("a", ""), ("b/1", ""), ("b0", ""), ("b/3", "")])).await.expect("committed");
        let store = store.as_ref();
        assert_eq!(keys(store, Range::prefix("b/")).await, ["b/1", "b/2", "b/3"]);
        assert_eq!(keys(store, Range::prefix("b/").reverse().limit(2)).await, ["b/3", "b/2"]);
        assert_eq!(keys(store, Range::from("b/2")).await, ["b/2", "b/3", "b0"]);
        assert_eq!(keys(store, Range::from("b/2").reverse()).await, ["b0", "b/3", "b/2"]);
        assert_eq!(keys(store, Range::from("a").to("b/2")).await, ["a", "b/1"]);
        assert!(keys(store, Range::from("b").to("a")).await.is_empty());
    }
}

#[tokio::test]
async fn writes_of_a_batch_apply_in_order() {
    for Engine { store, .. } in engines() {
        let mut batch = puts(&[("p/1", ""), ("p/2", ""), ("q", "")]);
        batch.writes.push(Write::DeletePrefix(b"p/".to_vec()));
        batch.put(b"p/3".to_vec(), Vec::new());
        batch.delete(b"q".to_vec());
        store.commit(batch).await.expect("committed");
        assert_eq!(keys(store.as_ref(), Range::from("")).await, ["p/3"]);
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_stops_its_batch_only() {
    for Engine { store, .. } in engines() {
        store.commit(puts(&[("a", "1")])).await.expect("committed");
        let mut refused = puts(&[("b", "x")]);
        refused.require(Condition::Absent(b"a".to_vec()));
        let mut applied = puts(&[("c", "y")]);
        applied.require(Condition::Equals(b"a".to_vec(), b"1".to_vec()));
        let (refused, applied) = (store.commit(refused), store.commit(applied));
        assert_eq!(refused.await, Err(Error::Condition));
        assert_eq!(applied.await, Ok(()));
        assert_eq!(keys(store.as_ref(), Range::from("")).await, ["a", "c"]);
    }
}

#[tokio::test]
async fn commits_apply_in_the_order_of_their_calls() {
    for Engine { store, .. } in engines() {
        let commits: Vec<_> = (0..500).map(|n| store.commit(puts(&[("n", &n.to_string())]))).collect();
        for commit in commits.into_iter().rev() {
            commit.await.expect("committed");
        }
        assert_eq!(store.get(b"n").await, Ok(Some(b"499".to_vec())));
    }
}

#[tokio::test]
async fn a_claim_fences_the_owner_before() {
    for Engine { store, .. } in engines() {
        let first = store.claim("cell").await.expect("claimed");
        store.commit(Batch { writes: puts(&[("a", "1")]).writes, ..Batch::new("cell", first) }).await.expect("owned");
        let second = store.claim("cell").await.expect("claimed");
        assert!(second > first);
        let late = Batch { writes: puts(&[("a", "2")]).writes, ..Batch::new("cell", first) };
        assert_eq!(store.commit(late).await, Err(Error::Fenced { cell: "cell".into() }));
        store.commit(Batch { writes: puts(&[("a", "3")]).writes, ..Batch::new("cell", second) }).await.expect("owned");
        assert_eq!(store.get(b"a").await, Ok(Some(b"3".to_vec())));
    }
}

#[tokio::test]
async fn nothing_of_a_cell_applies_after_a_batch_that_failed() {
    for Engine { store, .. } in engines() {
        let epoch = store.claim("cell").await.expect("claimed");
        let mut failing = Batch::new("cell", epoch);
        failing.require(Condition::Equals(b"a".to_vec(), b"never".to_vec()));
        let behind = Batch { writes: puts(&[("a", "rests on it")]).writes, ..Batch::new("cell", epoch) };
        let (failing, behind) = (store.commit(failing), store.commit(behind.clone()));
        assert_eq!(failing.await, Err(Error::Condition));
        assert_eq!(behind.await, Err(Error::Fenced { cell: "cell".into() }));
        let again = Batch::new("cell", store.claim("cell").await.expect("claimed"));
        assert_eq!(store.commit(Batch { writes: puts(&[("a", "1")]).writes, ..again }).await, Ok(()));
    }
}

#[tokio::test]
async fn independent_batches_do_not_fail_for_one_another() {
    for Engine { store, .. } in engines() {
        let epoch = store.claim("cell").await.expect("claimed");
        let mut failing = Batch::new("cell", epoch).independent();
        failing.require(Condition::Equals(b"a".to_vec(), b"never".to_vec()));
        let other = Batch { writes: puts(&[("a", "1")]).writes, ..Batch::new("cell", epoch).independent() };
        let (failing, other) = (store.commit(failing), store.commit(other.clone()));
        assert_eq!(failing.await, Err(Error::Condition));
        assert_eq!(other.await, Ok(()));
        store.claim("cell").await.expect("claimed");
        let late = Batch::new("cell", epoch).independent();
        assert_eq!(store.commit(late).await, Err(Error::Fenced { cell: "cell".into() }));
    }
}

#[tokio::test]
async fn a_cell_that_ended_is_owned_by_nobody_and_leaves_no_row() {
    for Engine { store, .. } in engines() {
        let first = store.claim("cell").await.expect("claimed");
        let ending = Batch { retires: true, ..Batch::new("cell", first) };
        store.commit(ending).await.expect("owned");
        assert!(keys(store.as_ref(), Range::prefix("epoch/")).await.is_empty());
        let late = Batch { writes: puts(&[("a", "1")]).writes, ..Batch::new("cell", first) };
        assert_eq!(store.commit(late.clone()).await, Err(Error::Fenced { cell: "cell".into() }));
        let second = store.claim("cell").await.expect("claimed");
        assert!(second > first);
        assert_eq!(store.commit(late).await, Err(Error::Fenced { cell: "cell".into() }));
        assert_eq!(store.commit(Batch::new("cell", second)).await, Ok(()));
    }
}

#[tokio::test]
async fn outcomes_are_told_in_the_order_of_batches() {
    for Engine { store, .. } in engines() {
        let (told, mut heard) = tokio::sync::mpsc::channel(200);
        for number in 0..200 {
            let mut batch = puts(&[("n", &number.to_string())]);
            if number % 3 == 0 {
                batch.require(Condition::Absent(b"n".to_vec()));
            }
            let told = told.clone();
            store.commit_then(batch, Box::new(move |outcome| told.try_send((number, outcome.is_ok())).expect("room")));
        }
        for number in 0..200 {
            assert_eq!(heard.recv().await, Some((number, number == 0 || number % 3 != 0)));
        }
    }
}

#[tokio::test]
async fn a_panic_at_an_outcome_harms_nobody_else() {
    for Engine { store, .. } in engines() {
        store.commit_then(puts(&[("a", "1")]), Box::new(|_| panic!("a bug")));
        assert_eq!(store.commit(puts(&[("b", "2")])).await, Ok(()));
        assert_eq!(keys(store.as_ref(), Range::from("")).await, ["a", "b"]);
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_at_once() {
    for Engine { store, .. } in engines() {
        let mut batch = Batch::default();
        batch.put(b"a".to_vec(), vec![0; Batch::BYTES_MAX]);
        let bytes = batch.bytes();
        assert_eq!(store.commit(batch).await, Err(Error::TooLarge { bytes, bytes_max: Batch::BYTES_MAX }));
        assert_eq!(store.get(b"a").await, Ok(None));
    }
}

#[tokio::test]
async fn a_commit_that_nobody_awaits_is_made_all_the_same() {
    for Engine { store, .. } in engines() {
        drop(store.commit(puts(&[("a", "1")])));
        store.commit(puts(&[("b", "2")])).await.expect("committed");
        assert_eq!(store.get(b"a").await, Ok(Some(b"1".to_vec())));
    }
}

#[tokio::test]
async fn keys_and_values_may_hold_any_bytes() {
    for Engine { store, .. } in engines() {
        let key = vec![0, 255, b'/', 0];
        let mut batch = Batch::default();
        batch.put(key.clone(), vec![0; 100_000]);
        store.commit(batch).await.expect("committed");
        assert_eq!(store.range(Range::prefix([0, 255])).await, Ok(vec![(key, vec![0; 100_000])]));
    }
}

#[tokio::test]
async fn sqlite_finds_everything_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let epoch = {
        let store = Sqlite::open(folder.path()).expect("opens");
        store.commit(puts(&[("a", "1")])).await.expect("committed");
        store.claim("cell").await.expect("claimed")
    };
    let store = Sqlite::open(folder.path()).expect("opens again");
    assert_eq!(store.get(b"a").await, Ok(Some(b"1".to_vec())));
    assert!(store.claim("cell").await.expect("claimed") > epoch);
}

#[tokio::test]
async fn sqlite_refuses_a_folder_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let _store = Sqlite::open(folder.path()).expect("opens");
    let second = Sqlite::open(folder.path()).err();
    assert_eq!(second, Some(Error::InUse { folder: folder.path().to_owned() }));
}

#[tokio::test]
async fn sqlite_leaves_what_it_cannot_read_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kobel.sqlite");
    std::fs::write(&file, b"this is no database, but it may be somebody's").expect("written");
    let before = std::fs::read(&file).expect("read");
    assert!(matches!(Sqlite::open(folder.path()), Err(Error::Open { .. })));
    assert_eq!(std::fs::read(&file).expect("read"), before);
}

#[tokio::test]
async fn memory_that_is_held_loses_what_waits_with_the_power() {
    let store = Memory::new();
    store.commit(puts(&[("a", "1")])).await.expect("committed");
    store.hold();
    let waiting = [store.commit(puts(&[("b", "2")])), store.commit(puts(&[("c", "3")]))];
    assert_eq!(store.waiting(), 2);
    assert_eq!(keys(&store, Range::from("")).await, ["a"], "nobody reads what is not durable");
    assert_eq!(keys(&store.after_power_loss(), Range::from("")).await, ["a"]);
    assert_eq!(keys(&store.after_power_loss_amid(1), Range::from("")).await, ["a", "b"]);
    assert_eq!(store.sync(1), 1);
    assert_eq!(keys(&store, Range::from("")).await, ["a", "b"]);
    drop(store);
    let [first, second] = waiting;
    assert_eq!((first.await, second.await), (Ok(()), Err(Error::Closed)));
}
