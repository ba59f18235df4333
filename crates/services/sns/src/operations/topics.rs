use std::collections::BTreeMap;
use std::sync::Arc;

use base::Scope;
use model_sns::{
    CreateTopicInput, CreateTopicResponse, DeleteTopicInput, DeleteTopicOutput, ListTopicsInput, ListTopicsResponse,
    Topic as TopicEntry,
};
use wire::{Call, Error};

use super::{check_attribute, page};
use crate::error;
use crate::service::Sns;
use crate::topics::Topic;

pub async fn create_topic(sns: Arc<Sns>, call: Call, input: CreateTopicInput) -> Result<CreateTopicResponse, Error> {
    let tags: BTreeMap<String, String> =
        input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    let topic = create(&sns, &call.scope, &input.name, input.attributes.unwrap_or_default(), tags).await?;
    Ok(CreateTopicResponse { topic_arn: Some(topic.arn) })
}

/// Creates the topic, or finds it where it has these attributes and tags.
pub(crate) async fn create(
    sns: &Sns,
    scope: &Scope,
    name: &str,
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
) -> Result<Topic, Error> {
    if name.ends_with(".fifo") || attributes.get("FifoTopic").is_some_and(|fifo| fifo == "true") {
        return Err(error::not_implemented("FIFO topics"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 256 || !name.chars().all(allowed) {
        return Err(error::invalid("Topic Name"));
    }
    for (name, value) in &attributes {
        check_attribute(name, value).map_err(|error| Error {
            message: error.message.replace("Invalid parameter: ", "Invalid parameter: Attributes Reason: "),
            ..error
        })?;
    }
    let topic = Topic { arn: scope.arn("sns", name), name: name.to_owned(), attributes, tags };
    let cell = sns.topics_of(scope).await?;
    let created = cell.apply(|topics, tx| {
        if let Ok(existing) = topics.topic(&topic.arn) {
            let differs = |(name, value): (&String, &String)| existing.attributes.get(name) != Some(value);
            if topic.attributes.iter().any(differs) {
                let detail = "Attributes Reason: Topic already exists with different attributes";
                return Ok::<_, cell::Error>(Err(error::invalid(detail)));
            }
            if !topic.tags.is_empty() && topic.tags != existing.tags {
                return Ok(Err(error::invalid("Tags Reason: Topic already exists with different tags")));
            }
            return Ok(Ok(existing.clone()));
        }
        topics.put_topic(tx, topic.clone());
        Ok(Ok(topic))
    });
    created.await.map_err(Error::internal)?
}

pub async fn delete_topic(sns: Arc<Sns>, call: Call, input: DeleteTopicInput) -> Result<DeleteTopicOutput, Error> {
    let cell = sns.cell_of(&call, &input.topic_arn, "TopicArn").await?;
    let deleted = cell.apply(|topics, tx| {
        topics.remove_topic(tx, &input.topic_arn);
        Ok::<_, cell::Error>(())
    });
    deleted.await.map_err(Error::internal)?;
    Ok(DeleteTopicOutput {})
}

pub async fn list_topics(sns: Arc<Sns>, call: Call, input: ListTopicsInput) -> Result<ListTopicsResponse, Error> {
    let cell = sns.topics(&call).await?;
    let arns = cell.read(|topics| topics.topics().map(|topic| topic.arn.clone()).collect::<Vec<_>>());
    let (arns, next_token) = page(arns.await.map_err(Error::internal)?, |arn| arn, input.next_token.as_deref());
    let topics = arns.into_iter().map(|arn| TopicEntry { topic_arn: Some(arn) }).collect();
    Ok(ListTopicsResponse { topics: Some(topics), next_token })
}
