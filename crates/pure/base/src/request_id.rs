use std::fmt;
use std::sync::Arc;

use crate::Entropy;

/// The id of one API request, as `x-amzn-RequestId` carries it: a UUID, unless the caller brought its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

impl RequestId {
    pub fn new(entropy: &Entropy) -> RequestId {
        RequestId(entropy.uuid().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RequestId {
    fn from(text: &str) -> RequestId {
        RequestId(text.into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
