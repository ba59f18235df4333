use std::fmt;
use std::str::FromStr;

use base::Entropy;

/// The name of a blob: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(String);

impl BlobId {
    pub(crate) fn new(entropy: &Entropy) -> BlobId {
        BlobId(format!("{:016x}{:016x}", entropy.u64(), entropy.u64()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobId {
    type Err = crate::Error;

    /// Takes only what Kobel could have made, so that an id never leads out of the blobs' folder.
    fn from_str(text: &str) -> Result<BlobId, crate::Error> {
        let well_formed = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        well_formed.then(|| BlobId(text.to_owned())).ok_or_else(|| crate::Error::Id { text: text.to_owned() })
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
