//! Queues as sources: what an event source mapping or a pipe reads.

use std::sync::Arc;
use std::time::Duration;

use base::{Arn, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fabric::{QueueFacts, QueueMessage, QueueSource, SourceError, Wait};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

use crate::digest;
use crate::message::{Attribute, AttributeValue, Received};
use crate::name::QueueName;
use crate::queue::Want;
use crate::queue_handle::QueueHandle;
use crate::service::Sqs;
use crate::shown::{Names, system_attributes};

/// How many messages one receive of a reader takes at most.
const RECEIVED_MAX: usize = 10_000;

pub(crate) struct Queues {
    sqs: Arc<Sqs>,
}

impl Queues {
    pub(crate) fn new(sqs: Arc<Sqs>) -> Queues {
        Queues { sqs }
    }

    async fn find(&self, arn: &Arn) -> Result<Arc<QueueHandle>, SourceError> {
        let missing = || SourceError::Missing(arn.to_string());
        let name = QueueName::of_arn(arn).ok_or_else(missing)?;
        self.sqs.queue(&name).await.map_err(|error| source_error(arn, error))
    }

    async fn receive_all(&self, arn: &Arn, max: usize, wait: Wait) -> Result<Vec<QueueMessage>, SourceError> {
        let queue = self.find(arn).await?;
        let want =
            Want { max: max.clamp(1, RECEIVED_MAX), visibility_timeout: None, receives_max: None, attempt: None };
        let until = match wait {
            Wait::ForMessage => Timestamp::NEVER,
            Wait::Until(until) => until,
        };
        let received = self.sqs.receive(&queue, want, until).await.map_err(|error| source_error(arn, error))?;
        Ok(received.into_iter().map(record).collect())
    }
}

impl QueueSource for Queues {
    fn facts<'a>(&'a self, queue: &'a Arn) -> BoxFuture<'a, Result<QueueFacts, SourceError>> {
        async move {
            let settings = self.find(queue).await?.live().settings.clone();
            let visibility_timeout_s = u32::try_from(settings.visibility_timeout.as_secs()).unwrap_or(u32::MAX);
            Ok(QueueFacts { fifo: settings.fifo, visibility_timeout_s })
        }
        .boxed()
    }

    fn receive<'a>(
        &'a self,
        queue: &'a Arn,
        max: usize,
        wait: Wait,
    ) -> BoxFuture<'a, Result<Vec<QueueMessage>, SourceError>> {
        self.receive_all(queue, max, wait).boxed()
    }

    fn delete<'a>(&'a self, queue: &'a Arn, receipts: &'a [String]) -> BoxFuture<'a, Result<(), SourceError>> {
        async move {
            let handle = self.find(queue).await?;
            let deleted = join_all(receipts.iter().map(|receipt| self.sqs.delete_message(&handle, receipt))).await;
            passed_over(queue, deleted)
        }
        .boxed()
    }

    fn release<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
        after: Duration,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        async move {
            let handle = self.find(queue).await?;
            let changed = receipts.iter().map(|receipt| self.sqs.change_visibility(&handle, receipt, after));
            passed_over(queue, join_all(changed).await)
        }
        .boxed()
    }
}

/// A receipt that is no longer valid is no failure.
fn passed_over(queue: &Arn, outcomes: Vec<Result<(), wire::Error>>) -> Result<(), SourceError> {
    let failed = outcomes.into_iter().filter_map(Result::err).find(|error| error.status >= 500);
    failed.map_or(Ok(()), |error| Err(source_error(queue, error)))
}

fn source_error(queue: &Arn, error: wire::Error) -> SourceError {
    if error.code == "QueueDoesNotExist" {
        SourceError::Missing(queue.to_string())
    } else {
        SourceError::Failed(error.message)
    }
}

fn record(received: Received) -> QueueMessage {
    let attributes = system_attributes(&received, &Names::All);
    let content = &received.content;
    let message_attributes: Map<String, Value> =
        content.attributes.iter().map(|(name, attribute)| (name.clone(), shown(attribute))).collect();
    QueueMessage {
        id: received.head.message_id(),
        md5_of_body: content.md5_of_body(),
        md5_of_message_attributes: digest::of_attributes(&content.attributes),
        attributes: attributes.into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
        message_attributes,
        group: received.head.group.as_deref().map(str::to_owned),
        receipt: received.receipt,
        body: received.content.body,
    }
}

fn shown(attribute: &Attribute) -> Value {
    let data_type = &attribute.data_type;
    match &attribute.value {
        AttributeValue::Text(text) => {
            json!({"stringValue": text, "stringListValues": [], "binaryListValues": [], "dataType": data_type})
        }
        AttributeValue::Binary(bytes) => json!({
            "binaryValue": STANDARD.encode(bytes), "stringListValues": [], "binaryListValues": [], "dataType": data_type,
        }),
    }
}
