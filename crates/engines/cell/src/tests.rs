use std::sync::{Arc, Mutex};

use base::Timestamp;
use clock::Clock;
use store::{Faults, Memory, Range, Store};

use crate::{Cell, Cells, Error, Message, Outbox, Rows, State, Tx};

/// Counts, and remembers each count in a row of its own.
#[derive(Debug, Default)]
struct Counter {
    count: u64,
    /// Kept in no row.
    spoilt: bool,
}

impl State for Counter {
    const PAGED: &'static [&'static str] = &["page/"];

    fn load(rows: &Rows) -> Result<Counter, String> {
        assert!(rows.under("page/").next().is_none(), "paged rows are not loaded");
        Ok(Counter { count: rows.under("count/").count() as u64, spoilt: false })
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<Vec<u8>>>);

impl Outbox for Told {
    fn committed(&self, messages: Vec<Message>) {
        self.0.lock().expect("lock").extend(messages.into_iter().map(|message| message.key));
    }
}

struct World {
    store: Memory,
    told: Arc<Told>,
    cells: Cells,
    cell: Cell<Counter>,
}

async fn world() -> World {
    let (store, told) = (Memory::new(), Arc::new(Told::default()));
    let clock = Clock::virtual_from(Timestamp::from_secs(1_700_000_000));
    let cells = Cells::new(Arc::new(store.clone()), clock, told.clone());
    let cell = cells.open("test/counter").await.expect("opened");
    World { store, told, cells, cell }
}

fn count(counter: &mut Counter, tx: &mut Tx<'_>) -> Result<u64, Error> {
    counter.count += 1;
    tx.put(format!("count/{:04}", counter.count), "");
    let key = format!("outbox/{:04}", counter.count).into_bytes();
    tx.send(Message { key, due: tx.now(), value: b"message".to_vec() });
    Ok(counter.count)
}

async fn keys(store: &Memory, prefix: &str) -> Vec<String> {
    let rows = store.range(Range::prefix(prefix)).await.expect("read");
    rows.into_iter().map(|(key, _)| String::from_utf8(key).expect("text")).collect()
}

#[tokio::test]
async fn changes_and_messages_are_durable_when_a_command_returns() {
    let World { store, told, cells, cell } = world().await;
    assert_eq!(cell.apply(count).await, Ok(1));
    assert_eq!(keys(&store, "test/").await, ["test/counter/count/0001"]);
    assert_eq!(keys(&store, "outbox/").await, ["outbox/0001"]);
    assert_eq!(*told.0.lock().expect("lock"), [b"outbox/0001"]);
    let again = cells.open::<Counter>("test/counter").await.expect("opened");
    assert_eq!(again.read(|counter| counter.count).await, Ok(1));
}

#[tokio::test]
async fn nobody_sees_what_is_not_durable() {
    let World { store, told, cell, .. } = world().await;
    store.hold();
    let mut writing = by_hand(cell.apply(count));
    assert!(writing.poll().is_none());
    let mut reading = by_hand(cell.read(|counter| counter.count));
    let mut refused = by_hand(cell.apply(|counter, _| match counter.count {
        0 => Ok(()),
        _ => Err(Error::Unreadable { cell: "test".into(), reason: "there is one already".into() }),
    }));
    assert!(reading.poll().is_none());
    assert!(refused.poll().is_none(), "an error, too, tells of the state");
    assert!(told.0.lock().expect("lock").is_empty());
    store.sync(1);
    assert_eq!(writing.poll(), Some(Ok(1)));
    assert_eq!(reading.poll(), Some(Ok(1)));
    assert!(matches!(refused.poll(), Some(Err(Error::Unreadable { .. }))));
}

#[tokio::test]
async fn commands_do_not_wait_for_the_commits_before_them() {
    let World { store, cell, .. } = world().await;
    store.hold();
    let mut commands: Vec<_> = (0..64).map(|_| by_hand(cell.apply(count))).collect();
    assert!(commands.iter_mut().all(|command| command.poll().is_none()));
    assert_eq!(store.waiting(), 64, "all are there for one sync of the disk");
    store.release();
    for (at, command) in commands.iter_mut().enumerate() {
        assert_eq!(command.poll(), Some(Ok(at as u64 + 1)));
    }
}

#[tokio::test]
async fn a_command_goes_on_when_its_caller_has_gone() {
    let World { store, told, cell, .. } = world().await;
    store.hold();
    let mut writing = by_hand(cell.apply(count));
    assert!(writing.poll().is_none());
    drop(writing);
    let mut reading = by_hand(cell.read(|counter| counter.count));
    assert!(reading.poll().is_none());
    store.release();
    assert_eq!(reading.poll(), Some(Ok(1)));
    assert_eq!(told.0.lock().expect("lock").len(), 1);
}

