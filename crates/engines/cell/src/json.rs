//! Rows of JSON: for control-plane state, which people read and which is small.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Tx;

/// Writes a row. `value` must have only text keys, as derived types do.
pub fn put(tx: &mut Tx<'_>, row: impl AsRef<[u8]>, value: &impl Serialize) {
    tx.put(row, serde_json::to_vec(value).expect("control-plane rows have only text keys"));
}

/// Reads a row; the error says what is wrong with it.
pub fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|error| error.to_string())
}
