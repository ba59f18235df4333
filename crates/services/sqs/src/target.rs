//! Queues as targets: an event that is delivered becomes a message.

use std::sync::Arc;

use base::Arn;
use fabric::{Delivery, Failure, Outcome, Refusal, Sender, Target};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policy::{Decision, Request};
use serde_json::Value;
use wire::Error;

use crate::digest;
use crate::message::{Content, parse_uuid};
use crate::name::QueueName;
use crate::queue::Outgoing;
use crate::queue_handle::{Live, QueueHandle};
use crate::relocation::{self, MOVED, Moved};
use crate::sending::{Draft, moved, principal_id};
use crate::service::Sqs;

pub(crate) struct Queues {
    sqs: Arc<Sqs>,
}

/// The services that the queue's own policy must let in; others send in the name of a role.
const BY_QUEUE_POLICY: [&str; 3] = ["sns.amazonaws.com", "s3.amazonaws.com", "events.amazonaws.com"];

impl Queues {
    pub(crate) fn new(sqs: Arc<Sqs>) -> Queues {
        Queues { sqs }
    }

    async fn find(&self, target: &str) -> Option<Result<Arc<QueueHandle>, Error>> {
        let name = QueueName::of_arn(&target.parse().ok()?)?;
        Some(self.sqs.queue(&name).await)
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), Failure> {
        let queue = self.find(&delivery.target).await.ok_or_else(no_queue)?.map_err(failure)?;
        let live = queue.live();
        if !permits(&live, &queue.name, &delivery.sender) {
            let message =
                format!("{} is not allowed by the policy of the queue to send to it.", delivery.sender.service);
            return Err(Failure { code: "AccessDenied".to_owned(), message, retryable: false });
        }
        let message = self.message(delivery, &live)?;
        self.sqs.send(&queue, vec![message]).await.map_err(failure)?;
        Ok(())
    }

    /// The message that a delivery becomes: the same whenever the delivery is repeated.
    fn message(&self, delivery: &Delivery, live: &Live) -> Result<Outgoing, Failure> {
        let invalid = |message: String| Failure { code: "InvalidParameterValue".to_owned(), message, retryable: false };
        let body = String::from_utf8(delivery.payload.to_vec()).map_err(|_| invalid("The body is not text.".into()))?;
        let attributes = match delivery.parameters.get("MessageAttributes").and_then(Value::as_object) {
            Some(attributes) => relocation::attributes(attributes)
                .map_err(|name| invalid(format!("The message attribute '{name}' is malformed.")))?,
            None => Default::default(),
        };
        let kept: Option<Moved> = match delivery.parameters.get(MOVED) {
            Some(kept) => Some(serde_json::from_value(kept.clone()).map_err(|error| invalid(error.to_string()))?),
            None => None,
        };
        let mut content = Content {
            body,
            attributes,
            sender_id: principal_id(&delivery.sender.service),
            trace: Some(delivery.trace.to_string()),
            deduplication: delivery.text("MessageDeduplicationId").map(str::to_owned).filter(|_| live.settings.fifo),
            dead_letter_source: None,
        };
        let mut id = parse_uuid(&delivery.id).unwrap_or_else(|| digest::short(["delivery", &delivery.id]));
        let original = kept.and_then(|kept| {
            (content.sender_id, content.trace) = (kept.sender_id, kept.trace);
            kept.original
        });
        if let Some(original) = &original {
            content.dead_letter_source = Some(original.dead_letter_queue_source_arn.clone());
            id = parse_uuid(&original.message_id).unwrap_or(id);
        }
        let group = delivery.text("MessageGroupId").map(str::to_owned);
        let draft = Draft { content, group, delay_s: None };
        let checked = match delivery.parameters.contains_key(MOVED) {
            true => draft.check_moved(live, id),
            false => draft.check(live, id),
        };
        let mut message = checked.map_err(failure)?;
        // A delivery that was repeated after a crash is one message.
        let repeated = || digest::short(["delivery", &delivery.id]);
        if delivery.parameters.contains_key(MOVED) || !live.settings.fifo {
            message.key = Some(repeated());
        }
        Ok(match original {
            // A FIFO queue keeps a message that is moved to it for its whole retention period.
            Some(original) => moved(message, original.sent, (!live.settings.fifo).then_some(original.kept_from)),
            None => message,
        })
    }
}

impl Target for Queues {
    fn check<'a>(&'a self, target: &'a Arn, sender: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        async move {
            let queue = match self.find(&target.to_string()).await {
                Some(Ok(queue)) => queue,
                Some(Err(error)) if error.status >= 500 => return Err(Refusal::Unknown(error.message)),
                _ => return Err(Refusal::Missing),
            };
            if sender.service == "s3.amazonaws.com" && queue.name.is_fifo() {
                return Err(Refusal::Unsuitable("A FIFO queue can't receive notifications of a bucket.".to_owned()));
            }
            if permits(&queue.live(), &queue.name, sender) { Ok(()) } else { Err(Refusal::Forbidden) }
        }
        .boxed()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async move {
            match self.attempt(delivery).await {
                Ok(()) => Outcome::Done { next: Vec::new() },
                Err(failure) => Outcome::Failed(failure),
            }
        }
        .boxed()
    }
}

/// Whether the queue's policy lets the sender in, where the sender needs it.
fn permits(live: &Live, queue: &QueueName, sender: &Sender) -> bool {
    if !BY_QUEUE_POLICY.contains(&sender.service.as_str()) {
        return true;
    }
    let resource = queue.arn();
    let request = Request {
        service: &sender.service,
        account: "",
        action: "sqs:SendMessage",
        resource: &resource,
        source_arn: &sender.arn,
        source_account: &sender.account,
    };
    live.settings.policy.as_ref().is_some_and(|policy| policy.decide(&request) == Decision::Allowed)
}

fn no_queue() -> Failure {
    failure(crate::error::no_queue())
}

fn failure(error: Error) -> Failure {
    Failure { code: error.query_code.into_owned(), retryable: error.status >= 500, message: error.message }
}
