use std::sync::Arc;

use base::Arn;
use fabric::SourceError;
use model_lambda::{
    CreateEventSourceMappingRequest, DeleteEventSourceMappingRequest, DestinationConfig,
    EventSourceMappingConfiguration, Filter, FilterCriteria, GetEventSourceMappingRequest,
    ListEventSourceMappingsRequest, ListEventSourceMappingsResponse, ScalingConfig, UpdateEventSourceMappingRequest,
};
use wire::{Call, Error, Reply};

use crate::error::{conflict, invalid, missing};
use crate::page::page;
use crate::registry::{Account, EventSourceMapping, FunctionName, LATEST};
use crate::service::Lambda;

const PAGE_MAX: usize = 100;

/// What a mapping's change has come to, as its answer tells.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    Creating,
    Updating,
    Deleting,
    Settled,
}

pub async fn create(
    lambda: Arc<Lambda>,
    call: Call,
    input: CreateEventSourceMappingRequest,
) -> Result<Reply<EventSourceMappingConfiguration>, Error> {
    refuse_streams(input.destination_config.as_ref())?;
    let name = FunctionName::parse(&call.scope, &input.function_name, None)?;
    if lambda.registry.function(&name.scope, &name.name).is_none() {
        return Err(absent());
    }
    let source = input.event_source_arn.ok_or_else(|| invalid("Unrecognized event source."))?;
    let unsigned = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let mapping = EventSourceMapping {
        scope: name.scope.clone(),
        uuid: lambda.fabric.entropy.uuid(),
        function_name: name.name.clone(),
        qualifier: name.qualifier.clone(),
        event_source_arn: source,
        enabled: input.enabled.unwrap_or(true),
        batch_size: unsigned(input.batch_size).unwrap_or(10),
        maximum_batching_window_s: unsigned(input.maximum_batching_window_in_seconds).unwrap_or(0),
        report_batch_item_failures: reports(input.function_response_types.as_deref()),
        maximum_concurrency: unsigned(input.scaling_config.and_then(|scaling| scaling.maximum_concurrency)),
        filters: filters(input.filter_criteria)?,
        tags: input.tags.unwrap_or_default(),
        last_modified: lambda.fabric.now(),
    };
    check(&lambda, &mapping).await?;
    let created = lambda.registry.apply(&name.scope, |account, tx| {
        if let Some(existing) = same(account, &mapping) {
            return Err(conflict(format!(
                "An event source mapping with SQS arn (\" {} \") and function (\" {} \") already exists. Please \
                 update or delete the existing mapping with UUID {}",
                mapping.event_source_arn, mapping.function_name, existing.uuid
            )));
        }
        Ok(account.put_mapping(tx, mapping))
    });
    Ok(Reply::from(shown(&*created.await?, Moment::Creating)).with_status(202))
}

/// What only streams have.
fn refuse_streams(destinations: Option<&DestinationConfig>) -> Result<(), Error> {
    match destinations {
        Some(_) => Err(invalid("Unsupported DestinationConfig parameter for given event source mapping type.")),
        None => Ok(()),
    }
}

fn reports(types: Option<&[String]>) -> bool {
    types.unwrap_or_default().iter().any(|kind| kind == "ReportBatchItemFailures")
}

/// There is no engine for event patterns yet, so that filters are refused rather than passed over.
fn filters(criteria: Option<FilterCriteria>) -> Result<Vec<String>, Error> {
    match criteria.and_then(|criteria| criteria.filters).unwrap_or_default().is_empty() {
        true => Ok(Vec::new()),
        false => Err(invalid("Kobel does not implement FilterCriteria of event source mappings yet.")),
    }
}

fn same<'a>(account: &'a Account, mapping: &EventSourceMapping) -> Option<&'a Arc<EventSourceMapping>> {
    account.mappings.values().find(|other| {
        other.event_source_arn == mapping.event_source_arn
            && other.function_name == mapping.function_name
            && other.qualifier == mapping.qualifier
            && other.uuid != mapping.uuid
    })
}

fn absent() -> Error {
    invalid("Function does not exist")
}

