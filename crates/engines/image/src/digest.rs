use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::Error;

/// The SHA-256 of a document or layer: `sha256:` and 64 hexadecimal digits. Other algorithms are not taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

const ALGORITHM: &str = "sha256:";

impl Digest {
    /// That of some bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::from_hash(Sha256::digest(bytes).as_slice())
    }

    fn from_hash(hash: &[u8]) -> Digest {
        Digest(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits alone: they are safe as a file's name.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Digest, Error> {
        let hex = text.strip_prefix(ALGORITHM).unwrap_or_default();
        let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex.len() == 64 && is_hex {
            Ok(Digest(hex.to_owned()))
        } else {
            Err(Error::invalid(format!("`{text}` is no SHA-256 digest")))
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.0)
    }
}

/// Takes the digest of what is read through it.
pub(crate) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Hashing<R> {
        Hashing { inner, hash: Sha256::new() }
    }

    /// Reads on to the end, and compares.
    pub(crate) fn finish(mut self, expected: &Digest, what: &str) -> Result<(), Error> {
        let read = io::copy(&mut self, &mut io::sink());
        read.map_err(|error| Error::invalid(format!("{what} cannot be read to its end: {error}")))?;
        let found = Digest::from_hash(&self.hash.finalize());
        if found == *expected {
            return Ok(());
        }
        Err(Error::invalid(format!("{what} has the digest {found} where {expected} was promised")))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_sha_256_only() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), format!("sha256:{hex}"));
        assert_eq!(format!("sha256:{hex}").parse::<Digest>().expect("a digest").hex(), hex);
        let upper = format!("sha256:{}", hex.to_uppercase());
        for wrong in ["", "sha256:", "sha256:../../etc", "md5:900150983cd24fb0d6963f7d28e17f72", hex, &upper] {
            wrong.parse::<Digest>().expect_err(wrong);
        }
    }

    #[test]
    fn compares_what_was_read_with_what_was_promised() {
        Hashing::new(&b"abc"[..]).finish(&Digest::of(b"abc"), "it").expect("the same");
        let error = Hashing::new(&b"abd"[..]).finish(&Digest::of(b"abc"), "the layer").expect_err("another");
        assert!(error.to_string().contains("the layer has the digest sha256:a52d159f"), "{error}");
    }
}
