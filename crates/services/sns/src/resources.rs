//! How a template makes topics, their policies, and subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Scope;
use fabric::{Change, ProviderError, Resource, ResourceContext, ResourceProvider, Updated, check_known};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use wire::Error;

use crate::operations::{self, NewSubscription};
use crate::service::Sns;

const TOPIC: &str = "AWS::SNS::Topic";
const TOPIC_POLICY: &str = "AWS::SNS::TopicPolicy";
const SUBSCRIPTION: &str = "AWS::SNS::Subscription";

const TOPIC_PROPERTIES: &[&str] =
    &["TopicName", "DisplayName", "Tags", "Subscription", "KmsMasterKeyId", "SignatureVersion", "TracingConfig"];
const POLICY_PROPERTIES: &[&str] = &["PolicyDocument", "Topics"];
const SUBSCRIPTION_PROPERTIES: &[&str] = &[
    "TopicArn",
    "Protocol",
    "Endpoint",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "Region",
];

pub(crate) struct Provider {
    sns: Arc<Sns>,
}

impl Provider {
    pub(crate) fn new(sns: Arc<Sns>) -> Provider {
        Provider { sns }
    }

    async fn put_topic(
        &self,
        context: &ResourceContext,
        properties: &Map<String, Value>,
    ) -> Result<Resource, ProviderError> {
        let name = text(properties, "TopicName").unwrap_or_else(|| context.generated_name(256));
        let mut attributes = BTreeMap::new();
        for attribute in ["DisplayName", "KmsMasterKeyId", "SignatureVersion", "TracingConfig"] {
            attributes.extend(text(properties, attribute).map(|value| (attribute.to_owned(), value)));
        }
        let cell = self.sns.topics_of(&context.scope).await?;
        let arn = context.scope.arn("sns", &name);
        let tags = tags(context, properties);
        let own = context.own_tag();
        let existing = cell.read(|topics| topics.topic(&arn).ok().cloned()).await.map_err(Error::internal)?;
        match existing {
            Some(topic) if topic.tags.get(&own.0) != Some(&own.1) => {
                let message = format!("{name} already exists");
                return Err(ProviderError { code: "AlreadyExists", message, property: Some("TopicName".into()) });
            }
            Some(_) => {}
            None => drop(operations::create(&self.sns, &context.scope, &name, BTreeMap::new(), tags.clone()).await?),
        }
        let changed = cell.apply(|topics, tx| {
            let topic = topics.topic(&arn).cloned().map(|mut topic| {
                let policy = topic.attributes.remove("Policy");
                topic.attributes = attributes;
                topic.attributes.extend(policy.map(|policy| ("Policy".to_owned(), policy)));
                topic.tags = tags;
                topic
            });
            Ok::<_, cell::Error>(topic.map(|topic| topics.put_topic(tx, topic)))
        });
        changed.await.map_err(Error::internal)??;
        for entry in properties.get("Subscription").and_then(Value::as_array).into_iter().flatten() {
            let member = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let new = NewSubscription {
                topic: arn.clone(),
                owner: context.scope.account.to_string(),
                protocol: member("Protocol"),
                endpoint: member("Endpoint"),
                attributes: BTreeMap::new(),
            };
            operations::subscribe_to(&self.sns, &cell, new).await?;
        }
        Ok(Resource::new(&arn).with("TopicArn", arn.as_str()).with("TopicName", name))
    }

    async fn put_policy(
        &self,
        context: &ResourceContext,
        properties: &Map<String, Value>,
    ) -> Result<Resource, ProviderError> {
        let document = document(properties, "PolicyDocument").unwrap_or_default();
        operations::check_attribute("Policy", &document)?;
        self.set_policy(&context.scope, properties, Some(document)).await?;
        Ok(Resource::new(context.generated_name(128)))
    }

    /// Gives the topics that the properties name a policy, or takes it away.
    async fn set_policy(
        &self,
        scope: &Scope,
        properties: &Map<String, Value>,
        document: Option<String>,
    ) -> Result<(), ProviderError> {
        let arns = properties.get("Topics").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for arn in arns {
            let cell = self.sns.topics_of(scope).await?;
            let changed = cell.apply(|topics, tx| {
                let topic = topics.topic(arn).cloned().map(|mut topic| {
                    topic.attributes.remove("Policy");
                    topic.attributes.extend(document.clone().map(|policy| ("Policy".to_owned(), policy)));
                    topic
                });
                Ok::<_, cell::Error>(topic.map(|topic| topics.put_topic(tx, topic)))
            });
            match changed.await.map_err(Error::internal)? {
                // A topic that is gone has no policy.
                Err(_) if document.is_none() => {}
                changed => changed?,
            }
        }
        Ok(())
    }

