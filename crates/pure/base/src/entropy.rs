use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// The source of all randomness: ids, secrets, jitter. Cheap to clone; clones draw from the same stream.
///
/// A cryptographic generator (ChaCha12) seeded by the operating system, or from a number for a simulation.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded by the operating system.
    pub fn system() -> Entropy {
        Entropy(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Entropy {
        Entropy(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        self.lock().fill_bytes(bytes);
    }

    pub fn u64(&self) -> u64 {
        self.lock().next_u64()
    }

    /// A number in `0..bound`; `bound` must not be 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.lock().random_range(0..bound)
    }

    /// A random (version 4) UUID in its hyphenated lower-case form.
    pub fn uuid(&self) -> String {
        let mut b = [0u8; 16];
        self.fill(&mut b);
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let n = u128::from_be_bytes(b);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            (n >> 80) & 0xffff,
            (n >> 64) & 0xffff,
            (n >> 48) & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }

    /// `length` characters drawn from `alphabet` (ASCII).
    pub fn text(&self, alphabet: &[u8], length: usize) -> String {
        let mut rng = self.lock();
        (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_ids() {
        assert_eq!(Entropy::seeded(7).uuid(), Entropy::seeded(7).uuid());
        assert_ne!(Entropy::seeded(7).uuid(), Entropy::seeded(8).uuid());
    }

    #[test]
    fn uuid_has_version_and_variant() {
        let uuid = Entropy::system().uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