/// The rules of SQS mappings; function and queue must be there, and the queue must hide messages for as long as the
/// function may run.
async fn check(lambda: &Lambda, mapping: &EventSourceMapping) -> Result<(), Error> {
    let function = lambda.registry.function(&mapping.scope, &mapping.function_name).ok_or_else(absent)?;
    let version = function.version(mapping.qualifier.as_deref().unwrap_or(LATEST)).ok_or_else(absent)?;
    let arn: Arn = mapping.event_source_arn.parse().map_err(|_| invalid("Unrecognized event source."))?;
    let source = lambda
        .fabric
        .plugs
        .queue_source(&arn)
        .ok_or_else(|| invalid(format!("Kobel has no event source of the service {}: {arn}", arn.service)))?;
    let facts = source.facts(&arn).await.map_err(|error| match error {
        SourceError::Missing(_) => invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
             Message: The specified queue does not exist.",
        ),
        SourceError::Failed(why) => Error::internal(why),
    })?;
    if facts.fifo && (mapping.batch_size > 10 || mapping.maximum_batching_window_s > 0) {
        let message = "Batching window is not supported for FIFO queues, and their batch size is at most 10.";
        return Err(invalid(message));
    }
    if mapping.batch_size > 10 && mapping.maximum_batching_window_s == 0 {
        return Err(invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    let timeout_s = version.timeout_s;
    if facts.visibility_timeout_s < timeout_s {
        return Err(invalid(format!(
            "Queue visibility timeout: {} seconds is less than Function timeout: {timeout_s} seconds",
            facts.visibility_timeout_s
        )));
    }
    Ok(())
}

pub async fn get(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let account = lambda.registry.account(&call.scope);
    account.mappings.get(&input.uuid).map(|mapping| shown(mapping, Moment::Settled)).ok_or_else(gone)
}

fn gone() -> Error {
    missing("The resource you requested does not exist.")
}

pub async fn list(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListEventSourceMappingsRequest,
) -> Result<ListEventSourceMappingsResponse, Error> {
    let account = lambda.registry.account(&call.scope);
    let function = input.function_name.map(|name| FunctionName::parse(&call.scope, &name, None)).transpose()?;
    let wanted = account.mappings.values().filter(|mapping| {
        input.event_source_arn.as_ref().is_none_or(|arn| mapping.event_source_arn == *arn)
            && function.as_ref().is_none_or(|name| mapping.function_name == name.name)
    });
    let keyed = wanted.map(|mapping| (mapping.uuid.clone(), mapping));
    let (page, next_marker) = page(keyed, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let mappings = page.into_iter().map(|mapping| shown(mapping, Moment::Settled)).collect();
    Ok(ListEventSourceMappingsResponse { next_marker, event_source_mappings: Some(mappings) })
}

pub async fn update(
    lambda: Arc<Lambda>,
    call: Call,
    input: UpdateEventSourceMappingRequest,
) -> Result<Reply<EventSourceMappingConfiguration>, Error> {
    refuse_streams(input.destination_config.as_ref())?;
    let account = lambda.registry.account(&call.scope);
    let mut mapping = account.mappings.get(&input.uuid).map(|m| EventSourceMapping::clone(m)).ok_or_else(gone)?;
    if let Some(name) = &input.function_name {
        let name = FunctionName::parse(&call.scope, name, None)?;
        (mapping.function_name, mapping.qualifier) = (name.name, name.qualifier);
    }
    let unsigned = |number: i32| u32::try_from(number).unwrap_or(0);
    mapping.enabled = input.enabled.unwrap_or(mapping.enabled);
    mapping.batch_size = input.batch_size.map_or(mapping.batch_size, unsigned);
    let window = input.maximum_batching_window_in_seconds;
    mapping.maximum_batching_window_s = window.map_or(mapping.maximum_batching_window_s, unsigned);
    if let Some(types) = &input.function_response_types {
        mapping.report_batch_item_failures = reports(Some(types));
    }
    if let Some(scaling) = input.scaling_config {
        mapping.maximum_concurrency = scaling.maximum_concurrency.map(unsigned);
    }
    if input.filter_criteria.is_some() {
        mapping.filters = filters(input.filter_criteria)?;
    }
    mapping.last_modified = lambda.fabric.now();
    check(&lambda, &mapping).await?;
    let updated = lambda.registry.apply(&call.scope, |account, tx| match account.mappings.get(&mapping.uuid) {
        Some(_) => Ok(account.put_mapping(tx, mapping)),
        None => Err(gone()),
    });
    Ok(Reply::from(shown(&*updated.await?, Moment::Updating)).with_status(202))
}

pub async fn delete(
    lambda: Arc<Lambda>,
    call: Call,
    input: DeleteEventSourceMappingRequest,
) -> Result<Reply<EventSourceMappingConfiguration>, Error> {
    let deleted =
        lambda.registry.apply(&call.scope, |account, tx| account.remove_mapping(tx, &input.uuid).ok_or_else(gone));
    Ok(Reply::from(shown(&*deleted.await?, Moment::Deleting)).with_status(202))
}

fn shown(mapping: &EventSourceMapping, moment: Moment) -> EventSourceMappingConfiguration {
    let state = match (moment, mapping.enabled) {
        (Moment::Creating, true) => "Creating",
        (Moment::Updating, true) => "Updating",
        (Moment::Deleting, _) => "Deleting",
        (_, true) => "Enabled",
        (_, false) => "Disabled",
    };
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let reports = mapping.report_batch_item_failures.then(|| "ReportBatchItemFailures".to_owned());
    let filter = |pattern: &String| Filter { pattern: Some(pattern.clone()) };
    let filters: Vec<Filter> = mapping.filters.iter().map(filter).collect();
    EventSourceMappingConfiguration {
        uuid: Some(mapping.uuid.clone()),
        batch_size: Some(signed(mapping.batch_size)),
        maximum_batching_window_in_seconds: Some(signed(mapping.maximum_batching_window_s)),
        event_source_arn: Some(mapping.event_source_arn.clone()),
        filter_criteria: (!filters.is_empty()).then_some(FilterCriteria { filters: Some(filters) }),
        function_arn: Some(mapping.function_arn()),
        last_modified: Some(mapping.last_modified),
        state: Some(state.into()),
        state_transition_reason: Some("USER_INITIATED".into()),
        function_response_types: Some(reports.into_iter().collect()),
        scaling_config: mapping
            .maximum_concurrency
            .map(|concurrency| ScalingConfig { maximum_concurrency: Some(signed(concurrency)) }),
        event_source_mapping_arn: Some(mapping.arn()),
        ..EventSourceMappingConfiguration::default()
    }
}
