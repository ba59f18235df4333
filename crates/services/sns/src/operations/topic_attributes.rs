use std::sync::Arc;

use model_sns::{
    GetTopicAttributesInput, GetTopicAttributesResponse, SetTopicAttributesInput, SetTopicAttributesOutput,
};
use wire::{Call, Error};

use crate::error;
use crate::service::Sns;

/// What of a topic can be set. Feedback, encryption and tracing are stored and told again.
const SETTABLE: [&str; 9] = [
    "DisplayName",
    "Policy",
    "DeliveryPolicy",
    "KmsMasterKeyId",
    "TracingConfig",
    "SignatureVersion",
    "MaximumMessageSize",
    "FifoTopic",
    "ContentBasedDeduplication",
];

/// Whether an attribute is known and its value can be taken.
pub(crate) fn check_attribute(name: &str, value: &str) -> Result<(), Error> {
    let feedback = ["HTTP", "SQS", "Lambda", "Firehose", "Application"].iter().any(|p| name.starts_with(p))
        && (name.ends_with("FeedbackRoleArn") || name.ends_with("FeedbackSampleRate"));
    if !SETTABLE.contains(&name) && !feedback {
        return Err(error::invalid("AttributeName"));
    }
    let wrong = |detail: &str| Err(error::invalid(format!("{name}: {detail}")));
    match name {
        "Policy" if serde_json::from_str::<serde_json::Value>(value).is_err() => {
            Err(error::invalid("Policy Error: null"))
        }
        "MaximumMessageSize" if !value.parse().is_ok_and(|size| (1_024..=1_048_576).contains(&size)) => {
            wrong("must be between 1024 and 1048576")
        }
        "SignatureVersion" if value != "1" && value != "2" => wrong("must be 1 or 2"),
        "FifoTopic" | "ContentBasedDeduplication" if value == "true" => Err(error::not_implemented("FIFO topics")),
        _ => Ok(()),
    }
}

pub async fn get_topic_attributes(
    sns: Arc<Sns>,
    call: Call,
    input: GetTopicAttributesInput,
) -> Result<GetTopicAttributesResponse, Error> {
    let cell = sns.cell_of(&call, &input.topic_arn, "TopicArn").await?;
    let found = cell.read(|topics| {
        let topic = topics.topic(&input.topic_arn)?.clone();
        let confirmed = topics.subscriptions_of(&topic.arn).count();
        Ok::<_, Error>((topic, confirmed))
    });
    let (topic, confirmed) = found.await.map_err(Error::internal)??;
    let account = call.scope.account.to_string();
    let mut attributes = topic.attributes.clone();
    let mut put = |name: &str, value: String| drop(attributes.insert(name.to_owned(), value));
    put("TopicArn", topic.arn.clone());
    put("Policy", topic.policy(&account));
    put("Owner", account);
    put("DisplayName", topic.attributes.get("DisplayName").cloned().unwrap_or_default());
    put("SubscriptionsConfirmed", confirmed.to_string());
    put("SubscriptionsPending", "0".into());
    put("SubscriptionsDeleted", "0".into());
    put("EffectiveDeliveryPolicy", EFFECTIVE_DELIVERY_POLICY.into());
    Ok(GetTopicAttributesResponse { attributes: Some(attributes) })
}

/// The policy of HTTP deliveries where none is set.
const EFFECTIVE_DELIVERY_POLICY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;

pub async fn set_topic_attributes(
    sns: Arc<Sns>,
    call: Call,
    input: SetTopicAttributesInput,
) -> Result<SetTopicAttributesOutput, Error> {
    let value = input.attribute_value.unwrap_or_default();
    let cell = sns.cell_of(&call, &input.topic_arn, "TopicArn").await?;
    let set = cell.apply(|topics, tx| {
        let topic = topics.topic(&input.topic_arn).cloned();
        let changed = topic.and_then(|mut topic| {
            check_attribute(&input.attribute_name, &value)?;
            topic.attributes.insert(input.attribute_name, value);
            Ok(topic)
        });
        Ok::<_, cell::Error>(changed.map(|topic| topics.put_topic(tx, topic)))
    });
    set.await.map_err(Error::internal)??;
    Ok(SetTopicAttributesOutput {})
}
