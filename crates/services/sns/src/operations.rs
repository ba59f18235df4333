//! The operations of the API, registered once.

mod permissions;
mod publish;
mod subscription_attributes;
mod subscriptions;
mod tags;
mod topic_attributes;
mod topics;

pub(crate) use subscriptions::{NewSubscription, subscribe_to};
pub(crate) use topic_attributes::check_attribute;
pub(crate) use topics::create;

use std::sync::Arc;

use model_sns as model;

use crate::service::Sns;

pub(crate) fn api(service: Arc<Sns>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::CreateTopic, _, _, _>(topics::create_topic)
        .on::<model::DeleteTopic, _, _, _>(topics::delete_topic)
        .on::<model::ListTopics, _, _, _>(topics::list_topics)
        .on::<model::GetTopicAttributes, _, _, _>(topic_attributes::get_topic_attributes)
        .on::<model::SetTopicAttributes, _, _, _>(topic_attributes::set_topic_attributes)
        .on::<model::Subscribe, _, _, _>(subscriptions::subscribe)
        .on::<model::Unsubscribe, _, _, _>(subscriptions::unsubscribe)
        .on::<model::ConfirmSubscription, _, _, _>(subscriptions::confirm_subscription)
        .on::<model::ListSubscriptions, _, _, _>(subscriptions::list_subscriptions)
        .on::<model::ListSubscriptionsByTopic, _, _, _>(subscriptions::list_subscriptions_by_topic)
        .on::<model::GetSubscriptionAttributes, _, _, _>(subscription_attributes::get_subscription_attributes)
        .on::<model::SetSubscriptionAttributes, _, _, _>(subscription_attributes::set_subscription_attributes)
        .on::<model::Publish, _, _, _>(publish::publish)
        .on::<model::PublishBatch, _, _, _>(publish::publish_batch)
        .on::<model::TagResource, _, _, _>(tags::tag_resource)
        .on::<model::UntagResource, _, _, _>(tags::untag_resource)
        .on::<model::ListTagsForResource, _, _, _>(tags::list_tags_for_resource)
        .on::<model::AddPermission, _, _, _>(permissions::add_permission)
        .on::<model::RemovePermission, _, _, _>(permissions::remove_permission)
        .build()
}

/// One page of a list: up to 100 behind the token, and the next token.
pub(crate) fn page<T>(all: Vec<T>, name: impl Fn(&T) -> &str, token: Option<&str>) -> (Vec<T>, Option<String>) {
    const PAGE_MAX: usize = 100;
    wire::page_after(all, name, token, PAGE_MAX)
}