    async fn put_subscription(
        &self,
        context: &ResourceContext,
        properties: &Map<String, Value>,
    ) -> Result<Resource, ProviderError> {
        let required = |name: &str| {
            let missing = || ProviderError::invalid(name, format!("Property {name} cannot be empty."));
            text(properties, name).ok_or_else(missing)
        };
        let mut attributes = BTreeMap::new();
        for name in ["FilterPolicy", "RedrivePolicy", "FilterPolicyScope", "RawMessageDelivery"] {
            attributes.extend(document(properties, name).map(|value| (name.to_owned(), value)));
        }
        let cell = self.sns.topics_of(&context.scope).await?;
        let new = NewSubscription {
            topic: required("TopicArn")?,
            owner: context.scope.account.to_string(),
            protocol: required("Protocol")?,
            endpoint: required("Endpoint")?,
            attributes,
        };
        let arn = operations::subscribe_to(&self.sns, &cell, new).await?;
        Ok(Resource::new(&arn).with("Arn", arn.as_str()))
    }

    async fn unsubscribe(&self, scope: &Scope, arn: &str) -> Result<(), ProviderError> {
        let cell = self.sns.topics_of(scope).await?;
        let removed = cell.apply(|topics, tx| {
            topics.remove_subscription(tx, arn);
            Ok::<_, cell::Error>(())
        });
        Ok(removed.await.map_err(Error::internal)?)
    }
}

impl ResourceProvider for Provider {
    fn types(&self) -> &'static [&'static str] {
        &[TOPIC, TOPIC_POLICY, SUBSCRIPTION]
    }

    fn check(&self, resource_type: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
        let known = match resource_type {
            TOPIC => TOPIC_PROPERTIES,
            TOPIC_POLICY => POLICY_PROPERTIES,
            _ => SUBSCRIPTION_PROPERTIES,
        };
        check_known(resource_type, properties, known)
    }

    fn change(&self, resource_type: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        let replacing: &[&str] = match resource_type {
            TOPIC => &["TopicName"],
            TOPIC_POLICY => &[],
            _ => &["TopicArn", "Protocol", "Endpoint"],
        };
        Change::between(old, new, replacing)
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        async move {
            self.check(&context.resource_type, properties)?;
            match context.resource_type.as_str() {
                TOPIC => self.put_topic(context, properties).await,
                TOPIC_POLICY => self.put_policy(context, properties).await,
                _ => self.put_subscription(context, properties).await,
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
            match context.resource_type.as_str() {
                TOPIC => {
                    // A generated name is kept.
                    let mut named = new.clone();
                    let name = physical_id.rsplit(':').next().unwrap_or_default();
                    named.insert("TopicName".into(), name.into());
                    return Ok(Updated { resource: self.put_topic(context, &named).await? });
                }
                TOPIC_POLICY => self.set_policy(&context.scope, old, None).await?,
                _ => self.unsubscribe(&context.scope, physical_id).await?,
            }
            Ok(Updated { resource: self.create(context, new).await? })
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
                TOPIC => {
                    let cell = self.sns.topics_of(&context.scope).await?;
                    let removed = cell.apply(|topics, tx| {
                        topics.remove_topic(tx, physical_id);
                        Ok::<_, cell::Error>(())
                    });
                    Ok(removed.await.map_err(Error::internal)?)
                }
                TOPIC_POLICY => self.set_policy(&context.scope, properties, None).await,
                _ => self.unsubscribe(&context.scope, physical_id).await,
            }
        }
        .boxed()
    }
}

fn text(properties: &Map<String, Value>, name: &str) -> Option<String> {
    properties.get(name)?.as_str().map(str::to_owned)
}

/// A property that is a document or a plain value, as the text that the API takes.
fn document(properties: &Map<String, Value>, name: &str) -> Option<String> {
    Some(match properties.get(name)? {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    })
}

fn tags(context: &ResourceContext, properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let given = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let mut tags: BTreeMap<String, String> = context.tags.iter().cloned().collect();
    tags.extend(given.filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned()))));
    tags.extend([context.own_tag()]);
    tags
}
