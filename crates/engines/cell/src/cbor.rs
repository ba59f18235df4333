//! Rows of CBOR behind a version byte: for hot rows. A row can be read by whoever knows its version.

use minicbor::{Decode, Encode};

use crate::Tx;

/// Writes a row.
pub fn put(tx: &mut Tx<'_>, row: impl AsRef<[u8]>, version: u8, value: &impl Encode<()>) {
    tx.put(row, encode(version, value));
}

/// A row's bytes.
pub fn encode(version: u8, value: &impl Encode<()>) -> Vec<u8> {
    let mut bytes = vec![version];
    minicbor::encode(value, &mut bytes).expect("nothing fails that is written to memory");
    bytes
}

/// The version of a row, by which to choose the type to read.
pub fn version(row: &[u8]) -> Result<u8, String> {
    row.first().copied().ok_or_else(|| "it is empty".to_owned())
}

/// Reads a row of version `version`; the error says what is wrong with it.
pub fn read<'a, T: Decode<'a, ()>>(row: &'a [u8], version: u8) -> Result<T, String> {
    match row.split_first() {
        Some((found, value)) if *found == version => minicbor::decode(value).map_err(|error| error.to_string()),
        Some((found, _)) => Err(format!("it is of version {found}, not {version}")),
        None => Err("it is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_written_and_only_in_their_version() {
        let row = encode(2, &("text", 7u64));
        assert_eq!(version(&row), Ok(2));
        assert_eq!(read(&row, 2), Ok(("text", 7u64)));
        assert_eq!(read::<(&str, u64)>(&row, 1), Err("it is of version 2, not 1".into()));
        assert!(read::<(&str, u64)>(&row[..3], 2).is_err());
        assert!(read::<(&str, u64)>(&[], 2).is_err());
    }
}
