use std::collections::BTreeMap;
use std::sync::Arc;

use base::Arn;
use model_lambda::{
    ListTagsRequest, ListTagsResponse, TagResourceOutput, TagResourceRequest, UntagResourceOutput, UntagResourceRequest,
};
use sandbox::Network;
use wire::{Call, Error};

use super::versions::{SNAP_START_TAG, SNAP_START_VALUES};
use crate::error::{invalid, missing};
use crate::registry::{EventSourceMapping, FunctionName, FunctionSettings, NETWORK_TAG};
use crate::service::Lambda;

/// The most tags of a resource.
const TAGS_MAX: usize = 50;

/// What has tags.
enum Tagged {
    Function(FunctionName),
    Mapping(String),
}

fn tagged(call: &Call, text: &str) -> Result<Tagged, Error> {
    let arn: Arn = text.parse().map_err(|_| invalid(format!("The provided resource ARN {text} is invalid.")))?;
    if let Some(uuid) = arn.resource.strip_prefix("event-source-mapping:") {
        return Ok(Tagged::Mapping(uuid.to_owned()));
    }
    let name = FunctionName::parse(&call.scope, text, None)?;
    match name.qualifier {
        None => Ok(Tagged::Function(name)),
        Some(_) => {
            let message = "Tags on function aliases and versions are not supported. Please specify a function ARN.";
            Err(invalid(message))
        }
    }
}

/// The tags of a function: some of them have a meaning here.
pub(super) fn check_of_function(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if let Some(value) = tags.get(SNAP_START_TAG).filter(|value| !SNAP_START_VALUES.contains(&value.as_str())) {
        let values = SNAP_START_VALUES.join(" or ");
        return Err(invalid(format!("The tag {SNAP_START_TAG} is wrong: `{value}` is not {values}.")));
    }
    if let Some(network) = tags.get(NETWORK_TAG) {
        network.parse::<Network>().map_err(|error| invalid(format!("The tag {NETWORK_TAG} is wrong: {error}.")))?;
    }
    check_count(tags)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    match tags.len() {
        count if count > TAGS_MAX => Err(invalid("Number of tags exceeds resource tag limit.")),
        _ => Ok(()),
    }
}

async fn change(
    lambda: &Lambda,
    call: &Call,
    resource: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<(), Error> {
    match tagged(call, resource)? {
        Tagged::Function(name) => {
            let changed = lambda.change(&name, |function| {
                let mut settings = FunctionSettings::clone(&function.settings);
                change(&mut settings.tags);
                check_of_function(&settings.tags)?;
                function.settings = Arc::new(settings);
                lambda.renew_revision(function);
                Ok(())
            });
            changed.await.map(drop)
        }
        Tagged::Mapping(uuid) => {
            let changed = lambda.registry.apply(&call.scope, |account, tx| {
                let absent = || missing(format!("Event source mapping not found: {resource}"));
                let mapping = account.mappings.get(&uuid).ok_or_else(absent)?;
                let mut mapping = EventSourceMapping::clone(mapping);
                change(&mut mapping.tags);
                check_count(&mapping.tags)?;
                account.put_mapping(tx, mapping);
                Ok(())
            });
            changed.await
        }
    }
}

pub async fn tag_resource(
    lambda: Arc<Lambda>,
    call: Call,
    input: TagResourceRequest,
) -> Result<TagResourceOutput, Error> {
    if input.tags.is_empty() {
        return Err(invalid("An error occurred and the request cannot be processed."));
    }
    change(&lambda, &call, &input.resource, |tags| tags.extend(input.tags)).await?;
    Ok(TagResourceOutput {})
}

pub async fn untag_resource(
    lambda: Arc<Lambda>,
    call: Call,
    input: UntagResourceRequest,
) -> Result<UntagResourceOutput, Error> {
    change(&lambda, &call, &input.resource, |tags| {
        input.tag_keys.iter().for_each(|key| drop(tags.remove(key)));
    })
    .await?;
    Ok(UntagResourceOutput {})
}

pub async fn list_tags(lambda: Arc<Lambda>, call: Call, input: ListTagsRequest) -> Result<ListTagsResponse, Error> {
    let tags = match tagged(&call, &input.resource)? {
        Tagged::Function(name) => {
            let function = lambda.registry.function(&name.scope, &name.name).ok_or_else(|| name.not_found())?;
            function.settings.tags.clone()
        }
        Tagged::Mapping(uuid) => {
            let account = lambda.registry.account(&call.scope);
            let absent = || missing(format!("Event source mapping not found: {}", input.resource));
            account.mappings.get(&uuid).ok_or_else(absent)?.tags.clone()
        }
    };
    Ok(ListTagsResponse { tags: Some(tags) })
}
