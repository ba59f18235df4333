//! Asynchronous invocations: a delivery to a function is an event of its queue.
//!
//! Invariants: the delivery's id is the request id of all its attempts; whatever follows from the end of an event
//! (a destination's record, a dead letter) is written in the batch that ends it.

mod letters;
mod permission;
pub(crate) mod policy;
mod record;

use std::sync::Arc;
use std::time::Duration;

use base::{Arn, Scope, Trace};
use fabric::{Delivery, Failure, Outcome, Refusal, Sender, Target};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::invoke::{Invoked, Invoker, Measures, Refused, Request};
use crate::registry::{LATEST, Registry, Resolved};
use policy::{Attempt, Condition, History, Next, Policy, decide};
use record::{Ended, Response, json_of};

/// How many events of one function run at once.
const AT_ONCE_MAX: usize = 100;
/// The largest response that is kept while an event waits for its next attempt.
const NOTED_BYTES_MAX: usize = 256 << 10;
/// How late an attempt may come and still be within the event's age.
const LATENESS: Duration = Duration::from_secs(1);
/// The delivery's parameter that holds the client context, JSON.
pub(crate) const CLIENT_CONTEXT: &str = "ClientContext";

/// The plug by which functions accept events.
pub struct Events {
    registry: Arc<Registry>,
    invoker: Invoker,
}

/// How an attempt ended, and what it left.
struct Attempted {
    attempt: Attempt,
    /// Of this attempt, or of the last that ran.
    response: Option<Response>,
    why: String,
    trace: Trace,
}

impl Events {
    pub fn new(registry: Arc<Registry>, invoker: Invoker) -> Events {
        Events { registry, invoker }
    }

    fn resolve(&self, target: &Arn) -> Result<Resolved, wire::Error> {
        self.registry.resolve(&target.scope(&Scope::default()), &target.to_string(), None)
    }

    /// Whether the resource policy of what is invoked lets `sender` in.
    fn permits(&self, resolved: &Resolved, sender: &Sender) -> bool {
        // A function's own role decides on its destinations, and the front on callers.
        if sender.service.is_empty() || sender.service == "lambda.amazonaws.com" {
            return true;
        }
        let version = &resolved.version;
        let qualifier = resolved.qualifier.as_deref().unwrap_or(LATEST);
        self.registry
            .function(&version.scope, &version.function_name)
            .and_then(|function| function.policies.get(qualifier).cloned())
            .is_some_and(|policy| permission::permits(&policy.statements, sender))
    }

    async fn attempt(&self, delivery: &Delivery, resolved: Resolved, policy: Policy) -> Attempted {
        let response = serde_json::from_value(delivery.notes.clone()).ok();
        let not_run =
            |attempt, why: &str| Attempted { attempt, response, why: why.to_owned(), trace: delivery.trace.clone() };
        if resolved.function.reserved_concurrency == Some(0) {
            return not_run(Attempt::ZeroReservedConcurrency, "the function's reserved concurrency is 0");
        }
        if self.age(delivery) > policy.age_max + LATENESS {
            return not_run(Attempt::TooOld, "the event is too old");
        }
        let request = Request {
            request_id: delivery.id.clone(),
            resolved,
            payload: delivery.payload.clone(),
            trace: delivery.trace.clone(),
            client_context: delivery.text(CLIENT_CONTEXT).map(str::to_owned),
        };
        match self.invoker.invoke(request).await {
            Ok(invoked) => ran(invoked),
            Err(Refused::Throttled(throttle)) => not_run(Attempt::Deferred, throttle.reason()),
            Err(Refused::System(error)) => not_run(Attempt::Deferred, &error.to_string()),
        }
    }

    fn age(&self, delivery: &Delivery) -> Duration {
        self.invoker.fabric().now().since(delivery.accepted)
    }

    async fn deliver_to(&self, delivery: &Delivery, target: &Arn) -> Outcome {
        let resolved = match self.resolve(target) {
            Ok(resolved) => resolved,
            Err(error) => return Outcome::Dropped { why: error.message, next: Vec::new() },
        };
        let first = delivery.attempts == 0 && delivery.deferrals == 0;
        if first && !self.permits(&resolved, &delivery.sender) {
            return Outcome::Failed(forbidden(&delivery.sender, &resolved));
        }
        let measures = Measures::of(self.invoker.fabric(), &resolved);
        if first {
            measures.event_received();
        }
        measures.event_age(self.age(delivery));
        let policy = policy_of(&resolved);
        let attempted = self.attempt(delivery, resolved.clone(), policy).await;
        let history = History { attempts: delivery.attempts, deferrals: delivery.deferrals, age: self.age(delivery) };
        match decide(policy, history, attempted.attempt) {
            Next::Again { after, attempted: counts } => {
                let noted = attempted.response.filter(|response| response.payload.get().len() <= NOTED_BYTES_MAX);
                let notes = noted.and_then(|response| serde_json::to_value(response).ok()).unwrap_or(Value::Null);
                Outcome::Again { after, attempted: counts, notes, why: attempted.why }
            }
            Next::End(condition) => self.end(delivery, &resolved, condition, attempted, &measures),
        }
    }

