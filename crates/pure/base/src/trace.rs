use std::fmt;

use crate::{Entropy, Timestamp};

/// One step of a trace: 64 bits, written as sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub u64);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A whole trace in X-Ray's form `1-<epoch seconds, 8 hex>-<96 random bits, 24 hex>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId {
    pub epoch_s: u32,
    pub random: u128,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1-{:08x}-{:024x}", self.epoch_s, self.random)
    }
}

/// What caused a piece of work: the trace it belongs to and the step that asked for it.
///
/// It travels in the `X-Amzn-Trace-Id` header, in the `AWSTraceHeader` attribute of a message and in a
/// delivery; every event of the journal continues one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    pub root: TraceId,
    /// The step that caused this; absent where the trace begins.
    pub parent: Option<SpanId>,
    /// Lambda's recursion lineage, carried along untouched.
    pub lineage: Option<String>,
}

impl Trace {
    /// Begins a trace.
    pub fn begin(entropy: &Entropy, now: Timestamp) -> Trace {
        let random = (u128::from(entropy.u64()) << 64 | u128::from(entropy.u64())) >> 32;
        let epoch_s = u32::try_from(now.secs()).unwrap_or(0);
        Trace { root: TraceId { epoch_s, random }, parent: None, lineage: None }
    }

    /// The same trace with `span` as the cause of what follows.
    pub fn under(&self, span: SpanId) -> Trace {
        Trace { parent: Some(span), ..self.clone() }
    }

    /// Reads `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1`.
    pub fn parse(header: &str) -> Option<Trace> {
        let mut root = None;
        let mut parent = None;
        let mut lineage = None;
        for part in header.split(';') {
            match part.trim().split_once('=') {
                Some(("Root" | "Self", value)) => root = root.or(parse_root(value)),
                Some(("Parent", value)) => parent = u64::from_str_radix(value, 16).ok().map(SpanId),
                Some(("Lineage", value)) => lineage = Some(value.to_owned()),
                _ => {}
            }
        }
        root.map(|root| Trace { root, parent, lineage })
    }
}

fn parse_root(text: &str) -> Option<TraceId> {
    let mut parts = text.split('-');
    let (version, epoch, random) = (parts.next()?, parts.next()?, parts.next()?);
    if version != "1" || epoch.len() != 8 || random.len() != 24 || parts.next().is_some() {
        return None;
    }
    Some(TraceId { epoch_s: u32::from_str_radix(epoch, 16).ok()?, random: u128::from_str_radix(random, 16).ok()? })
}

impl fmt::Display for Trace {
    /// The header's form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = self.parent {
            write!(f, ";Parent={parent}")?;
        }
        f.write_str(";Sampled=1")?;
        if let Some(lineage) = &self.lineage {
            write!(f, ";Lineage={lineage}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_a_round_trip() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=43e12f0f:5";
        assert_eq!(Trace::parse(header).expect("a trace").to_string(), header);
    }

    #[test]
    fn refuses_malformed_roots() {
        for header in ["", "Parent=53995c3f42cd8ad8", "Root=2-5759e988-bd862e3fe1be46a994272793", "Root=1-5759e988"] {
            assert!(Trace::parse(header).is_none(), "{header}");
        }
    }

    #[test]
    fn a_begun_trace_has_the_moment_in_it() {
        let trace = Trace::begin(&Entropy::seeded(1), Timestamp::from_secs(0x5759_e988));
        assert!(trace.to_string().starts_with("Root=1-5759e988-"));
    }
}
