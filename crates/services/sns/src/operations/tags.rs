use std::collections::BTreeMap;
use std::sync::Arc;

use model_sns::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse, errors,
};
use wire::{Call, Error};

use crate::error;
use crate::service::Sns;

const TAGS_MAX: usize = 50;

pub async fn tag_resource(sns: Arc<Sns>, call: Call, input: TagResourceRequest) -> Result<TagResourceResponse, Error> {
    let count = input.tags.len();
    let tags: BTreeMap<String, String> = input.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    if tags.len() < count {
        return Err(error::invalid("Duplicated keys are not allowed."));
    }
    change(&sns, &call, &input.resource_arn, |own| {
        own.extend(tags);
        match own.len() > TAGS_MAX {
            true => Err(errors::tag_limit_exceeded_exception(
                "Could not complete request: tag quota of per resource exceeded",
            )),
            false => Ok(()),
        }
    })
    .await?;
    Ok(TagResourceResponse {})
}

pub async fn untag_resource(
    sns: Arc<Sns>,
    call: Call,
    input: UntagResourceRequest,
) -> Result<UntagResourceResponse, Error> {
    change(&sns, &call, &input.resource_arn, |own| {
        input.tag_keys.iter().for_each(|key| drop(own.remove(key)));
        Ok(())
    })
    .await?;
    Ok(UntagResourceResponse {})
}

pub async fn list_tags_for_resource(
    sns: Arc<Sns>,
    call: Call,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Error> {
    let cell = sns.cell_of(&call, &input.resource_arn, "ResourceArn").await?;
    let tags = cell.read(|topics| topics.topic(&input.resource_arn).map(|topic| topic.tags.clone()));
    let tags = tags.await.map_err(Error::internal)?.map_err(|_| missing())?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}

async fn change(
    sns: &Sns,
    call: &Call,
    arn: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Error>,
) -> Result<(), Error> {
    let cell = sns.cell_of(call, arn, "ResourceArn").await?;
    let changed = cell.apply(|topics, tx| {
        let topic = topics.topic(arn).cloned().map_err(|_| missing()).and_then(|mut topic| {
            change(&mut topic.tags)?;
            Ok(topic)
        });
        Ok::<_, cell::Error>(topic.map(|topic| topics.put_topic(tx, topic)))
    });
    changed.await.map_err(Error::internal)?
}

fn missing() -> Error {
    errors::resource_not_found_exception("Resource does not exist")
}
