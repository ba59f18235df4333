use std::collections::BTreeMap;

use cell::{Rows, State, Tx};
use serde::{Deserialize, Serialize};
use wire::Error;

use crate::error;
use crate::filter::Filter;

/// A topic, as its row has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    pub arn: String,
    pub name: String,
    /// The attributes that were set: `DisplayName`, `Policy`, `DeliveryPolicy`, …
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A subscription, as its row has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    pub arn: String,
    pub topic: String,
    pub owner: String,
    pub protocol: String,
    pub endpoint: String,
    /// The attributes that were set: `FilterPolicy`, `RawMessageDelivery`, `RedrivePolicy`, …
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Compiled from the attributes.
    #[serde(skip)]
    pub filter: Filter,
}

/// The topics of an account in a region, and their subscriptions.
#[derive(Debug, Default)]
pub struct Topics {
    /// By ARN.
    topics: BTreeMap<String, Topic>,
    /// By ARN, which begins with the topic's.
    subscriptions: BTreeMap<String, Subscription>,
}

impl State for Topics {
    fn load(rows: &Rows) -> Result<Topics, String> {
        let mut topics = Topics::default();
        for (_, row) in rows.under("topic/") {
            let topic: Topic = cell::json::read(row)?;
            topics.topics.insert(topic.arn.clone(), topic);
        }
        for (_, row) in rows.under("subscription/") {
            let mut subscription: Subscription = cell::json::read(row)?;
            subscription.filter = Filter::of(&subscription.attributes).map_err(|error| error.message)?;
            topics.subscriptions.insert(subscription.arn.clone(), subscription);
        }
        Ok(topics)
    }
}

impl Topic {
    /// The resource policy, or the default one: the owner may do everything.
    pub fn policy(&self, account: &str) -> String {
        self.attributes.get("Policy").cloned().unwrap_or_else(|| {
            serde_json::json!({
                "Version": "2008-10-17",
                "Id": "__default_policy_ID",
                "Statement": [{
                    "Effect": "Allow",
                    "Sid": "__default_statement_ID",
                    "Principal": {"AWS": "*"},
                    "Action": [
                        "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission",
                        "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe",
                        "SNS:ListSubscriptionsByTopic", "SNS:Publish",
                    ],
                    "Resource": self.arn,
                    "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
                }],
            })
            .to_string()
        })
    }

    /// How many bytes a message may have.
    pub fn message_bytes_max(&self) -> usize {
        self.attributes.get("MaximumMessageSize").and_then(|size| size.parse().ok()).unwrap_or(262_144)
    }
}

impl Subscription {
    /// The queue or function gets the message alone, without an envelope.
    pub fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|raw| raw == "true")
    }

    /// The queue that gets what cannot be delivered.
    pub fn dead_letter(&self) -> Option<String> {
        let policy: serde_json::Value = serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()?;
        policy["deadLetterTargetArn"].as_str().map(str::to_owned)
    }
}

impl Topics {
    pub fn topic(&self, arn: &str) -> Result<&Topic, Error> {
        self.topics.get(arn).ok_or_else(error::no_topic)
    }

    pub fn subscription(&self, arn: &str) -> Result<&Subscription, Error> {
        self.subscriptions.get(arn).ok_or_else(error::no_subscription)
    }

    /// In order of their ARNs.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    pub fn subscriptions_of<'t>(&'t self, topic: &'t str) -> impl Iterator<Item = &'t Subscription> {
        let begin = format!("{topic}:");
        let all = self.subscriptions.range(begin.clone()..);
        all.take_while(move |(arn, _)| arn.starts_with(&begin)).map(|(_, subscription)| subscription)
    }

    /// Stores a topic, new or changed.
    pub fn put_topic(&mut self, tx: &mut Tx<'_>, topic: Topic) {
        cell::json::put(tx, format!("topic/{}", topic.name), &topic);
        self.topics.insert(topic.arn.clone(), topic);
    }

    /// Deletes a topic with its subscriptions; one that is gone is deleted.
    pub fn remove_topic(&mut self, tx: &mut Tx<'_>, arn: &str) {
        let Some(topic) = self.topics.remove(arn) else { return };
        tx.delete(format!("topic/{}", topic.name));
        let arns: Vec<String> = self.subscriptions_of(arn).map(|subscription| subscription.arn.clone()).collect();
        arns.iter().for_each(|arn| self.remove_subscription(tx, arn));
    }

    pub fn put_subscription(&mut self, tx: &mut Tx<'_>, subscription: Subscription) {
        cell::json::put(tx, subscription_row(&subscription.arn), &subscription);
        self.subscriptions.insert(subscription.arn.clone(), subscription);
    }

    pub fn remove_subscription(&mut self, tx: &mut Tx<'_>, arn: &str) {
        if self.subscriptions.remove(arn).is_some() {
            tx.delete(subscription_row(arn));
        }
    }
}

/// Topic's name and the subscription's id: the end of its ARN.
fn subscription_row(arn: &str) -> String {
    format!("subscription/{}", arn.splitn(6, ':').nth(5).unwrap_or_default())
}
