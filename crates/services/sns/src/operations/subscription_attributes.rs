use std::sync::Arc;

use model_sns::{
    GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse, SetSubscriptionAttributesInput,
    SetSubscriptionAttributesOutput,
};
use wire::{Call, Error};

use crate::error;
use crate::filter::Filter;
use crate::service::Sns;

/// Whether an attribute of a subscription is known and its value can be taken.
pub(super) fn check_attribute(name: &str, value: &str) -> Result<(), Error> {
    match name {
        "RawMessageDelivery" if value != "true" && value != "false" => {
            let detail = format!("RawMessageDelivery: Invalid value [{value}]. Must be true or false.");
            Err(error::invalid(detail))
        }
        "RedrivePolicy" if !value.is_empty() => {
            let policy: serde_json::Value =
                serde_json::from_str(value).map_err(|_| error::invalid("RedrivePolicy: failed to parse JSON."))?;
            match policy["deadLetterTargetArn"].as_str().map(str::parse::<base::Arn>) {
                Some(Ok(arn)) if arn.service == "sqs" => Ok(()),
                _ => Err(error::invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")),
            }
        }
        "FilterPolicy" | "FilterPolicyScope" | "RawMessageDelivery" | "RedrivePolicy" => Ok(()),
        "DeliveryPolicy" | "SubscriptionRoleArn" | "ReplayPolicy" => {
            Err(error::not_implemented(&format!("the subscription attribute {name}")))
        }
        _ => Err(error::invalid("AttributeName")),
    }
}

pub async fn get_subscription_attributes(
    sns: Arc<Sns>,
    call: Call,
    input: GetSubscriptionAttributesInput,
) -> Result<GetSubscriptionAttributesResponse, Error> {
    let cell = sns.cell_of(&call, &input.subscription_arn, "SubscriptionArn").await?;
    let subscription = cell.read(|topics| topics.subscription(&input.subscription_arn).cloned());
    let subscription = subscription.await.map_err(Error::internal)??;
    let mut attributes = subscription.attributes;
    if attributes.contains_key("FilterPolicy") {
        attributes.entry("FilterPolicyScope".into()).or_insert_with(|| "MessageAttributes".into());
    }
    let raw = attributes.get("RawMessageDelivery").cloned().unwrap_or_else(|| "false".into());
    let told = [
        ("SubscriptionArn", subscription.arn),
        ("TopicArn", subscription.topic),
        ("Protocol", subscription.protocol),
        ("Endpoint", subscription.endpoint),
        ("SubscriptionPrincipal", format!("arn:aws:iam::{}:root", subscription.owner)),
        ("Owner", subscription.owner),
        ("ConfirmationWasAuthenticated", "true".into()),
        ("PendingConfirmation", "false".into()),
        ("RawMessageDelivery", raw),
    ];
    attributes.extend(told.map(|(name, value)| (name.to_owned(), value)));
    Ok(GetSubscriptionAttributesResponse { attributes: Some(attributes) })
}

pub async fn set_subscription_attributes(
    sns: Arc<Sns>,
    call: Call,
    input: SetSubscriptionAttributesInput,
) -> Result<SetSubscriptionAttributesOutput, Error> {
    let value = input.attribute_value.unwrap_or_default();
    check_attribute(&input.attribute_name, &value)?;
    let cell = sns.cell_of(&call, &input.subscription_arn, "SubscriptionArn").await?;
    let set = cell.apply(|topics, tx| {
        let subscription = topics.subscription(&input.subscription_arn).cloned();
        let changed = subscription.and_then(|mut subscription| {
            let empty = value.is_empty() || (input.attribute_name == "FilterPolicy" && value == "{}");
            match empty {
                true => drop(subscription.attributes.remove(&input.attribute_name)),
                false => drop(subscription.attributes.insert(input.attribute_name, value)),
            }
            subscription.filter = Filter::of(&subscription.attributes)?;
            Ok(subscription)
        });
        Ok::<_, cell::Error>(changed.map(|subscription| topics.put_subscription(tx, subscription)))
    });
    set.await.map_err(Error::internal)??;
    Ok(SetSubscriptionAttributesOutput {})
}
