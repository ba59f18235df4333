use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error;
use crate::row::{Reader, Writer};

/// What a receipt handle says: which message it is of, and of which of its receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Stands for the queue that gave it.
    pub(crate) queue: u64,
    pub(crate) sequence: u64,
    /// How often the message had been received then, this time included.
    pub(crate) received: u32,
    /// Until when the message was to be invisible; in microseconds.
    pub(crate) visible: i64,
}

/// What handles begin with; it gives them the form of AWS's (`AQEB…`).
const MARK: [u8; 3] = [1, 1, 1];

/// A handle longer than this was never issued.
const HANDLE_LENGTH_MAX: usize = 1_024;

impl Receipt {
    pub(crate) fn handle(&self) -> String {
        let mut handle = Writer::with_capacity(35);
        handle.raw(&MARK);
        handle.u64(self.queue);
        handle.u64(self.sequence);
        handle.u32(self.received);
        handle.i64(self.visible);
        let mut handle = handle.finish();
        handle.extend_from_slice(&crc32fast::hash(&handle).to_be_bytes());
        STANDARD.encode(handle)
    }

    /// Reads a handle that the queue `queue` gave.
    pub(crate) fn parse(handle: &str, queue: u64) -> Result<Receipt, wire::Error> {
        let receipt = Receipt::read(handle).ok_or_else(|| error::invalid_receipt(handle))?;
        if receipt.queue == queue { Ok(receipt) } else { Err(error::foreign_receipt(handle)) }
    }

    fn read(handle: &str) -> Option<Receipt> {
        if handle.len() > HANDLE_LENGTH_MAX {
            return None;
        }
        let bytes = STANDARD.decode(handle).ok()?;
        let (bytes, sum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(bytes).to_be_bytes() != *sum {
            return None;
        }
        let mut row = Reader::new(bytes);
        if row.array::<3>()? != MARK {
            return None;
        }
        let receipt = Receipt { queue: row.u64()?, sequence: row.u64()?, received: row.u32()?, visible: row.i64()? };
        row.is_at_end().then_some(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_read_back() {
        let receipt = Receipt { queue: 1, sequence: 2, received: 3, visible: 4 };
        let handle = receipt.handle();
        assert!(handle.starts_with("AQEB"));
        assert_eq!(Receipt::parse(&handle, 1), Ok(receipt));
        assert!(Receipt::parse(&handle, 9).expect_err("of another queue").message.contains("not valid for this queue"));
        for wrong in ["", "x", "AQEB", &handle[4..], &handle.replace('A', "B")] {
            assert!(Receipt::parse(wrong, 1).expect_err("never issued").message.contains("not a valid receipt handle"));
        }
    }
}
