//! The cell under test, and what is known of it from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use base::Timestamp;
use kobel_cell::{Error, Message, Outbox, Rows, State, Tx};

/// A list of operations in the order in which they were applied, with their count in a row of its own.
pub struct List {
    pub operations: Vec<u64>,
    /// Whether a command has left it half done.
    pub half_done: bool,
}

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Appends the operation and sends a message.
    Append,
    /// Says no, before it has changed anything.
    Refuse,
    /// Says no in the middle.
    FailHalfWay,
    Panic,
}

/// What somebody outside knows for sure.
#[derive(Default)]
pub struct Known {
    /// Acknowledged operations, by cell and place.
    pub acknowledged: BTreeMap<(usize, u64), u64>,
    /// Operations that a reader saw, by cell and place.
    pub seen: BTreeMap<(usize, u64), u64>,
    /// Keys of all messages of which the outbox has ever known.
    pub announced: BTreeSet<Vec<u8>>,
    /// Keys of those that were carried out.
    pub delivered: BTreeSet<Vec<u8>>,
    /// Keys of those that the outbox knows and has yet to carry out. It forgets them when the machine stops.
    pub undelivered: BTreeSet<Vec<u8>>,
}

/// Takes messages, and checks that each cell's come in order.
#[derive(Default)]
pub struct Messages {
    told: Mutex<Vec<Message>>,
}

impl Outbox for Messages {
    fn committed(&self, messages: Vec<Message>) {
        self.told.lock().expect("lock").extend(messages);
    }
}

impl Messages {
    /// Keys of the messages told since the last call.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.told.lock().expect("lock")).into_iter().map(|message| message.key).collect()
    }
}

impl State for List {
    fn load(rows: &Rows) -> Result<List, String> {
        let number = |value: &[u8]| value.try_into().map(u64::from_be_bytes).map_err(|_| "no number".to_owned());
        let mut operations = Vec::new();
        for (at, (row, value)) in rows.under("operation/").enumerate() {
            if row != place(at as u64 + 1).as_bytes() {
                return Err(format!("place {} is missing", at + 1));
            }
            operations.push(number(value)?);
        }
        let count = rows.get("count").map_or(Ok(0), number)?;
        if count != operations.len() as u64 {
            return Err(format!("half of a batch: {count} of {} operations", operations.len()));
        }
        Ok(List { operations, half_done: false })
    }
}

impl List {
    /// Returns the operation's place.
    pub fn act(&mut self, tx: &mut Tx<'_>, cell: usize, act: Act, operation: u64) -> Result<u64, Error> {
        assert!(!self.half_done, "a command saw what another had left half done");
        let refusal = Error::Unreadable { cell: cell.to_string(), reason: "refused".into() };
        match act {
            Act::Append => {
                self.operations.push(operation);
                let count = self.operations.len() as u64;
                tx.put(format!("operation/{}", place(count)), operation.to_be_bytes());
                tx.put("count", count.to_be_bytes());
                tx.send(Message { key: message_key(cell, count, operation), due: Timestamp::EPOCH, value: vec![1] });
                Ok(count)
            }
            Act::Refuse => Err(refusal),
            Act::FailHalfWay => {
                self.half_done = true;
                tx.put("count", 0u64.to_be_bytes());
                Err(refusal)
            }
            Act::Panic => {
                self.half_done = true;
                // Without the hook, which would print it.
                std::panic::resume_unwind(Box::new("a simulated bug"))
            }
        }
    }
}

pub fn message_key(cell: usize, place_: u64, operation: u64) -> Vec<u8> {
    format!("outbox/{cell}/{}/{operation:016x}", place(place_)).into_bytes()
}

fn place(at: u64) -> String {
    format!("{at:08}")
}
