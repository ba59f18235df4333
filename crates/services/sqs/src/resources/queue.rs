//! `AWS::SQS::Queue`.

use std::collections::BTreeMap;

use fabric::{ProviderError, Resource, ResourceContext};
use serde_json::{Map, Value};

use crate::directory::DELETED_INTERVAL;
use crate::error;
use crate::name::{FIFO_SUFFIX, NAME_LENGTH_MAX, QueueName};
use crate::operations::{Creation, change, check_redrive, create as create_queue};
use crate::service::Sqs;
use crate::settings::{self, Attributes};

/// Properties that are attributes of the same name.
const ATTRIBUTES: [&str; 13] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
];

/// How often a queue is tried to be made whose namesake was deleted just now.
const TRIES_MAX: usize = 2;

pub(super) struct Properties {
    name: Option<String>,
    attributes: Attributes,
    tags: BTreeMap<String, String>,
}

impl Properties {
    pub(super) fn read(properties: &Map<String, Value>) -> Result<Properties, ProviderError> {
        let mut read = Properties { name: None, attributes: Attributes::new(), tags: BTreeMap::new() };
        for (property, value) in properties {
            match property.as_str() {
                "QueueName" => read.name = Some(text(property, value)?),
                "Tags" => read.tags = tags(value)?,
                // A queue that is not FIFO has no such attribute.
                "FifoQueue" | "ContentBasedDeduplication" if is_false(value) => {}
                name if name == "VisibilityTimeout" || ATTRIBUTES.contains(&name) => {
                    read.attributes.insert(name.to_owned(), text(property, value)?);
                }
                _ => return Err(unknown(property)),
            }
        }
        Ok(read)
    }

    fn is_fifo(&self) -> bool {
        self.attributes.get("FifoQueue").is_some_and(|fifo| fifo == "true")
    }

    pub(super) fn check(&self) -> Result<(), ProviderError> {
        let suffix = if self.is_fifo() { FIFO_SUFFIX } else { "" };
        let name = self.name.clone().unwrap_or_else(|| format!("q{suffix}"));
        let name = QueueName::new(Default::default(), &name, self.is_fifo())
            .map_err(|error| ProviderError::invalid("Properties/QueueName", error.message))?;
        for (attribute, value) in &self.attributes {
            // Where the dead-letter queue lives shows once the stack's scope is known.
            if attribute == "RedrivePolicy" || attribute == "FifoThroughputLimit" {
                continue;
            }
            let one = [(attribute.clone(), value.clone())].into();
            settings::checked(&name, None, &one)
                .map_err(|error| ProviderError::invalid(&format!("Properties/{attribute}"), error.message))?;
        }
        Ok(())
    }

    fn name(&self, context: &ResourceContext) -> Result<QueueName, ProviderError> {
        let suffix = if self.is_fifo() { FIFO_SUFFIX } else { "" };
        let generated = || format!("{}{suffix}", context.generated_name(NAME_LENGTH_MAX - suffix.len()));
        let name = self.name.clone().unwrap_or_else(generated);
        QueueName::new(context.scope.clone(), &name, self.is_fifo())
            .map_err(|error| ProviderError::invalid("Properties/QueueName", error.message))
    }

    /// The queue's tags, with those of the stack.
    fn all_tags(&self, context: &ResourceContext) -> BTreeMap<String, String> {
        let mut tags: BTreeMap<String, String> = context.tags.iter().cloned().collect();
        tags.extend(self.tags.clone());
        tags
    }
}

pub(super) async fn create(
    sqs: &Sqs,
    context: &ResourceContext,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let properties = Properties::read(properties)?;
    let name = properties.name(context)?;
    // A queue of this name may just have been deleted, by this very stack: then it takes its time.
    for _ in 0..TRIES_MAX {
        let tags = properties.all_tags(context);
        let creation = Creation { name: name.clone(), attributes: properties.attributes.clone(), tags };
        match create_queue(sqs, creation).await {
            Err(error) if error.code == "QueueDeletedRecently" => {
                sqs.fabric.clock.sleep(DELETED_INTERVAL).await;
            }
            Err(error) if error.code == "QueueNameExists" => {
                return Err(ProviderError { code: "AlreadyExists", message: error.message, property: None });
            }
            outcome => return Ok(outcome.map(|()| resource(&name, context))?),
        }
    }
    Err(error::deleted_recently().into())
}

pub(super) async fn update(
    sqs: &Sqs,
    context: &ResourceContext,
    physical_id: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let name = name_of(context, physical_id)?;
    let queue = sqs.queue(&name).await?;
    let (old, new) = (Properties::read(old)?, Properties::read(new)?);
    check_redrive(sqs, &name, &new.attributes).await?;
    let tags = new.all_tags(context);
    change(sqs, &queue, |record| {
        let mut attributes = record.attributes.clone();
        // What the template no longer has goes back to its default.
        attributes
            .retain(|attribute, _| !old.attributes.contains_key(attribute) || new.attributes.contains_key(attribute));
        record.attributes = settings::checked(&name, Some(&attributes), &new.attributes)?;
        record.tags.retain(|key, _| !old.tags.contains_key(key));
        record.tags.extend(tags);
        Ok(())
    })
    .await?;
    Ok(resource(&name, context))
}

pub(super) async fn delete(sqs: &Sqs, context: &ResourceContext, physical_id: &str) -> Result<(), ProviderError> {
    match sqs.delete(&name_of(context, physical_id)?).await {
        Err(error) if error.code == "QueueDoesNotExist" => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn resource(name: &QueueName, context: &ResourceContext) -> Resource {
    let url = name.url(&context.origin);
    Resource::new(&url).with("Arn", name.arn()).with("QueueName", name.name.as_str()).with("QueueUrl", url)
}

pub(super) fn name_of(context: &ResourceContext, url: &str) -> Result<QueueName, ProviderError> {
    let invalid = || ProviderError::failed(format!("{url} is not the URL of a queue."));
    QueueName::parse(url, &context.scope).ok_or_else(invalid)
}

fn is_false(value: &Value) -> bool {
    value == &Value::Bool(false) || value == "false"
}

/// The text of an attribute: numbers and truth values as templates have them, policies as objects.
fn text(property: &str, value: &Value) -> Result<String, ProviderError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Ok(value.to_string()),
        _ => Err(ProviderError::invalid(
            &format!("Properties/{property}"),
            format!("The property {property} has a value of the wrong kind."),
        )),
    }
}

fn tags(value: &Value) -> Result<BTreeMap<String, String>, ProviderError> {
    let wrong = || ProviderError::invalid("Properties/Tags", "Tags must be a list of objects with Key and Value.");
    let one = |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned()));
    value.as_array().ok_or_else(wrong)?.iter().map(|tag| one(tag).ok_or_else(wrong)).collect()
}

pub(super) fn unknown(property: &str) -> ProviderError {
    ProviderError::invalid(&format!("Properties/{property}"), format!("Encountered unsupported property {property}"))
}
