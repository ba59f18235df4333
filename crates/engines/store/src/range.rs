/// Which rows to read, in which direction, and how many at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first key, inclusive.
    pub from: Vec<u8>,
    /// The end, exclusive; `None` for no end.
    pub to: Option<Vec<u8>>,
    pub limit: usize,
    /// From the end backward.
    pub reverse: bool,
}

impl Range {
    /// How many rows are read where nobody says: a reader that wants more goes on after the last.
    pub const LIMIT_DEFAULT: usize = 10_000;

    pub fn from(from: impl Into<Vec<u8>>) -> Range {
        Range { from: from.into(), to: None, limit: Range::LIMIT_DEFAULT, reverse: false }
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Range {
        let from = prefix.into();
        let to = Range::end_of_prefix(&from);
        Range { to, ..Range::from(from) }
    }

    pub fn to(mut self, to: impl Into<Vec<u8>>) -> Range {
        self.to = Some(to.into());
        self
    }

    pub fn limit(mut self, limit: usize) -> Range {
        self.limit = limit;
        self
    }

    pub fn reverse(mut self) -> Range {
        self.reverse = true;
        self
    }

    /// The first key after all that begin with `prefix`; `None` if there is no such key.
    pub fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
        let kept = prefix.iter().rposition(|byte| *byte != 0xff)?;
        let mut end = prefix[..=kept].to_vec();
        end[kept] += 1;
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        let cases: [(&[u8], Option<&[u8]>); 4] =
            [(b"ab", Some(b"ac")), (b"a\xff", Some(b"b")), (b"\xff\xff", None), (b"", None)];
        for (prefix, end) in cases {
            assert_eq!(Range::end_of_prefix(prefix).as_deref(), end);
        }
    }
}
