use std::collections::BTreeMap;
use std::sync::Arc;

use model_logs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest, ListTagsLogGroupResponse,
    TagLogGroupOutput, TagLogGroupRequest, TagResourceOutput, TagResourceRequest, UntagLogGroupOutput,
    UntagLogGroupRequest, UntagResourceOutput, UntagResourceRequest,
};
use wire::{Call, Error};

use super::groups::change;
use crate::error;
use crate::service::{Logs, group_of_arn};

pub async fn tag_resource(logs: Arc<Logs>, call: Call, input: TagResourceRequest) -> Result<TagResourceOutput, Error> {
    change(&logs, &call, &named(&input.resource_arn)?, |group| group.tags.extend(input.tags)).await?;
    Ok(TagResourceOutput {})
}

pub async fn untag_resource(
    logs: Arc<Logs>,
    call: Call,
    input: UntagResourceRequest,
) -> Result<UntagResourceOutput, Error> {
    change(&logs, &call, &named(&input.resource_arn)?, |group| without(&mut group.tags, &input.tag_keys)).await?;
    Ok(UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    logs: Arc<Logs>,
    call: Call,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Error> {
    Ok(ListTagsForResourceResponse { tags: Some(tags(&logs, &call, &named(&input.resource_arn)?).await?) })
}

pub async fn tag_log_group(logs: Arc<Logs>, call: Call, input: TagLogGroupRequest) -> Result<TagLogGroupOutput, Error> {
    change(&logs, &call, &input.log_group_name, |group| group.tags.extend(input.tags)).await?;
    Ok(TagLogGroupOutput {})
}

pub async fn untag_log_group(
    logs: Arc<Logs>,
    call: Call,
    input: UntagLogGroupRequest,
) -> Result<UntagLogGroupOutput, Error> {
    change(&logs, &call, &input.log_group_name, |group| without(&mut group.tags, &input.tags)).await?;
    Ok(UntagLogGroupOutput {})
}

pub async fn list_tags_log_group(
    logs: Arc<Logs>,
    call: Call,
    input: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, Error> {
    Ok(ListTagsLogGroupResponse { tags: Some(tags(&logs, &call, &input.log_group_name).await?) })
}

async fn tags(logs: &Logs, call: &Call, group: &str) -> Result<BTreeMap<String, String>, Error> {
    let cell = logs.groups(call).await?;
    cell.read(|groups| groups.group(group).map(|group| group.tags.clone())).await.map_err(Error::internal)?
}

fn without(tags: &mut BTreeMap<String, String>, keys: &[String]) {
    keys.iter().for_each(|key| drop(tags.remove(key)));
}

fn named(arn: &str) -> Result<String, Error> {
    group_of_arn(arn).ok_or_else(|| error::invalid("The specified resource ARN is not that of a log group."))
}