    /// What follows from the end of an event.
    fn end(
        &self,
        delivery: &Delivery,
        resolved: &Resolved,
        condition: Condition,
        attempted: Attempted,
        measures: &Measures,
    ) -> Outcome {
        let fabric = self.invoker.fabric();
        let version = &resolved.version;
        let qualified_arn = format!("{}:{}", version.arn, resolved.qualifier.as_deref().unwrap_or(LATEST));
        let sender = letters::Sender {
            entropy: &fabric.entropy,
            now: fabric.now(),
            function_arn: &version.arn,
            account: version.scope.account.as_str(),
            trace: &attempted.trace,
        };
        let response = attempted.response.as_ref();
        let mut next = Vec::new();
        let mut why = format!("{}: {}", condition.name(), attempted.why);
        let config = resolved.event_invoke_config.as_deref();
        let destination = match condition {
            Condition::Success => config.and_then(|config| config.on_success.as_deref()),
            _ => config.and_then(|config| config.on_failure.as_deref()),
        };
        if let Some(destination) = destination {
            let ended = Ended {
                at: fabric.now(),
                request_id: &delivery.id,
                function_arn: &qualified_arn,
                condition,
                attempts: delivery.attempts + u32::from(attempted.attempt.ran()),
                request: &delivery.payload,
                response,
            };
            match sender.record(destination, condition, &qualified_arn, ended.record()) {
                Ok(letter) => next.push(letter),
                Err(reason) => {
                    measures.destination_failed();
                    tracing::warn!(reason, function = version.arn, "a destination gets no record");
                    why += &format!("; no record to the destination: {reason}");
                }
            }
        }
        if condition == Condition::Success {
            return Outcome::Done { next };
        }
        measures.event_dropped();
        if let Some(target) = &version.dead_letter_target {
            let (code, message) = match response {
                Some(response) => (200, error_message(response)),
                None => (429, attempted.why.clone()),
            };
            match sender.dead_letter(target, delivery.payload.clone(), &delivery.id, code, &message) {
                Ok(letter) => next.push(letter),
                Err(reason) => {
                    measures.dead_letter_failed();
                    tracing::warn!(reason, function = version.arn, "a dead-letter target gets no event");
                    why += &format!("; no dead letter: {reason}");
                }
            }
        }
        Outcome::Dropped { why, next }
    }
}

impl Target for Events {
    fn check<'a>(&'a self, target: &'a Arn, sender: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let resolved = self.resolve(target).map_err(|_| Refusal::Missing)?;
            if self.permits(&resolved, sender) { Ok(()) } else { Err(Refusal::Forbidden) }
        })
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match delivery.target.parse() {
                Ok(target) => self.deliver_to(delivery, &target).await,
                Err(error) => Outcome::Dropped { why: error.to_string(), next: Vec::new() },
            }
        })
    }

    fn at_once_max(&self) -> usize {
        AT_ONCE_MAX
    }
}

fn ran(invoked: Invoked) -> Attempted {
    let (attempt, why) = match &invoked.error_type {
        None => (Attempt::Success, "the function succeeded".to_owned()),
        Some(error_type) => (Attempt::FunctionError, error_type.clone()),
    };
    let response = Response {
        executed_version: invoked.executed_version,
        function_error: invoked.error_type.map(|_| "Unhandled".to_owned()),
        payload: json_of(&invoked.payload),
    };
    Attempted { attempt, response: Some(response), why, trace: invoked.trace }
}

fn policy_of(resolved: &Resolved) -> Policy {
    let config = resolved.event_invoke_config.as_deref();
    Policy {
        retries_max: config.and_then(|config| config.maximum_retry_attempts).unwrap_or(Policy::RETRIES_MAX_DEFAULT),
        age_max: config
            .and_then(|config| config.maximum_event_age_s)
            .map_or(Policy::AGE_MAX_DEFAULT, |age| Duration::from_secs(u64::from(age))),
    }
}

/// The function's own words, where it has some.
fn error_message(response: &Response) -> String {
    let object: Option<Value> = serde_json::from_str(response.payload.get()).ok();
    let message = object.as_ref().and_then(|object| object.get("errorMessage")?.as_str());
    message.unwrap_or(response.payload.get()).to_owned()
}

fn forbidden(sender: &Sender, resolved: &Resolved) -> Failure {
    let message = format!(
        "{} may not invoke {} for {}: the function's resource policy has no statement that allows it",
        sender.service, resolved.invoked_arn, sender.arn
    );
    Failure { code: "AccessDeniedException".to_owned(), message, retryable: false }
}

#[cfg(test)]
mod tests;
