use std::time::Duration;

use base::{Entropy, Timestamp};

use crate::{Delivery, Event, Failure, Outcome};

/// What an attempt comes to: the rows that replace the delivery's own.
pub(super) struct Settled {
    /// The delivery itself, rescheduled, or what follows from its end.
    pub(super) next: Vec<Delivery>,
    outcome: String,
    detail: String,
    target: String,
}

/// Decides, by the outcome and the delivery's policy. The trace of `delivery` is that of its cause.
pub(super) fn settle(mut delivery: Delivery, outcome: Outcome, now: Timestamp, entropy: &Entropy) -> Settled {
    let target = delivery.target.clone();
    let attempt = delivery.attempts + 1;
    let settled = |next, outcome: &str, detail| Settled { next, outcome: outcome.to_owned(), detail, target };
    match outcome {
        Outcome::Done { next } => settled(next, "ok", format!("attempt {attempt}")),
        Outcome::Dropped { why, next } => settled(next, "dropped", format!("attempt {attempt}: {why}")),
        Outcome::Again { after, attempted, notes, why } => {
            delivery.attempts += u32::from(attempted);
            delivery.deferrals = if attempted { 0 } else { delivery.deferrals + 1 };
            delivery.notes = notes;
            delivery.due = now + after;
            let detail = format!("attempt {attempt}: {why}; again in {}", seconds(after));
            settled(vec![delivery], "retry", detail)
        }
        Outcome::Failed(failure) => {
            delivery.attempts = attempt;
            let wait = delivery.retry.backoff.wait(attempt);
            if failure.retryable && may_retry(&delivery, now + wait) {
                delivery.due = now + wait;
                let detail = format!("attempt {attempt}: {}; again in {}", failure.message, seconds(wait));
                return settled(vec![delivery], &failure.code, detail);
            }
            let detail = format!("attempt {attempt}: {}; given up", failure.message);
            settled(dead_letter(&delivery, &failure, now, entropy).into_iter().collect(), &failure.code, detail)
        }
    }
}

fn may_retry(delivery: &Delivery, next: Timestamp) -> bool {
    let age = next.since(delivery.accepted);
    delivery.attempts < delivery.retry.attempts_max && age.as_secs() <= delivery.retry.age_max_s
}

/// The delivery to the dead-letter target, with why it is there.
fn dead_letter(delivery: &Delivery, failure: &Failure, now: Timestamp, entropy: &Entropy) -> Option<Delivery> {
    let dead_letter = delivery.dead_letter.as_ref()?;
    let mut letter =
        Delivery::new(entropy, now, dead_letter.target.clone(), delivery.payload.clone(), delivery.trace.clone());
    letter.sender = delivery.sender.clone();
    letter.parameters = dead_letter.parameters.clone();
    letter.parameters.insert("ErrorCode".into(), failure.code.clone().into());
    letter.parameters.insert("ErrorMessage".into(), failure.message.clone().into());
    letter.parameters.insert("DeadLetterOf".into(), delivery.target.clone().into());
    letter.parameters.insert("Attempts".into(), delivery.attempts.into());
    Some(letter)
}

fn seconds(wait: Duration) -> String {
    format!("{} s", wait.as_secs_f64())
}

impl Settled {
    /// Completes the journal's event of the attempt.
    pub(super) fn tell(&self, event: Event) -> Event {
        let service = self.target.split(':').nth(2).unwrap_or_default();
        Event {
            service: service.to_owned(),
            action: "deliver".into(),
            resource: self.target.clone(),
            outcome: self.outcome.clone(),
            detail: self.detail.clone(),
            ..event
        }
    }
}
