//! Whether an invocation may run now: account, reserved and unreserved concurrency.
//!
//! The decision is a pure function of limits and use; [`Admission`] counts the use. A permit gives its place
//! back when it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::Scope;
use model_lambda::errors::too_many_requests_exception;

/// What reservations must leave to the functions without one.
pub const UNRESERVED_MIN: u32 = 100;
/// What a throttled caller is asked to wait.
const RETRY_AFTER_S: u32 = 1;

/// What bounds one function at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the account in the region.
    pub account: u32,
    /// The function's reserved concurrency.
    pub reserved: Option<u32>,
    /// The sum of all functions' reserved concurrency.
    pub reserved_total: u32,
}

/// What runs at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Invocations of the function.
    pub function: u32,
    /// Invocations of all functions without reserved concurrency.
    pub unreserved: u32,
}

/// Why an invocation is throttled: AWS's `Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// The function's reserved concurrency is used up, or is 0.
    Reserved,
    /// The account's unreserved pool is used up.
    Unreserved,
}

/// Decides whether one more invocation may run.
pub fn decide(limits: Limits, running: Running) -> Result<(), Throttle> {
    match limits.reserved {
        Some(reserved) if running.function < reserved => Ok(()),
        Some(_) => Err(Throttle::Reserved),
        None if running.unreserved < limits.account.saturating_sub(limits.reserved_total) => Ok(()),
        None => Err(Throttle::Unreserved),
    }
}

impl Throttle {
    /// The member `Reason` of the error.
    pub fn reason(self) -> &'static str {
        match self {
            Throttle::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Throttle::Unreserved => "ConcurrentInvocationLimitExceeded",
        }
    }

    /// The error that a caller gets.
    pub fn into_error(self) -> wire::Error {
        let mut error =
            too_many_requests_exception("Rate Exceeded.").with("Type", "User").with("Reason", self.reason());
        error.headers.push(("Retry-After", RETRY_AFTER_S.to_string()));
        error
    }
}

/// Counts what runs.
#[derive(Clone, Default)]
pub struct Admission {
    counts: Arc<Mutex<HashMap<Scope, Counts>>>,
}

#[derive(Default)]
struct Counts {
    by_function: HashMap<String, u32>,
    unreserved: u32,
}

/// The right to run one invocation, until it is dropped.
#[must_use]
pub struct Permit {
    counts: Arc<Mutex<HashMap<Scope, Counts>>>,
    scope: Scope,
    function: String,
    unreserved: bool,
    /// How many invocations of the function run, this one counted.
    pub concurrent: u32,
}

impl Admission {
    /// Counts one more invocation of `function`, unless a limit is reached.
    pub fn admit(&self, scope: &Scope, function: &str, limits: Limits) -> Result<Permit, Throttle> {
        let mut scopes = lock(&self.counts);
        let counts = scopes.entry(scope.clone()).or_default();
        let running = Running {
            function: counts.by_function.get(function).copied().unwrap_or_default(),
            unreserved: counts.unreserved,
        };
        decide(limits, running)?;
        let unreserved = limits.reserved.is_none();
        counts.unreserved += u32::from(unreserved);
        counts.by_function.insert(function.to_owned(), running.function + 1);
        Ok(Permit {
            counts: self.counts.clone(),
            scope: scope.clone(),
            function: function.to_owned(),
            unreserved,
            concurrent: running.function + 1,
        })
    }

    /// How many invocations of `function` run.
    pub fn running(&self, scope: &Scope, function: &str) -> u32 {
        lock(&self.counts).get(scope).and_then(|c| c.by_function.get(function).copied()).unwrap_or_default()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut scopes = lock(&self.counts);
        let Some(counts) = scopes.get_mut(&self.scope) else { return };
        counts.unreserved -= u32::from(self.unreserved);
        if let Some(running) = counts.by_function.get_mut(&self.function) {
            *running -= 1;
            if *running == 0 {
                counts.by_function.remove(&self.function);
            }
        }
    }
}

fn lock(counts: &Mutex<HashMap<Scope, Counts>>) -> MutexGuard<'_, HashMap<Scope, Counts>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Limits = Limits { account: 10, reserved: None, reserved_total: 4 };

    #[test]
    fn decides_by_the_pool_that_the_function_draws_from() {
        let reserved = |reserved| Limits { reserved: Some(reserved), ..NONE };
        let cases = [
            (NONE, 0, 0, Ok(())),
            (NONE, 5, 5, Ok(())),
            (NONE, 0, 6, Err(Throttle::Unreserved)),
            (reserved(0), 0, 0, Err(Throttle::Reserved)),
            (reserved(4), 3, 6, Ok(())),
            (reserved(4), 4, 0, Err(Throttle::Reserved)),
            (reserved(4), 7, 0, Err(Throttle::Reserved)),
            (Limits { reserved_total: 11, ..NONE }, 0, 0, Err(Throttle::Unreserved)),
        ];
        for (limits, function, unreserved, expected) in cases {
            assert_eq!(
                decide(limits, Running { function, unreserved }),
                expected,
                "{limits:?} {function} {unreserved}"
            );
        }
    }

    #[test]
    fn a_dropped_permit_frees_its_place() {
        let admission = Admission::default();
        let scope = Scope::default();
        let limits = Limits { reserved: Some(1), ..NONE };
        let Ok(permit) = admission.admit(&scope, "f", limits) else { panic!("there is a place") };
        assert_eq!(admission.admit(&scope, "f", limits).err(), Some(Throttle::Reserved));
        assert_eq!(admission.running(&scope, "f"), 1);
        drop(permit);
        assert_eq!(admission.running(&scope, "f"), 0);
        assert!(admission.admit(&scope, "f", limits).is_ok());
    }

    #[test]
    fn the_error_is_that_of_aws() {
        let error = Throttle::Reserved.into_error();
        assert_eq!(
            (error.code.as_ref(), error.status, error.message.as_str()),
            ("TooManyRequestsException", 429, "Rate Exceeded.")
        );
        assert_eq!(error.members[1], ("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded".into()));
        assert_eq!(error.headers, [("Retry-After", "1".to_owned())]);
    }
}
