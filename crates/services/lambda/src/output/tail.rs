use std::collections::VecDeque;

/// How much of an invocation's log `LogType: Tail` returns.
const TAIL_BYTES_MAX: usize = 4_096;

/// The end of what was written.
#[derive(Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(TAIL_BYTES_MAX)..];
        self.bytes.extend(kept);
        let excess = self.bytes.len().saturating_sub(TAIL_BYTES_MAX);
        self.bytes.drain(..excess);
    }

    pub(super) fn copy(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_four_kilobytes() {
        let mut tail = Tail::default();
        tail.push(b"begin");
        tail.push(&[b'x'; TAIL_BYTES_MAX - 3]);
        tail.push(b"end");
        let taken = tail.take();
        assert_eq!(taken.len(), TAIL_BYTES_MAX);
        assert!(taken.ends_with(b"xend") && taken.starts_with(b"xx"));
        assert!(tail.take().is_empty());
    }
}
