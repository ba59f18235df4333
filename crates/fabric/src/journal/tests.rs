use base::{Entropy, SpanId, Timestamp, Trace};

use super::{Event, EventKind, Journal};

fn event(trace: &Trace, span: u64) -> Event {
    Event { action: "PutObject".into(), ..Event::new(trace, SpanId(span), EventKind::Call, Timestamp::from_secs(1)) }
}

fn traces() -> (Trace, Trace) {
    let entropy = Entropy::seeded(1);
    let begin = || Trace::begin(&entropy, Timestamp::from_secs(1));
    (begin(), begin())
}

#[test]
fn a_trace_is_found_again_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let (wanted, other) = traces();
    {
        let journal = Journal::open(Some(folder.path())).expect("opens");
        journal.record(event(&wanted, 1));
        journal.record(event(&other, 2));
        journal.record(event(&wanted.under(SpanId(1)), 3));
        journal.flush();
    }
    let journal = Journal::open(Some(folder.path())).expect("opens again");
    let spans: Vec<_> = journal.trace(wanted.root, 10).iter().map(|e| (e.span.0, e.parent)).collect();
    assert_eq!(spans, [(1, None), (3, Some(SpanId(1)))]);
}

#[test]
fn half_a_line_hurts_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("00000001.jsonl"), b"{\"root\":\"1-").expect("writes");
    let (trace, _) = traces();
    let journal = Journal::open(Some(folder.path())).expect("opens");
    journal.record(event(&trace, 1));
    assert_eq!(journal.newest(10, |_| true).len(), 1);
}

#[test]
fn the_newest_events_come_oldest_first() {
    let (trace, _) = traces();
    for folder in [None, Some(tempfile::tempdir().expect("a folder"))] {
        let journal = Journal::open(folder.as_ref().map(|f| f.path())).expect("opens");
        for span in 1..=5 {
            journal.record(event(&trace, span));
        }
        let spans: Vec<_> = journal.newest(2, |_| true).iter().map(|e| e.span.0).collect();
        assert_eq!(spans, [4, 5]);
    }
}

#[test]
fn a_follower_sees_what_comes() {
    let (trace, _) = traces();
    let journal = Journal::open(None).expect("opens");
    let mut follower = journal.follow();
    journal.record(event(&trace, 7));
    assert_eq!(follower.try_recv().expect("an event").span, SpanId(7));
}
