//! A machine that runs cells, and what befalls it.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::Timestamp;
use clock::Clock;
use kobel_cell::{Cell, Cells, Error};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Batch, Faults, Memory, Range, Store};
use tokio::task::{AbortHandle, JoinSet};

use super::model::{Act, Known, List, Messages, message_key};

const CELLS: usize = 3;
/// How many commits in a row may fail by leftover faults before a command must succeed.
const TRIES_MAX: usize = 100;

pub struct World {
    random: StdRng,
    clock: Clock,
    store: Memory,
    messages: Arc<Messages>,
    cells: Vec<Cell<List>>,
    /// Cells that were opened twice since the machine was started.
    opened_twice: BTreeSet<usize>,
    tasks: JoinSet<Done>,
    callers: Vec<AbortHandle>,
    known: Known,
    /// Operations that were meant to change nothing.
    void: BTreeSet<u64>,
    operations: u64,
    totals: Totals,
}

/// What a caller was told.
enum Done {
    Acted { cell: usize, operation: u64, place: Result<u64, Error> },
    Read { cell: usize, operations: Result<Vec<u64>, Error> },
    Opened { cell: usize, opened: Result<Cell<List>, Error> },
}

/// How often what happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Totals {
    acknowledged: u64,
    failed: u64,
    reads: u64,
    panics: u64,
    callers_gone: u64,
    delivered: u64,
    owners: u64,
    power_losses: u64,
    unsynced_kept: u64,
    unsynced_lost: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            random: StdRng::seed_from_u64(seed),
            clock: Clock::virtual_from(Timestamp::from_secs(1_700_000_000)),
            store: Memory::new(),
            messages: Arc::default(),
            cells: Vec::new(),
            opened_twice: BTreeSet::new(),
            tasks: JoinSet::new(),
            callers: Vec::new(),
            known: Known::default(),
            void: BTreeSet::new(),
            operations: 0,
            totals: Totals::default(),
        }
    }

    pub async fn run(mut self) -> Totals {
        self.start().await;
        for _ in 0..self.random.random_range(1..5) {
            self.steps().await;
            self.lose_power().await;
            self.start().await;
        }
        self.steps().await;
        self.store.release();
        while let Some(done) = self.tasks.join_next().await {
            self.note(done);
        }
        for cell in 0..CELLS {
            self.succeeds(cell).await;
        }
        self.check().await;
        self.totals
    }

    /// Opens all cells on what the disk holds, and checks that.
    async fn start(&mut self) {
        let left = self.store.range(Range::prefix("outbox/")).await.expect("read");
        self.known.undelivered = left.into_iter().map(|(key, _)| key).collect();
        self.known.announced.extend(self.known.undelivered.iter().cloned());
        let cells = self.machine();
        for cell in 0..CELLS {
            self.cells.push(cells.open(format!("cell/{cell}")).await.expect("what is on the disk can be read"));
        }
        self.check().await;
        self.store.hold();
    }

    async fn steps(&mut self) {
        for _ in 0..self.random.random_range(10..80) {
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let cell = self.random.random_range(0..CELLS);
        match self.random.random_range(0..100) {
            0..45 => {
                let act = self.random_act();
                self.act(cell, act);
            }
            45..60 => self.read(cell),
            60..85 => drop(self.store.sync(self.random.random_range(0..6))),
            85..90 => {
                let fault = [Faults::None, Faults::Refused, Faults::AnswerLost][self.random.random_range(0..3)];
                self.store.plan([fault]);
            }
            90..94 => self.caller_goes(),
            94..96 => self.open_again(cell),
            _ => self.deliver(),
        }
        for _ in 0..self.random.random_range(0..4) {
            tokio::task::yield_now().await;
        }
        self.listen();
    }

    fn random_act(&mut self) -> Act {
        match self.random.random_range(0..20) {
            0 => Act::Refuse,
            1 => Act::FailHalfWay,
            2 => Act::Panic,
            _ => Act::Append,
        }
    }

    fn act(&mut self, cell: usize, act: Act) {
        self.operations += 1;
        let operation = self.operations;
        if !matches!(act, Act::Append) {
            self.void.insert(operation);
        }
        let acted = self.cells[cell].clone();
        let caller = self.tasks.spawn(async move {
            let place = acted.apply(|list, tx| list.act(tx, cell, act, operation)).await;
            Done::Acted { cell, operation, place }
        });
        self.callers.push(caller);
    }

    fn read(&mut self, cell: usize) {
        let looked_at = self.cells[cell].clone();
        let caller = self.tasks.spawn(async move {
            let look = |list: &List| {
                assert!(!list.half_done, "a reader saw what a command had left half done");
                list.operations.clone()
            };
            Done::Read { cell, operations: looked_at.read(look).await }
        });
        self.callers.push(caller);
    }

    /// Another owner takes the cell, while callers still use the handle of the first.
    fn open_again(&mut self, cell: usize) {
        let cells = self.machine();
        self.opened_twice.insert(cell);
        self.tasks.spawn(async move { Done::Opened { cell, opened: cells.open(format!("cell/{cell}")).await } });
    }

    fn machine(&self) -> Cells {
        Cells::new(Arc::new(self.store.clone()), self.clock.clone(), self.messages.clone())
    }

    fn caller_goes(&mut self) {
        self.callers.retain(|caller| !caller.is_finished());
        if !self.callers.is_empty() {
            let at = self.random.random_range(0..self.callers.len());
            self.callers.swap_remove(at).abort();
            self.totals.callers_gone += 1;
        }
    }

    /// Carries out a delivery that the outbox knows, which deletes its row.
    fn deliver(&mut self) {
        let known: Vec<_> = self.known.undelivered.iter().collect();
        if known.is_empty() {
            return;
        }
        let key = known[self.random.random_range(0..known.len())].clone();
        self.known.undelivered.remove(&key);
        self.known.delivered.insert(key.clone());
        let mut batch = Batch::default();
        batch.delete(key);
        drop(self.store.commit(batch));
        self.totals.delivered += 1;
    }

    /// Hears what callers and the outbox were told.
    fn listen(&mut self) {
        while let Some(done) = self.tasks.try_join_next() {
            self.note(done);
        }
        let told = self.messages.take();
        for key in told {
            let text = String::from_utf8_lossy(&key).into_owned();
            assert!(self.known.announced.insert(key.clone()), "told twice: {text}");
            let cell = &key[..b"outbox/0/".len()];
            let later = self.known.announced.range(key.clone()..).nth(1).is_some_and(|other| other.starts_with(cell));
            let several_owners = self.opened_twice.iter().any(|opened| text.starts_with(&format!("outbox/{opened}/")));
            // Only one owner's messages come in order.
            assert!(!later || several_owners, "told late: {text}");
            self.known.undelivered.insert(key);
        }
    }

    fn note(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Acted { cell, operation, place: Ok(place) }) => {
                self.known.acknowledged.insert((cell, place), operation);
                self.totals.acknowledged += 1;
            }
            Ok(Done::Read { cell, operations: Ok(operations) }) => {
                let seen = (1..).zip(operations).map(|(place, operation)| ((cell, place), operation));
                self.known.seen.extend(seen);
                self.totals.reads += 1;
            }
            Ok(Done::Opened { cell, opened: Ok(opened) }) => {
                self.cells[cell] = opened;
                self.totals.owners += 1;
            }
            Ok(Done::Acted { .. } | Done::Read { .. } | Done::Opened { .. }) => self.totals.failed += 1,
            Err(error) if error.is_panic() => match error.into_panic().downcast::<&str>() {
                Ok(text) if *text == "a simulated bug" => self.totals.panics += 1,
                Ok(text) => panic!("{text}"),
                Err(other) => std::panic::resume_unwind(other),
            },
            Err(_gone) => {}
        }
    }

    /// The machine stops here; of what was not synced, some had got to the disk.
    async fn lose_power(&mut self) {
        self.listen();
        let waiting = self.store.waiting();
        let kept = self.random.random_range(0..=waiting);
        let disk = self.store.after_power_loss_amid(kept);
        self.totals.power_losses += 1;
        self.totals.unsynced_kept += kept as u64;
        self.totals.unsynced_lost += (waiting - kept) as u64;
        self.tasks.shutdown().await;
        self.callers.clear();
        self.cells.clear();
        self.opened_twice.clear();
        self.store = disk;
        self.messages = Arc::default();
    }

    /// Once nothing goes wrong any more, a cell works.
    async fn succeeds(&mut self, cell: usize) {
        for _ in 0..TRIES_MAX {
            self.act(cell, Act::Append);
            let before = self.totals.acknowledged;
            let done = self.tasks.join_next().await.expect("there is a task");
            self.note(done);
            if self.totals.acknowledged > before {
                return;
            }
        }
        panic!("the cell {cell} does not recover");
    }

    /// Compares the cells with what is known of them.
    async fn check(&mut self) {
        self.listen();
        let mut lists = Vec::new();
        for cell in &self.cells {
            lists.push(cell.read(|list| list.operations.clone()).await.expect("read"));
        }
        let at = |cell: usize, place: u64| lists[cell].get(place as usize - 1).copied();
        for ((cell, place), operation) in &self.known.acknowledged {
            assert_eq!(at(*cell, *place), Some(*operation), "acknowledged, but gone: place {place} of cell {cell}");
            assert!(
                self.known.is_sent(&message_key(*cell, *place, *operation)),
                "no message: place {place} of cell {cell}"
            );
        }
        for ((cell, place), operation) in &self.known.seen {
            assert_eq!(at(*cell, *place), Some(*operation), "seen, but gone: place {place} of cell {cell}");
        }
        let all: Vec<u64> = lists.iter().flatten().copied().collect();
        let once: BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(once.len(), all.len(), "an operation was applied twice");
        assert!(once.is_disjoint(&self.void), "an operation that changes nothing has changed something");
        for (cell, list) in lists.iter().enumerate() {
            let keys: BTreeSet<_> = (1..).zip(list).map(|(place, of)| message_key(cell, place, *of)).collect();
            // All cells were loaded after the last failure, but for those of which an earlier owner has not noticed.
            let all_sent = keys.iter().all(|key| self.known.is_sent(key));
            assert!(all_sent || self.opened_twice.contains(&cell), "no message of an operation of the cell {cell}");
            let told = self.known.announced.iter().filter(|key| key.starts_with(format!("outbox/{cell}/").as_bytes()));
            assert!(told.cloned().collect::<BTreeSet<_>>().is_subset(&keys), "told of what did not last");
        }
    }
}

impl Known {
    fn is_sent(&self, key: &[u8]) -> bool {
        self.delivered.contains(key) || self.undelivered.contains(key)
    }
}

impl Totals {
    pub fn add(&mut self, other: &Totals) {
        let Totals { acknowledged, failed, reads, panics, callers_gone, delivered, owners, .. } = other;
        self.acknowledged += acknowledged;
        self.failed += failed;
        self.reads += reads;
        self.panics += panics;
        self.callers_gone += callers_gone;
        self.delivered += delivered;
        self.owners += owners;
        self.power_losses += other.power_losses;
        self.unsynced_kept += other.unsynced_kept;
        self.unsynced_lost += other.unsynced_lost;
    }

    /// That a simulation finds nothing means something only if things went wrong in it.
    pub fn assert_everything_happened(&self) {
        let Totals { acknowledged, failed, reads, panics, callers_gone, delivered, owners, .. } = *self;
        let counts = [acknowledged, failed, reads, panics, callers_gone, delivered, owners, self.power_losses];
        assert!(counts.iter().all(|count| *count > 100), "{self:?}");
        assert!(self.unsynced_kept > 100 && self.unsynced_lost > 100, "{self:?}");
    }
}
