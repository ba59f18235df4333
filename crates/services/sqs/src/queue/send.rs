use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use cell::Tx;

use crate::message::{Content, Head};
use crate::order::Entry;
use crate::queue::{Queue, Refusal, content_row};
use crate::settings::Settings;

/// A message that is to be sent, checked.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// The message id.
    pub(crate) id: u128,
    pub(crate) content: Content,
    pub(crate) group: Option<Arc<str>>,
    /// In place of the queue's own.
    pub(crate) delay: Option<Duration>,
    /// By which a repetition is recognised.
    pub(crate) key: Option<u128>,
    /// When it was first sent, if it comes from another queue.
    pub(crate) sent: Option<Timestamp>,
    /// From when its retention counts, if not from now.
    pub(crate) kept_from: Option<Timestamp>,
}

/// A message that was taken, now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: u128,
    pub(crate) sequence: u64,
}

impl Queue {
    /// Takes messages, in their order; repetitions within the deduplication window are recognised and not taken
    /// again.
    pub(crate) fn send(
        &mut self,
        tx: &mut Tx<'_>,
        settings: &Settings,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<Sent>, Refusal> {
        self.begin(tx.now())?;
        let sent = messages.into_iter().map(|message| self.send_one(tx, settings, message)).collect();
        self.sweep(tx, settings);
        self.end(tx);
        Ok(sent)
    }

    fn send_one(&mut self, tx: &mut Tx<'_>, settings: &Settings, message: Outgoing) -> Sent {
        let now = tx.now();
        if let Some(seen) = message.key.and_then(|key| self.recent.get(key, now)) {
            return Sent { id: seen.id, sequence: seen.sequence };
        }
        let sequence = self.next;
        self.next += 1;
        if let Some(key) = message.key {
            self.recent.add(tx, key, message.id, sequence);
        }
        let visible = now + message.delay.unwrap_or(settings.delay);
        let head = Head {
            id: message.id,
            sequence,
            sent: message.sent.unwrap_or(now),
            kept_from: message.kept_from.unwrap_or(now),
            visible,
            first_received: Timestamp::EPOCH,
            last_received: Timestamp::EPOCH,
            received: 0,
            group: message.group,
        };
        if visible > now {
            self.count_delayed(visible);
        }
        tx.put(self.order.place(&head).row(), head.encode());
        tx.put(content_row(sequence), message.content.encode());
        self.count += 1;
        let sent = Sent { id: head.id, sequence };
        self.order.add(Entry::new(head, message.content));
        sent
    }
}
