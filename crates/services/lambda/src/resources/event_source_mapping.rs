use fabric::{ProviderError, Resource};
use model_lambda::{
    CreateEventSourceMapping, CreateEventSourceMappingRequest, DeleteEventSourceMapping,
    DeleteEventSourceMappingRequest, EventSourceMappingConfiguration, Filter, FilterCriteria, ScalingConfig,
    UpdateEventSourceMapping, UpdateEventSourceMappingRequest,
};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{list, number, object, required, tags, text, truth};

pub(super) const PROPERTIES: &[&str] = &[
    "BatchSize",
    "Enabled",
    "EventSourceArn",
    "FilterCriteria",
    "FunctionName",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "ScalingConfig",
    "Tags",
];
pub(super) const REPLACING: &[&str] = &["EventSourceArn"];

pub(super) async fn create(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let request = CreateEventSourceMappingRequest {
        event_source_arn: text(properties, "EventSourceArn"),
        function_name: required(properties, "FunctionName")?,
        enabled: truth(properties, "Enabled"),
        batch_size: number(properties, "BatchSize")?,
        maximum_batching_window_in_seconds: number(properties, "MaximumBatchingWindowInSeconds")?,
        filter_criteria: filters(properties),
        function_response_types: list(properties, "FunctionResponseTypes"),
        scaling_config: scaling(properties)?,
        tags: Some(tags(properties)).filter(|tags| !tags.is_empty()),
        ..CreateEventSourceMappingRequest::default()
    };
    match caller.call::<CreateEventSourceMapping>(request).await {
        // One queue feeds a function once: the mapping was made before a crash. The error names it.
        Err(error) if error.status == 409 => match uuid_in(&error.message) {
            Some(uuid) => update(caller, uuid, properties).await,
            None => Err(error.into()),
        },
        created => Ok(resource(created?)),
    }
}

/// The UUID with which the sentence of a conflict ends.
fn uuid_in(message: &str) -> Option<&str> {
    message
        .split_whitespace()
        .map(|word| word.trim_end_matches('.'))
        .find(|word| word.len() == 36 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}

pub(super) async fn update(
    caller: &Caller<'_>,
    uuid: &str,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let request = UpdateEventSourceMappingRequest {
        uuid: uuid.to_owned(),
        function_name: text(properties, "FunctionName"),
        enabled: Some(truth(properties, "Enabled").unwrap_or(true)),
        batch_size: number(properties, "BatchSize")?,
        maximum_batching_window_in_seconds: number(properties, "MaximumBatchingWindowInSeconds")?,
        filter_criteria: filters(properties),
        function_response_types: Some(list(properties, "FunctionResponseTypes").unwrap_or_default()),
        scaling_config: Some(scaling(properties)?.unwrap_or_default()),
        ..UpdateEventSourceMappingRequest::default()
    };
    Ok(resource(caller.call::<UpdateEventSourceMapping>(request).await?))
}

pub(super) async fn delete(caller: &Caller<'_>, uuid: &str) -> Result<(), Error> {
    let request = DeleteEventSourceMappingRequest { uuid: uuid.to_owned() };
    caller.call::<DeleteEventSourceMapping>(request).await.map(drop)
}

fn resource(mapping: EventSourceMappingConfiguration) -> Resource {
    let uuid = mapping.uuid.unwrap_or_default();
    let arn = mapping.event_source_mapping_arn.unwrap_or_default();
    Resource::new(&uuid).with("Id", uuid.as_str()).with("EventSourceMappingArn", arn)
}

fn filters(properties: &Map<String, Value>) -> Option<FilterCriteria> {
    let filters = object(properties, "FilterCriteria")?.get("Filters")?.as_array()?;
    let filter = |filter: &Value| Filter { pattern: filter["Pattern"].as_str().map(str::to_owned) };
    Some(FilterCriteria { filters: Some(filters.iter().map(filter).collect()) })
}

fn scaling(properties: &Map<String, Value>) -> Result<Option<ScalingConfig>, ProviderError> {
    match object(properties, "ScalingConfig") {
        Some(scaling) => Ok(Some(ScalingConfig { maximum_concurrency: number(scaling, "MaximumConcurrency")? })),
        None => Ok(None),
    }
}
