use std::sync::Arc;

use model_iam::{
    ListRoleTagsRequest, ListRoleTagsResponse, Tag, TagRoleOutput, TagRoleRequest, UntagRoleOutput, UntagRoleRequest,
};
use wire::{Call, Error};

use super::page;
use super::roles::change;
use crate::service::Iam;

pub async fn tag_role(iam: Arc<Iam>, call: Call, input: TagRoleRequest) -> Result<TagRoleOutput, Error> {
    change(&iam, &call, &input.role_name, |role| {
        role.tags.extend(input.tags.into_iter().map(|tag| (tag.key, tag.value)));
        Ok(())
    })
    .await?;
    Ok(TagRoleOutput {})
}

pub async fn untag_role(iam: Arc<Iam>, call: Call, input: UntagRoleRequest) -> Result<UntagRoleOutput, Error> {
    change(&iam, &call, &input.role_name, |role| {
        input.tag_keys.iter().for_each(|key| drop(role.tags.remove(key)));
        Ok(())
    })
    .await?;
    Ok(UntagRoleOutput {})
}

pub async fn list_role_tags(
    iam: Arc<Iam>,
    call: Call,
    input: ListRoleTagsRequest,
) -> Result<ListRoleTagsResponse, Error> {
    let cell = iam.account(&call).await?;
    let tags = cell.read(|account| account.role(&input.role_name).map(|role| role.tags.clone()));
    let tags = tags.await.map_err(Error::internal)??.into_iter().map(|(key, value)| Tag { key, value }).collect();
    let (tags, marker) = page(tags, |tag: &Tag| &tag.key, input.marker.as_deref(), input.max_items);
    Ok(ListRoleTagsResponse { tags, is_truncated: Some(marker.is_some()), marker })
}
