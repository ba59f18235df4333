//! The operations of the API, registered once.

mod filter_log_events;
mod get_log_events;
mod groups;
mod put_log_events;
mod streams;
mod tags;

pub(crate) use groups::{check_retention, create};

use std::sync::Arc;

use model_logs as model;

use crate::service::Logs;

pub(crate) fn api(service: Arc<Logs>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::CreateLogGroup, _, _, _>(groups::create_log_group)
        .on::<model::DeleteLogGroup, _, _, _>(groups::delete_log_group)
        .on::<model::DescribeLogGroups, _, _, _>(groups::describe_log_groups)
        .on::<model::PutRetentionPolicy, _, _, _>(groups::put_retention_policy)
        .on::<model::DeleteRetentionPolicy, _, _, _>(groups::delete_retention_policy)
        .on::<model::CreateLogStream, _, _, _>(streams::create_log_stream)
        .on::<model::DeleteLogStream, _, _, _>(streams::delete_log_stream)
        .on::<model::DescribeLogStreams, _, _, _>(streams::describe_log_streams)
        .on::<model::PutLogEvents, _, _, _>(put_log_events::put_log_events)
        .on::<model::GetLogEvents, _, _, _>(get_log_events::get_log_events)
        .on::<model::FilterLogEvents, _, _, _>(filter_log_events::filter_log_events)
        .on::<model::TagResource, _, _, _>(tags::tag_resource)
        .on::<model::UntagResource, _, _, _>(tags::untag_resource)
        .on::<model::ListTagsForResource, _, _, _>(tags::list_tags_for_resource)
        .on::<model::TagLogGroup, _, _, _>(tags::tag_log_group)
        .on::<model::UntagLogGroup, _, _, _>(tags::untag_log_group)
        .on::<model::ListTagsLogGroup, _, _, _>(tags::list_tags_log_group)
        .build()
}
