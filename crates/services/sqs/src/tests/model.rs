//! The service against a simple model of a queue.

use std::collections::{BTreeMap, HashMap};

use model_sqs as model;
use proptest::prelude::*;

use super::bench::Bench;

const VISIBILITY_S: u64 = 10;

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Receive(u8),
    /// Deletes the n-th of the messages that are held.
    Delete(u8),
    /// Makes the n-th of the held messages visible.
    Release(u8),
    Advance(u8),
    Restart,
}

/// What a queue must do, as naively as can be.
#[derive(Default)]
struct Naive {
    /// By number: the group, and until when it is invisible.
    messages: BTreeMap<usize, (u8, u64)>,
    now: u64,
    sent: usize,
}

impl Naive {
    fn is_locked(&self, group: u8) -> bool {
        self.messages.values().any(|(other, until)| *other == group && *until > self.now)
    }

    /// The first message of each group that is not locked.
    fn may_come(&self, number: usize, fifo: bool) -> bool {
        let Some((group, until)) = self.messages.get(&number) else { return false };
        let first = self.messages.iter().find(|(_, (other, _))| other == group).map(|(number, _)| *number);
        *until <= self.now && (!fifo || (!self.is_locked(*group) && first == Some(number)))
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8).prop_map(Step::Send),
        4 => (1..4u8).prop_map(Step::Receive),
        3 => any::<u8>().prop_map(Step::Delete),
        1 => any::<u8>().prop_map(Step::Release),
        2 => (1..12u8).prop_map(Step::Advance),
        1 => Just(Step::Restart),
    ]
}

async fn run(steps: Vec<Step>, fifo: bool) {
    let mut bench = Bench::new().await;
    let url = bench.create(if fifo { "q.fifo" } else { "q" }, &[("VisibilityTimeout", "10")]).await;
    let mut naive = Naive::default();
    let mut held: HashMap<usize, model::Message> = HashMap::new();
    for step in steps {
        held.retain(|number, _| naive.messages.get(number).is_some_and(|(_, until)| *until > naive.now));
        let mut numbers: Vec<usize> = held.keys().copied().collect();
        numbers.sort_unstable();
        let chosen = |n: u8| (!numbers.is_empty()).then(|| numbers[usize::from(n) % numbers.len()]);
        match step {
            Step::Send(group) => {
                let body = naive.sent.to_string();
                if fifo {
                    bench.send_fifo(&url, &body, &group.to_string(), &body).await;
                } else {
                    bench.send(&url, &body).await;
                }
                naive.messages.insert(naive.sent, (group, 0));
                naive.sent += 1;
            }
            Step::Receive(max) => {
                let received = bench.receive(&url, i32::from(max)).await;
                let possible = naive.messages.keys().filter(|number| naive.may_come(**number, fifo)).count();
                assert!(received.len() >= possible.min(usize::from(max)), "what is there comes");
                let mut taken: Vec<(usize, u8)> = Vec::new();
                for message in received {
                    let number: usize = message.body.as_deref().expect("a body").parse().expect("a number");
                    let (group, until) = naive.messages[&number];
                    assert!(until <= naive.now, "a message in flight comes to nobody else");
                    if fifo {
                        let earlier = naive.messages.range(..number).filter(|(_, (other, _))| *other == group);
                        let all_taken =
                            earlier.map(|(number, _)| *number).all(|number| taken.contains(&(number, group)));
                        assert!(all_taken, "no message comes before an earlier one of its group");
                    }
                    taken.push((number, group));
                    held.insert(number, message);
                }
                for (number, group) in taken {
                    naive.messages.insert(number, (group, naive.now + VISIBILITY_S));
                }
            }
            Step::Delete(n) => {
                if let Some(number) = chosen(n) {
                    bench.delete(&url, &held.remove(&number).expect("held")).await.expect("deleted");
                    naive.messages.remove(&number);
                }
            }
            Step::Release(n) => {
                if let Some(number) = chosen(n) {
                    bench.change(&url, &held.remove(&number).expect("held"), 0).await.expect("changed");
                    if let Some((_, until)) = naive.messages.get_mut(&number) {
                        *until = naive.now;
                    }
                }
            }
            Step::Advance(seconds) => {
                bench.advance(u64::from(seconds));
                naive.now += u64::from(seconds);
            }
            Step::Restart => bench = bench.restart().await,
        }
        let in_flight = naive.messages.values().filter(|(_, until)| *until > naive.now).count() as u64;
        let visible = naive.messages.len() as u64 - in_flight;
        assert_eq!(bench.counts(&url).await, [visible, in_flight, 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_queue_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60), fifo: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(run(steps, fifo));
    }
}
