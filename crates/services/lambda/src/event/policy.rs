//! What becomes of an asynchronous event after an attempt: AWS's policy as a pure function.

use std::time::Duration;

/// The waits before the first and before the second retry of an event whose function failed.
const FIRST_RETRY_AFTER: Duration = Duration::from_secs(60);
const SECOND_RETRY_AFTER: Duration = Duration::from_secs(120);
/// The wait after a throttle or a system error, which doubles up to its maximum.
const DEFERRAL_FIRST: Duration = Duration::from_secs(1);
const DEFERRAL_MAX: Duration = Duration::from_secs(300);

/// How often and how long an event is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) retries_max: u32,
    pub(crate) age_max: Duration,
}

impl Policy {
    pub(crate) const RETRIES_MAX_DEFAULT: u32 = 2;
    pub(crate) const AGE_MAX_DEFAULT: Duration = Duration::from_secs(21_600);
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Success,
    /// The handler's error, a timeout, an exit, a failed init.
    FunctionError,
    /// A throttle or a system error: the code did not run.
    Deferred,
    /// The function may not run at all.
    ZeroReservedConcurrency,
    /// It was not made: the event was too old when its turn came.
    TooOld,
}

/// What has happened to the event before the attempt, and its age now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) attempts: u32,
    /// Deferrals since the last attempt.
    pub(crate) deferrals: u32,
    pub(crate) age: Duration,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    End(Condition),
    Again { after: Duration, attempted: bool },
}

/// Why an event ended: AWS's `condition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Condition {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Condition::Success => "Success",
            Condition::RetriesExhausted => "RetriesExhausted",
            Condition::EventAgeExceeded => "EventAgeExceeded",
            Condition::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

impl Attempt {
    /// Whether the function's code ran.
    pub(crate) fn ran(self) -> bool {
        matches!(self, Attempt::Success | Attempt::FunctionError)
    }
}

/// Decides.
pub(crate) fn decide(policy: Policy, history: History, attempt: Attempt) -> Next {
    match attempt {
        Attempt::Success => Next::End(Condition::Success),
        Attempt::ZeroReservedConcurrency => Next::End(Condition::ZeroReservedConcurrency),
        Attempt::TooOld => Next::End(Condition::EventAgeExceeded),
        Attempt::FunctionError if history.attempts >= policy.retries_max => Next::End(Condition::RetriesExhausted),
        Attempt::FunctionError => {
            let after = if history.attempts == 0 { FIRST_RETRY_AFTER } else { SECOND_RETRY_AFTER };
            // An event that would be too old at its next attempt ends at once.
            match history.age + after >= policy.age_max {
                true => Next::End(Condition::EventAgeExceeded),
                false => Next::Again { after, attempted: true },
            }
        }
        Attempt::Deferred if history.age >= policy.age_max => Next::End(Condition::EventAgeExceeded),
        Attempt::Deferred => {
            let grown = DEFERRAL_FIRST.saturating_mul(1 << history.deferrals.min(16)).min(DEFERRAL_MAX);
            Next::Again { after: grown.min(policy.age_max - history.age), attempted: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_table_of_aws() {
        use Attempt::{Deferred, FunctionError, Success, TooOld, ZeroReservedConcurrency};
        use Condition::{EventAgeExceeded, RetriesExhausted};
        let default = (2, 21_600);
        let again = |secs, attempted| Next::Again { after: Duration::from_secs(secs), attempted };
        let cases = [
            (default, (0, 0, 0), Success, Next::End(Condition::Success)),
            (default, (0, 0, 0), FunctionError, again(60, true)),
            (default, (1, 0, 61), FunctionError, again(120, true)),
            (default, (2, 0, 182), FunctionError, Next::End(RetriesExhausted)),
            ((0, 21_600), (0, 0, 0), FunctionError, Next::End(RetriesExhausted)),
            ((1, 21_600), (1, 0, 60), FunctionError, Next::End(RetriesExhausted)),
            // Recorded on AWS: age 60 makes one attempt, age 90 makes two.
            ((2, 60), (0, 0, 0), FunctionError, Next::End(EventAgeExceeded)),
            ((2, 90), (0, 0, 1), FunctionError, again(60, true)),
            ((2, 90), (1, 0, 61), FunctionError, Next::End(EventAgeExceeded)),
            (default, (0, 0, 0), Deferred, again(1, false)),
            (default, (0, 3, 7), Deferred, again(8, false)),
            (default, (0, 40, 7_000), Deferred, again(300, false)),
            (default, (0, 40, 21_500), Deferred, again(100, false)),
            (default, (0, 40, 21_600), Deferred, Next::End(EventAgeExceeded)),
            (default, (0, 0, 30_000), TooOld, Next::End(EventAgeExceeded)),
            (default, (0, 0, 0), ZeroReservedConcurrency, Next::End(Condition::ZeroReservedConcurrency)),
        ];
        for ((retries_max, age_max_s), (attempts, deferrals, age_s), attempt, expected) in cases {
            let policy = Policy { retries_max, age_max: Duration::from_secs(age_max_s) };
            let history = History { attempts, deferrals, age: Duration::from_secs(age_s) };
            assert_eq!(decide(policy, history, attempt), expected, "{policy:?} {history:?} {attempt:?}");
        }
    }
}
