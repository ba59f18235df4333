//! What all batch operations have in common.

use std::collections::HashSet;

use model_sqs::{BatchResultErrorEntry, errors};
use wire::{Error, Fault};

/// How many entries a batch may have.
const ENTRIES_MAX: usize = 10;
const ID_LENGTH_MAX: usize = 80;

/// Checks the ids of a batch's entries.
pub(crate) fn check<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    let count = ids.len();
    if count == 0 {
        return Err(errors::empty_batch_request(
            "There should be at least one SendMessageBatchRequestEntry in the request.",
        ));
    }
    if count > ENTRIES_MAX {
        let message = format!("Maximum number of entries per request are {ENTRIES_MAX}. You have sent {count}.");
        return Err(errors::too_many_entries_in_batch_request(message));
    }
    let mut known = HashSet::with_capacity(count);
    for id in ids {
        let valid = (1..=ID_LENGTH_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !valid {
            return Err(errors::invalid_batch_entry_id(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
                 80 letters long.",
            ));
        }
        if !known.insert(id) {
            return Err(errors::batch_entry_ids_not_distinct(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// An entry that failed.
pub(crate) fn refused(id: String, error: Error) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id,
        sender_fault: error.fault == Fault::Sender,
        code: error.query_code.into_owned(),
        message: Some(error.message),
    }
}
