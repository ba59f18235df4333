//! How a template makes queues and their policies.

mod queue;
mod queue_policy;

use std::sync::Arc;

use fabric::{Change, ProviderError, Resource, ResourceContext, ResourceProvider, Updated};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::service::Sqs;

const QUEUE: &str = "AWS::SQS::Queue";
const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";

pub(crate) struct Provider {
    sqs: Arc<Sqs>,
}

impl Provider {
    pub(crate) fn new(sqs: Arc<Sqs>) -> Provider {
        Provider { sqs }
    }
}

impl ResourceProvider for Provider {
    fn types(&self) -> &'static [&'static str] {
        &[QUEUE, QUEUE_POLICY]
    }

    fn check(&self, resource_type: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
        match resource_type {
            QUEUE => queue::Properties::read(properties).and_then(|properties| properties.check()),
            _ => queue_policy::Properties::read(properties).map(drop),
        }
    }

    fn change(&self, resource_type: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        let replacing: &[&str] = if resource_type == QUEUE { &["QueueName", "FifoQueue"] } else { &[] };
        Change::between(old, new, replacing)
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        async move {
            match context.resource_type.as_str() {
                QUEUE => queue::create(&self.sqs, context, properties).await,
                _ => queue_policy::create(&self.sqs, context, properties).await,
            }
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>> {
        async move {
            let resource = match context.resource_type.as_str() {
                QUEUE => queue::update(&self.sqs, context, physical_id, old, new).await?,
                _ => queue_policy::update(&self.sqs, context, physical_id, old, new).await?,
            };
            Ok(Updated { resource })
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            match context.resource_type.as_str() {
                QUEUE => queue::delete(&self.sqs, context, physical_id).await,
                _ => queue_policy::delete(&self.sqs, context, properties).await,
            }
        }
        .boxed()
    }
}