#[tokio::test]
async fn a_failed_commit_fails_what_rests_on_it_and_the_state_is_loaded_again() {
    let World { store, told, cell, .. } = world().await;
    cell.apply(count).await.expect("applied");
    store.hold();
    store.plan([Faults::Refused]);
    let mut first = by_hand(cell.apply(count));
    let mut second = by_hand(cell.apply(count));
    assert!(first.poll().is_none() && second.poll().is_none());
    let mut reading = by_hand(cell.read(|counter| counter.count));
    assert!(reading.poll().is_none());
    store.release();
    assert!(first.poll().is_some_and(|outcome| outcome.is_err_and(|error| error.is_retryable())));
    assert!(second.poll().is_some_and(|outcome| outcome.is_err()));
    assert!(reading.poll().is_some_and(|outcome| outcome.is_err()));
    assert_eq!(cell.read(|counter| counter.count).await, Ok(1));
    assert_eq!(cell.apply(count).await, Ok(2));
    assert_eq!(told.0.lock().expect("lock").len(), 2);
}

#[tokio::test]
async fn a_message_whose_commit_seemed_to_fail_is_sent_if_it_is_there() {
    let World { store, told, cell, .. } = world().await;
    store.plan([Faults::AnswerLost]);
    assert!(cell.apply(count).await.is_err());
    assert!(told.0.lock().expect("lock").is_empty());
    assert_eq!(cell.read(|counter| counter.count).await, Ok(1));
    assert_eq!(*told.0.lock().expect("lock"), [b"outbox/0001"]);
}

#[tokio::test]
async fn a_command_that_fails_half_way_or_panics_changes_nothing() {
    let World { store, cell, .. } = world().await;
    let half_way = cell.apply(|counter, tx| {
        counter.spoilt = true;
        tx.put("count/0009", "");
        Err::<(), _>(Error::Deleted { cell: "an example of an error".into() })
    });
    assert!(half_way.await.is_err());
    assert_eq!(cell.read(|counter| (counter.count, counter.spoilt)).await, Ok((0, false)));
    let panicking = {
        let cell = cell.clone();
        tokio::spawn(async move {
            let spoil = |counter: &mut Counter, _: &mut Tx<'_>| -> Result<(), Error> {
                counter.spoilt = true;
                panic!("a bug");
            };
            cell.apply(spoil).await
        })
    };
    assert!(panicking.await.is_err());
    assert_eq!(cell.read(|counter| (counter.count, counter.spoilt)).await, Ok((0, false)));
    assert!(keys(&store, "test/").await.is_empty());
}

#[tokio::test]
async fn a_deleted_cell_leaves_nothing_and_may_be_opened_anew() {
    let World { store, cells, cell, .. } = world().await;
    cell.apply(count).await.expect("applied");
    store.plan([Faults::Refused]);
    assert!(cell.delete(|_, _| Ok::<_, Error>(())).await.is_err());
    assert_eq!(cell.read(|counter| counter.count).await, Ok(1), "its deletion has failed");
    assert_eq!(cell.delete(|counter, _| Ok::<_, Error>(counter.count)).await, Ok(1));
    assert_eq!(cell.read(|counter| counter.count).await, Err(Error::Deleted { cell: "test/counter".into() }));
    assert!(keys(&store, "test/").await.is_empty() && keys(&store, "epoch/").await.is_empty());
    let anew = cells.open::<Counter>("test/counter").await.expect("opened");
    assert_eq!(anew.apply(count).await, Ok(1));
    assert_eq!(cell.apply(count).await, Err(Error::Deleted { cell: "test/counter".into() }));
    assert_eq!(anew.apply(count).await, Ok(2));
}

#[tokio::test]
async fn paged_rows_are_kept_but_not_loaded() {
    let World { store, cells, cell, .. } = world().await;
    let page = |_: &mut Counter, tx: &mut Tx<'_>| {
        tx.put("count/0001", "");
        tx.put("page/1", "large");
        tx.put("zoo", "after the pages");
        Ok::<_, Error>(())
    };
    cell.apply(page).await.expect("applied");
    let again = cells.open::<Counter>("test/counter").await.expect("opened");
    assert_eq!(again.read(|counter| counter.count).await, Ok(1));
    assert_eq!(store.get(&again.key("page/1")).await, Ok(Some(b"large".to_vec())));
}

#[tokio::test]
async fn virtual_time_waits_for_commits() {
    let World { store, cells, cell, .. } = world().await;
    let idle = cells.clock().status().busy;
    store.hold();
    let mut writing = by_hand(cell.apply(count));
    assert!(writing.poll().is_none());
    assert_eq!(cells.clock().status().busy, idle + 1);
    store.release();
    assert_eq!(cells.clock().status().busy, idle + 1, "its caller has yet to take note");
    assert!(writing.poll().is_some());
    assert_eq!(cells.clock().status().busy, idle);
}

/// A future that is polled by hand.
struct Polled<F: Future>(std::pin::Pin<Box<F>>);

fn by_hand<F: Future>(future: F) -> Polled<F> {
    Polled(Box::pin(future))
}

impl<F: Future> Polled<F> {
    fn poll(&mut self) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match self.0.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
