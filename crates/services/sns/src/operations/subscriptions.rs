use std::collections::BTreeMap;
use std::sync::Arc;

use base::Arn;
use fabric::{Refusal, Sender};
use model_sns::{
    ConfirmSubscriptionInput, ConfirmSubscriptionResponse, ListSubscriptionsByTopicInput,
    ListSubscriptionsByTopicResponse, ListSubscriptionsInput, ListSubscriptionsResponse, SubscribeInput,
    SubscribeResponse, Subscription as SubscriptionEntry, UnsubscribeInput, UnsubscribeOutput,
};
use wire::{Call, Error};

use super::page;
use super::subscription_attributes::check_attribute;
use crate::error;
use crate::filter::Filter;
use crate::service::Sns;
use crate::topics::{Subscription, Topics};

/// What SNS speaks and Kobel does not yet.
const ELSEWHERE: [&str; 7] = ["http", "https", "email", "email-json", "sms", "application", "firehose"];

/// A subscription that is wished for.
pub(crate) struct NewSubscription {
    pub(crate) topic: String,
    pub(crate) owner: String,
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

pub async fn subscribe(sns: Arc<Sns>, call: Call, input: SubscribeInput) -> Result<SubscribeResponse, Error> {
    let cell = sns.cell_of(&call, &input.topic_arn, "TopicArn").await?;
    let new = NewSubscription {
        topic: input.topic_arn,
        owner: call.scope.account.to_string(),
        protocol: input.protocol,
        endpoint: input.endpoint.unwrap_or_default(),
        attributes: input.attributes.unwrap_or_default(),
    };
    let arn = subscribe_to(&sns, &cell, new).await?;
    Ok(SubscribeResponse { subscription_arn: Some(arn) })
}

/// Subscribes, or finds the subscription of the same protocol and endpoint; returns its ARN.
pub(crate) async fn subscribe_to(sns: &Sns, cell: &cell::Cell<Topics>, new: NewSubscription) -> Result<String, Error> {
    check_endpoint(sns, &new).await?;
    for (name, value) in &new.attributes {
        check_attribute(name, value).map_err(|error| {
            let message = error.message.replace("Invalid parameter: ", "Invalid parameter: Attributes Reason: ");
            Error { message, ..error }
        })?;
    }
    let subscription = Subscription {
        arn: format!("{}:{}", new.topic, sns.fabric.entropy.uuid()),
        filter: Filter::of(&new.attributes)?,
        topic: new.topic,
        owner: new.owner,
        protocol: new.protocol,
        endpoint: new.endpoint,
        attributes: new.attributes,
    };
    let subscribed = cell.apply(|topics, tx| {
        if let Err(missing) = topics.topic(&subscription.topic) {
            return Ok::<_, cell::Error>(Err(missing));
        }
        let same =
            |other: &&Subscription| other.protocol == subscription.protocol && other.endpoint == subscription.endpoint;
        if let Some(existing) = topics.subscriptions_of(&subscription.topic).find(same) {
            let differs = |(name, value): (&String, &String)| existing.attributes.get(name) != Some(value);
            return Ok(match subscription.attributes.iter().any(differs) {
                false => Ok(existing.arn.clone()),
                true => {
                    let detail = "Attributes Reason: Subscription already exists with different attributes";
                    Err(error::invalid(detail))
                }
            });
        }
        let arn = subscription.arn.clone();
        topics.put_subscription(tx, subscription);
        Ok(Ok(arn))
    });
    subscribed.await.map_err(Error::internal)?
}

/// The endpoint must be the ARN of a queue or function that is there.
async fn check_endpoint(sns: &Sns, new: &NewSubscription) -> Result<(), Error> {
    let NewSubscription { protocol, endpoint, topic, owner, .. } = new;
    let service = match protocol.as_str() {
        "sqs" => "sqs",
        "lambda" => "lambda",
        protocol if ELSEWHERE.contains(&protocol) => {
            return Err(error::not_implemented(&format!("subscriptions by {protocol}")));
        }
        _ => {
            let detail = format!("Amazon SNS does not support this protocol string: {protocol}");
            return Err(error::invalid(detail));
        }
    };
    let malformed = || match service {
        "sqs" => error::invalid("SQS endpoint ARN"),
        _ => error::invalid("Lambda endpoint ARN"),
    };
    let arn: Arn = endpoint.parse().map_err(|_| malformed())?;
    if arn.service != service {
        return Err(malformed());
    }
    if service == "sqs" && endpoint.ends_with(".fifo") {
        let detail = "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
        return Err(error::invalid(detail));
    }
    let Some(target) = sns.fabric.plugs.target(&arn) else { return Err(malformed()) };
    let sender = Sender { service: "sns.amazonaws.com".into(), arn: topic.clone(), account: owner.clone() };
    match target.check(&arn, &sender).await {
        // A queue may be made, or its policy set, after the subscription; SNS asks for it at each delivery.
        Ok(()) | Err(Refusal::Missing | Refusal::Forbidden) => Ok(()),
        Err(Refusal::Unsuitable(why)) => Err(error::invalid(why)),
        Err(Refusal::Unknown(why)) => Err(Error::internal(why)),
    }
}

pub async fn unsubscribe(sns: Arc<Sns>, call: Call, input: UnsubscribeInput) -> Result<UnsubscribeOutput, Error> {
    let cell = sns.cell_of(&call, &input.subscription_arn, "SubscriptionArn").await?;
    let removed = cell.apply(|topics, tx| {
        topics.remove_subscription(tx, &input.subscription_arn);
        Ok::<_, cell::Error>(())
    });
    removed.await.map_err(Error::internal)?;
    Ok(UnsubscribeOutput {})
}

/// Queues and functions confirm by themselves, so there is never a token to confirm by.
pub async fn confirm_subscription(
    sns: Arc<Sns>,
    call: Call,
    input: ConfirmSubscriptionInput,
) -> Result<ConfirmSubscriptionResponse, Error> {
    let cell = sns.cell_of(&call, &input.topic_arn, "TopicArn").await?;
    cell.read(|topics| topics.topic(&input.topic_arn).map(drop)).await.map_err(Error::internal)??;
    Err(error::invalid("Token"))
}

pub async fn list_subscriptions(
    sns: Arc<Sns>,
    call: Call,
    input: ListSubscriptionsInput,
) -> Result<ListSubscriptionsResponse, Error> {
    let cell = sns.topics(&call).await?;
    let all = cell.read(|topics| topics.subscriptions().cloned().collect::<Vec<_>>()).await.map_err(Error::internal)?;
    let (page, next_token) = page(all, |subscription| &subscription.arn, input.next_token.as_deref());
    Ok(ListSubscriptionsResponse { subscriptions: Some(page.into_iter().map(entry).collect()), next_token })
}

pub async fn list_subscriptions_by_topic(
    sns: Arc<Sns>,
    call: Call,
    input: ListSubscriptionsByTopicInput,
) -> Result<ListSubscriptionsByTopicResponse, Error> {
    let cell = sns.cell_of(&call, &input.topic_arn, "TopicArn").await?;
    let all = cell.read(|topics| {
        topics.topic(&input.topic_arn)?;
        Ok::<_, Error>(topics.subscriptions_of(&input.topic_arn).cloned().collect::<Vec<_>>())
    });
    let all = all.await.map_err(Error::internal)??;
    let (page, next_token) = page(all, |subscription| &subscription.arn, input.next_token.as_deref());
    Ok(ListSubscriptionsByTopicResponse { subscriptions: Some(page.into_iter().map(entry).collect()), next_token })
}

fn entry(subscription: Subscription) -> SubscriptionEntry {
    SubscriptionEntry {
        subscription_arn: Some(subscription.arn),
        owner: Some(subscription.owner),
        protocol: Some(subscription.protocol),
        endpoint: Some(subscription.endpoint),
        topic_arn: Some(subscription.topic),
    }
}
