use std::sync::Arc;

use base::{Arn, Scope};
use fabric::{Delivery, Failure, Outcome, Refusal, Sender, Target};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use wire::Error;

use crate::attribute::{Attribute, Attributes};
use crate::publish::Message;
use crate::service::Sns;

/// Topics as what others send to: notifications of buckets, destinations, dead letters, alarms.
pub(crate) struct Topics {
    sns: Arc<Sns>,
}

impl Topics {
    pub(crate) fn new(sns: Arc<Sns>) -> Topics {
        Topics { sns }
    }

    async fn publish(&self, delivery: &Delivery) -> Result<(), Error> {
        let arn: Arn = delivery.target.parse().map_err(|_| crate::error::no_topic())?;
        let scope = arn.scope(&Scope::default());
        let cell = self.sns.topics_of(&scope).await?;
        let text = String::from_utf8_lossy(&delivery.payload).into_owned();
        let subject = delivery.text("Subject").map(str::to_owned);
        let message = Message::new(&self.sns.fabric, text, subject, None, attributes(delivery), None)?;
        let origin = self.sns.fabric.origin.clone();
        self.sns.publish(&cell, &scope, &delivery.target, &[message], &origin, &delivery.trace).await
    }
}

/// The message attributes that the sender gives: `{name: {"DataType", "StringValue"}}`.
fn attributes(delivery: &Delivery) -> Attributes {
    let given = delivery.parameters.get("MessageAttributes").and_then(|value| value.as_object());
    let read = |(name, value): (&String, &serde_json::Value)| {
        let text = value["StringValue"].as_str()?.to_owned();
        let data_type = value["DataType"].as_str()?.to_owned();
        Some((name.clone(), Attribute { data_type, text: Some(text), binary: None }))
    };
    given.into_iter().flatten().filter_map(read).collect()
}

impl Target for Topics {
    fn check<'a>(&'a self, target: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        async move {
            let unknown = |error: &dyn std::fmt::Display| Refusal::Unknown(error.to_string());
            let cell = self.sns.topics_of(&target.scope(&Scope::default())).await.map_err(|error| unknown(&error))?;
            let arn = target.to_string();
            let exists = cell.read(|topics| topics.topic(&arn).is_ok()).await.map_err(|error| unknown(&error))?;
            if exists { Ok(()) } else { Err(Refusal::Missing) }
        }
        .boxed()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async move {
            match self.publish(delivery).await {
                Ok(()) => Outcome::Done { next: Vec::new() },
                Err(error) => Outcome::Failed(Failure {
                    retryable: error.status >= 500,
                    code: error.query_code.into_owned(),
                    message: error.message,
                }),
            }
        }
        .boxed()
    }
}
