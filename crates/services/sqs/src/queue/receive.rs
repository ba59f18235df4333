use std::collections::VecDeque;
use std::time::Duration;

use base::Timestamp;
use cell::Tx;

use crate::message::{Content, Head};
use crate::order::Order;
use crate::queue::{AttemptsById, Queue, Refusal, is_over};
use crate::settings::Settings;
use crate::{error, recent};

/// How long a message that is on its way to a dead-letter queue is out of sight, should that fail.
pub(crate) const RELOCATION_MAX: Duration = Duration::from_secs(30);
/// How many messages past their retention one receive deletes before it gives up until the next.
const SWEPT_MAX: usize = 1_000;
/// How many receive attempts are remembered.
const ATTEMPTS_MAX: usize = 10_000;

/// What a receive asks for.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) max: usize,
    /// In place of the queue's own.
    pub(crate) visibility_timeout: Option<Duration>,
    /// After how many receives a message is to go to the dead-letter queue; `None` where there is none.
    pub(crate) receives_max: Option<u32>,
    /// `ReceiveRequestAttemptId`.
    pub(crate) attempt: Option<String>,
}

/// What a receive found.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<(Head, Option<Box<Content>>)>,
    /// Those received too often: they are out of sight for [`RELOCATION_MAX`] and must be relocated.
    pub(crate) dead: Vec<(Head, Option<Box<Content>>)>,
    /// Nothing was found, but there may be something: the work of one receive was done.
    pub(crate) again: bool,
    /// Further heads should be read.
    pub(crate) wants_page: bool,
}

/// Which messages a receive attempt got, each with its receive count.
#[derive(Debug)]
pub(crate) struct Attempt {
    until: Timestamp,
    messages: Vec<(u64, u32)>,
}

/// The receive attempts of a FIFO queue, which may be repeated. In memory only: after a restart a repetition is
/// an attempt of its own.
#[derive(Default)]
pub(crate) struct Attempts {
    known: AttemptsById,
    order: VecDeque<(Timestamp, String)>,
}

impl Queue {
    /// Takes messages that are visible, which are in flight then.
    pub(crate) fn receive(&mut self, tx: &mut Tx<'_>, settings: &Settings, want: &Want) -> Result<Taken, Refusal> {
        let now = tx.now();
        let timeout = want.visibility_timeout.unwrap_or(settings.visibility_timeout);
        self.begin(now)?;
        if let Some(messages) = want.attempt.as_deref().and_then(|attempt| self.repeat(tx, attempt, timeout)) {
            self.end(tx);
            return Ok(Taken { messages, ..Taken::default() });
        }
        if self.flight.is_full() {
            return match self.order {
                Order::Standard(_) => Err(error::too_many_in_flight().into()),
                Order::Fifo(_) => Ok(Taken::default()),
            };
        }
        let mut taken = Taken::default();
        let mut swept = 0;
        while taken.messages.len() < want.max && taken.dead.len() < want.max {
            let flight = &self.flight;
            let entries = self.order.take(now, want.max - taken.messages.len(), &|group| flight.is_noisy(group));
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if is_over(&entry.head, settings.retention, now) {
                    self.erase(tx, &entry.head);
                    swept += 1;
                } else if want.receives_max.is_some_and(|max| entry.head.received >= max) {
                    taken.dead.push((entry.head, entry.content));
                } else {
                    taken.messages.push((entry.head, entry.content));
                }
            }
            if swept >= SWEPT_MAX {
                taken.again = taken.messages.is_empty();
                break;
            }
        }
        for (head, _) in &mut taken.dead {
            self.hide(tx, head, RELOCATION_MAX);
        }
        for (head, _) in &mut taken.messages {
            head.received += 1;
            head.last_received = now;
            if head.received == 1 {
                head.first_received = now;
            }
            self.hide(tx, head, timeout);
        }
        if let Some(attempt) = &want.attempt {
            self.attempts.note(now, attempt, &taken.messages);
        }
        taken.wants_page = self.wants_page();
        self.end(tx);
        Ok(taken)
    }

    /// A message that was taken out is in flight for a while.
    fn hide(&mut self, tx: &mut Tx<'_>, head: &mut Head, visibility_timeout: Duration) {
        let old = self.order.place(head);
        head.visible = tx.now() + visibility_timeout;
        let place = self.order.place(head);
        if place != old {
            tx.delete(old.row());
        }
        tx.put(place.row(), head.encode());
        self.order.hide(head.clone());
        self.flight.add(head.clone());
    }

    /// The messages of an attempt that is repeated, if nothing has happened to them since; they are in flight
    /// from now on again.
    fn repeat(
        &mut self,
        tx: &mut Tx<'_>,
        attempt: &str,
        timeout: Duration,
    ) -> Option<Vec<(Head, Option<Box<Content>>)>> {
        let known = self.attempts.known.get(attempt).filter(|attempt| attempt.until > tx.now())?;
        let head = |(sequence, received): &(u64, u32)| {
            let head = self.flight.get(*sequence)?;
            (head.received == *received && self.flight.hides(*sequence)).then(|| head.clone())
        };
        let mut heads: Vec<Head> = known.messages.iter().map(head).collect::<Option<_>>()?;
        for head in &mut heads {
            head.visible = tx.now() + timeout;
            tx.put(self.order.place(head).row(), head.encode());
            self.flight.add(head.clone());
        }
        (!heads.is_empty()).then(|| heads.into_iter().map(|head| (head, None)).collect())
    }
}

impl Attempts {
    fn note(&mut self, now: Timestamp, attempt: &str, messages: &[(Head, Option<Box<Content>>)]) {
        if messages.is_empty() {
            return;
        }
        let until = now + recent::WINDOW;
        let messages = messages.iter().map(|(head, _)| (head.sequence, head.received)).collect();
        self.known.insert(attempt.to_owned(), Attempt { until, messages });
        self.order.push_back((until, attempt.to_owned()));
        while let Some((end, _)) = self.order.front()
            && (*end <= now || self.order.len() > ATTEMPTS_MAX)
        {
            let (end, id) = self.order.pop_front().expect("it has a front");
            if self.known.get(&id).is_some_and(|attempt| attempt.until == end) {
                self.known.remove(&id);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Attempts::default();
    }
}
