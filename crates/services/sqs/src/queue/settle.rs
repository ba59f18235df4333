//! What becomes of messages in flight: deleted, visible at another moment, or moved to another queue.

use std::time::Duration;

use cell::{Message, Tx};

use crate::error;
use crate::message::Head;
use crate::order::{Order, Place};
use crate::queue::{Queue, Refusal};
use crate::receipt::Receipt;

/// How long a message may be in flight from its receive on.
const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 3600);

/// A message that goes to another queue.
pub(crate) struct Relocation {
    pub(crate) head: Head,
    /// The row of the outbox that takes it there.
    pub(crate) message: Message,
}

/// What a receipt leads to.
enum Found {
    /// The message, in flight or received before.
    Message(Head),
    /// It has been received again since.
    Superseded,
    /// FIFO: its visibility timeout is over.
    Expired,
    Nothing,
}

impl Queue {
    /// Deletes a message. `looked` is the head that the store has at the place the receipt names, where a first
    /// call asked to look.
    pub(crate) fn delete(
        &mut self,
        tx: &mut Tx<'_>,
        receipt: &Receipt,
        handle: &str,
        looked: Option<Option<Head>>,
    ) -> Result<(), Refusal> {
        self.begin(tx.now())?;
        let head = match self.find(tx, receipt, looked)? {
            Found::Message(head) => head,
            Found::Expired => return Err(error::expired_receipt(handle).into()),
            // An old handle of a standard queue works as long as the message is there.
            Found::Superseded => match self.flight.get(receipt.sequence).cloned() {
                Some(head) if matches!(self.order, Order::Standard(_)) => head,
                _ => return Err(error::expired_receipt(handle).into()),
            },
            Found::Nothing => return Ok(()),
        };
        match self.flight.remove(head.sequence) {
            Some(head) => self.erase(tx, &head),
            None => self.erase_waiting(tx, &head),
        }
        self.end(tx);
        Ok(())
    }

    /// Makes a message in flight visible again `timeout` from now.
    pub(crate) fn change_visibility(
        &mut self,
        tx: &mut Tx<'_>,
        receipt: &Receipt,
        handle: &str,
        timeout: Duration,
        looked: Option<Option<Head>>,
    ) -> Result<(), Refusal> {
        let now = tx.now();
        self.begin(now)?;
        let mut head = match self.find(tx, receipt, looked)? {
            Found::Message(head) => head,
            Found::Expired => return Err(error::expired_receipt(handle).into()),
            Found::Superseded | Found::Nothing => return Err(error::not_in_flight(handle).into()),
        };
        if now + timeout > head.last_received + VISIBILITY_MAX {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            return Err(error::invalid_value(timeout.as_secs(), "VisibilityTimeout", reason).into());
        }
        let old = self.order.place(&head);
        head.visible = now + timeout;
        let place = self.order.place(&head);
        if place != old {
            tx.delete(old.row());
        }
        tx.put(place.row(), head.encode());
        self.order.replace(old, head.clone());
        self.flight.add(head);
        self.begin(now)?;
        self.end(tx);
        Ok(())
    }

    /// Moves messages in flight to another queue; those that are no longer as they were received stay. Gives how
    /// many were moved.
    pub(crate) fn relocate(&mut self, tx: &mut Tx<'_>, relocations: Vec<Relocation>) -> Result<usize, Refusal> {
        self.begin(tx.now())?;
        let mut moved = 0;
        for Relocation { head, message } in relocations {
            let unchanged = self.flight.get(head.sequence) == Some(&head) && self.flight.hides(head.sequence);
            if unchanged {
                self.flight.remove(head.sequence);
                self.erase(tx, &head);
                tx.send(message);
                moved += 1;
            }
        }
        self.end(tx);
        Ok(moved)
    }

    fn find(&mut self, tx: &Tx<'_>, receipt: &Receipt, looked: Option<Option<Head>>) -> Result<Found, Refusal> {
        let fifo = matches!(self.order, Order::Fifo(_));
        if let Some(head) = self.flight.get(receipt.sequence) {
            return Ok(if head.received == receipt.received {
                Found::Message(head.clone())
            } else {
                Found::Superseded
            });
        }
        let place = Place { at: if fifo { 0 } else { receipt.visible }, sequence: receipt.sequence };
        let beyond = self.order.horizon().hides(place);
        let known = match self.order.get(place) {
            Some(head) => Some(head.clone()),
            None if beyond => looked.ok_or(Refusal::Look(place))?,
            None => None,
        };
        Ok(match known {
            Some(head) if fifo && (head.received != receipt.received || head.visible <= tx.now()) => Found::Expired,
            Some(head) if head.received == receipt.received => Found::Message(head),
            Some(_) => Found::Superseded,
            None => Found::Nothing,
        })
    }
}
