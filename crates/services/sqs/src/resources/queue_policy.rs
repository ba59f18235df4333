//! `AWS::SQS::QueuePolicy`.

use fabric::{ProviderError, Resource, ResourceContext};
use policy::Document;
use serde_json::{Map, Value};

use super::queue::{name_of, unknown};
use crate::operations::change;
use crate::service::Sqs;

const POLICY_ID_LENGTH_MAX: usize = 80;

pub(super) struct Properties {
    document: String,
    /// URLs of queues.
    queues: Vec<String>,
}

impl Properties {
    pub(super) fn read(properties: &Map<String, Value>) -> Result<Properties, ProviderError> {
        if let Some(property) = properties.keys().find(|name| !matches!(name.as_str(), "PolicyDocument" | "Queues")) {
            return Err(unknown(property));
        }
        let invalid =
            |property: &str, reason: String| ProviderError::invalid(&format!("Properties/{property}"), reason);
        let document = match properties.get("PolicyDocument") {
            Some(Value::String(text)) => text.clone(),
            Some(document @ Value::Object(_)) => document.to_string(),
            _ => return Err(invalid("PolicyDocument", "PolicyDocument must be an object.".to_owned())),
        };
        Document::parse(&document).map_err(|error| invalid("PolicyDocument", error.to_string()))?;
        let queues = properties.get("Queues").and_then(Value::as_array);
        let queues: Option<Vec<String>> =
            queues.and_then(|urls| urls.iter().map(|url| url.as_str().map(str::to_owned)).collect());
        let queues = queues.filter(|queues| !queues.is_empty());
        let queues = queues.ok_or_else(|| invalid("Queues", "Queues must be a list of queue URLs.".to_owned()))?;
        Ok(Properties { document, queues })
    }
}

pub(super) async fn create(
    sqs: &Sqs,
    context: &ResourceContext,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let properties = Properties::read(properties)?;
    for url in &properties.queues {
        set(sqs, context, url, Some(&properties.document)).await?;
    }
    let id = context.generated_name(POLICY_ID_LENGTH_MAX);
    Ok(Resource::new(id.as_str()).with("Id", id))
}

pub(super) async fn update(
    sqs: &Sqs,
    context: &ResourceContext,
    physical_id: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let (old, new) = (Properties::read(old)?, Properties::read(new)?);
    for url in &new.queues {
        set(sqs, context, url, Some(&new.document)).await?;
    }
    for url in old.queues.iter().filter(|url| !new.queues.contains(url)) {
        set(sqs, context, url, None).await?;
    }
    Ok(Resource::new(physical_id).with("Id", physical_id))
}

pub(super) async fn delete(
    sqs: &Sqs,
    context: &ResourceContext,
    properties: &Map<String, Value>,
) -> Result<(), ProviderError> {
    for url in &Properties::read(properties)?.queues {
        set(sqs, context, url, None).await?;
    }
    Ok(())
}

/// Sets a queue's policy, or takes it away; a queue that is gone has none.
async fn set(sqs: &Sqs, context: &ResourceContext, url: &str, document: Option<&str>) -> Result<(), ProviderError> {
    let queue = match sqs.queue(&name_of(context, url)?).await {
        Err(error) if error.code == "QueueDoesNotExist" && document.is_none() => return Ok(()),
        queue => queue?,
    };
    let changed = change(sqs, &queue, |record| {
        match document {
            Some(document) => drop(record.attributes.insert("Policy".to_owned(), document.to_owned())),
            None => drop(record.attributes.remove("Policy")),
        }
        Ok(())
    });
    Ok(changed.await?)
}
