use std::time::Duration;

use base::{Entropy, Timestamp};
use blob::Blobs;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Faults, Memory};

use crate::actions::Client;
use crate::ledger::{History, Ledger};
use crate::machine::{Machine, QUEUES};

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const LIVES_MAX: u64 = 4;
const STEPS_MAX: usize = 60;
const KEYS: usize = 5;
/// By how much an upload is larger than the one before, so that some objects are rows and some are blobs.
const NUMBER_STEP_MAX: usize = 300;
const VISIBILITY_S_MAX: u64 = 30;
/// In how many rounds all must have arrived once nothing fails any more.
const ROUNDS_MAX: usize = 400;

struct World {
    seed: u64,
    rng: StdRng,
    ledger: Ledger,
    store: Memory,
    blobs: Blobs,
    now: Timestamp,
    numbers: usize,
}

/// Simulates one history and checks it; panics where it finds a fault.
pub fn run(seed: u64) -> History {
    let mut world = World {
        seed,
        rng: StdRng::seed_from_u64(seed),
        ledger: Ledger::default(),
        store: Memory::new(),
        blobs: Blobs::memory(Entropy::seeded(seed.wrapping_mul(31))),
        now: START,
        numbers: 0,
    };
    let lives = world.rng.random_range(1..=LIVES_MAX);
    for life in 0..=lives {
        // Whatever was under way ends with the runtime.
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(world.live(life, life == lives));
    }
    world.ledger.lock().history.clone()
}

impl World {
    /// From a start to the loss of power, or to the end.
    async fn live(&mut self, life: u64, last: bool) {
        let seed = self.seed.wrapping_mul(1_000).wrapping_add(life);
        let machine = Machine::start(self.store.clone(), self.blobs.clone(), self.now, seed, self.ledger.clone()).await;
        if life == 0 {
            machine.furnish().await;
        }
        let client = Client::new(&machine, &self.ledger);
        self.check_objects(&client).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..self.rng.random_range(1..=STEPS_MAX) {
            self.step(&machine, &client, &mut tasks).await;
            while let Some(ended) = tasks.try_join_next() {
                ended.expect("a client's expectation holds");
            }
        }
        if last {
            self.end(&machine, &client, tasks).await;
            return;
        }
        let reached = self.rng.random_range(0..=machine.store.waiting());
        self.store = machine.store.after_power_loss_amid(reached);
        self.now = machine.fabric.now() + Duration::from_secs(1);
        self.ledger.lock().power_lost();
    }

    async fn step(&mut self, machine: &Machine, client: &Client, tasks: &mut tokio::task::JoinSet<()>) {
        let client = client.clone();
        match self.rng.random_range(0..100) {
            0..25 => {
                let key = format!("key {}", self.rng.random_range(0..KEYS));
                if self.ledger.lock().is_free(&key) {
                    let number = self.next_number();
                    tasks.spawn(client.upload(key, number));
                }
            }
            25..35 => {
                let number = self.next_number();
                tasks.spawn(client.publish(number));
            }
            35..50 => {
                let queue = QUEUES[self.rng.random_range(0..QUEUES.len())];
                let visibility_s = self.rng.random_range(1..=VISIBILITY_S_MAX);
                tasks.spawn(async move {
                    client.receive(queue, visibility_s).await;
                });
            }
            50..58 => {
                let after = self.rng.random_range(0..6);
                let fault = if self.rng.random_bool(0.5) { Faults::Refused } else { Faults::AnswerLost };
                machine.store.plan(std::iter::repeat_n(Faults::None, after).chain([fault]));
                self.ledger.lock().history.faults += 1;
            }
            58..64 => machine.store.hold(),
            64..76 => drop(machine.store.sync(self.rng.random_range(1..8))),
            76..84 => machine.store.release(),
            _ => {
                machine.settle().await;
                self.ledger.lock().history.jumps += u64::from(machine.jump());
            }
        }
        for _ in 0..self.rng.random_range(0..6) {
            tokio::task::yield_now().await;
        }
    }

    /// Numbers are sizes too: they grow past what is kept in rows.
    fn next_number(&mut self) -> usize {
        self.numbers += self.rng.random_range(1..=NUMBER_STEP_MAX);
        self.numbers
    }

    /// Without further faults everything arrives; then all must fit.
    async fn end(&mut self, machine: &Machine, client: &Client, mut tasks: tokio::task::JoinSet<()>) {
        machine.heal();
        machine.settle().await;
        while let Some(ended) = tasks.join_next().await {
            ended.expect("a client's expectation holds");
        }
        self.touch_cells(client).await;
        for round in 0.. {
            machine.settle().await;
            if machine.outbox().await.is_empty() && !machine.jump() {
                break;
            }
            machine.jump();
            assert!(round < ROUNDS_MAX, "left in the outbox: {:#?}", machine.outbox().await);
        }
        // All that was received and not deleted is visible again.
        machine.advance(Duration::from_secs(2 * VISIBILITY_S_MAX));
        for queue in QUEUES {
            for round in 0.. {
                assert!(round < ROUNDS_MAX, "{queue} does not become empty");
                match client.clone().receive(queue, VISIBILITY_S_MAX).await {
                    Some(0) => break,
                    Some(_) => {}
                    // A fault that was still planned: the messages may be in flight all the same.
                    None => machine.advance(Duration::from_secs(2 * VISIBILITY_S_MAX)),
                }
            }
        }
        self.check_objects(client).await;
        self.check_arrivals(client).await;
        assert!(machine.outbox().await.is_empty(), "receiving sends nothing");
    }

    /// A cell finds out at its next use which messages of a failed commit are in the store all the same: so the
    /// bucket and the topic are used until they answer. The faults that were planned run out meanwhile.
    async fn touch_cells(&mut self, client: &Client) {
        for _ in 0..ROUNDS_MAX {
            let (upload, publication) = (self.next_number(), self.next_number());
            client.clone().upload("key 0".to_owned(), upload).await;
            client.clone().publish(publication).await;
            let entries = self.ledger.lock();
            if entries.uploads[&upload].acknowledged && entries.published[&publication] {
                return;
            }
        }
        panic!("the services do not recover");
    }

    /// Every key shows what was acknowledged, or something newer.
    async fn check_objects(&self, client: &Client) {
        for key in (0..KEYS).map(|key| format!("key {key}")) {
            let (may_be_absent, possible) = self.ledger.lock().possible(&key);
            match client.look(&key).await {
                Some(number) => assert!(possible.contains(&number), "{key} shows {number}, not one of {possible:?}"),
                None => assert!(may_be_absent, "{key} has gone; it was one of {possible:?}"),
            }
        }
    }

    async fn check_arrivals(&self, client: &Client) {
        let mut owed = self.ledger.lock().owed();
        for key in (0..KEYS).map(|key| format!("key {key}")) {
            // What is there although nobody was told so must have been told of.
            owed.extend(client.look(&key).await);
        }
        let entries = self.ledger.lock();
        for queue in QUEUES {
            let arrived = entries.arrived.get(queue).cloned().unwrap_or_default();
            let lost: Vec<_> = owed.difference(&arrived).collect();
            assert!(lost.is_empty(), "never arrived at {queue}: {lost:?}");
            let begun = |number: &usize| entries.called.contains(number) || entries.published.contains_key(number);
            assert!(arrived.iter().all(begun), "{queue} got what nobody sent");
        }
        assert!(entries.called.iter().all(|number| entries.uploads.contains_key(number)), "a call without an upload");
    }
}
