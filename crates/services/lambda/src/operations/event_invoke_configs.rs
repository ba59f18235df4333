use std::sync::Arc;

use base::Arn;
use fabric::Refusal;
use model_lambda::{
    DeleteFunctionEventInvokeConfigOutput, DeleteFunctionEventInvokeConfigRequest, DestinationConfig,
    FunctionEventInvokeConfig, GetFunctionEventInvokeConfigRequest, ListFunctionEventInvokeConfigsRequest,
    ListFunctionEventInvokeConfigsResponse, OnFailure, OnSuccess, PutFunctionEventInvokeConfigRequest,
    UpdateFunctionEventInvokeConfigRequest,
};
use wire::{Call, Error};

use crate::dead_letter::ask;
use crate::error::{invalid, missing};
use crate::page::page;
use crate::registry::{EventInvokeConfig, Function, FunctionName, LATEST};
use crate::service::Lambda;

const PAGE_MAX: usize = 50;

/// What a caller gives of a configuration.
struct Given {
    retries: Option<i32>,
    age_s: Option<i32>,
    destinations: Option<DestinationConfig>,
}

/// Replaces the whole configuration of a qualifier.
pub async fn put(
    lambda: Arc<Lambda>,
    call: Call,
    input: PutFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let given = Given {
        retries: input.maximum_retry_attempts,
        age_s: input.maximum_event_age_in_seconds,
        destinations: input.destination_config,
    };
    set(&lambda, &call, &input.function_name, input.qualifier.as_deref(), given, false).await
}

/// Changes what is given of an existing configuration.
pub async fn update(
    lambda: Arc<Lambda>,
    call: Call,
    input: UpdateFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let given = Given {
        retries: input.maximum_retry_attempts,
        age_s: input.maximum_event_age_in_seconds,
        destinations: input.destination_config,
    };
    set(&lambda, &call, &input.function_name, input.qualifier.as_deref(), given, true).await
}

async fn set(
    lambda: &Lambda,
    call: &Call,
    function: &str,
    qualifier: Option<&str>,
    given: Given,
    merge: bool,
) -> Result<FunctionEventInvokeConfig, Error> {
    let name = FunctionName::parse(&call.scope, function, qualifier)?;
    let key = name.qualifier.clone().unwrap_or_else(|| LATEST.to_owned());
    let gone = || missing("The function doesn't exist.");
    let function = lambda.registry.function(&name.scope, &name.name).ok_or_else(gone)?;
    function.version(&key).ok_or_else(gone)?;
    if given.retries.is_none() && given.age_s.is_none() && given.destinations.is_none() {
        return Err(invalid("You must specify at least one of error handling or destination setting."));
    }
    check_destinations(lambda, &name, given.destinations.as_ref()).await?;
    let changed = lambda.change(&name, |function| {
        let old = function.event_invoke_configs.get(&key);
        let base = match (merge, old) {
            (true, None) => return Err(no_config(&function.arn, &key)),
            (true, Some(old)) => EventInvokeConfig::clone(old),
            (false, _) => EventInvokeConfig::default(),
        };
        let unsigned = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
        let mut config = EventInvokeConfig {
            maximum_retry_attempts: unsigned(given.retries).or(base.maximum_retry_attempts),
            maximum_event_age_s: unsigned(given.age_s).or(base.maximum_event_age_s),
            on_success: base.on_success,
            on_failure: base.on_failure,
            last_modified: lambda.fabric.now(),
        };
        if let Some(destinations) = given.destinations {
            config.on_success = destinations.on_success.and_then(|to| to.destination).filter(|arn| !arn.is_empty());
            config.on_failure = destinations.on_failure.and_then(|to| to.destination).filter(|arn| !arn.is_empty());
        }
        function.event_invoke_configs.insert(key.clone(), Arc::new(config));
        Ok(())
    });
    let function = changed.await?;
    function.event_invoke_configs.get(&key).map(|config| shown(&function, &key, config)).ok_or_else(gone)
}

/// Destinations must be there, be of a kind that takes records, and not be the function itself.
async fn check_destinations(
    lambda: &Lambda,
    name: &FunctionName,
    destinations: Option<&DestinationConfig>,
) -> Result<(), Error> {
    let Some(destinations) = destinations else { return Ok(()) };
    let success = destinations.on_success.as_ref().and_then(|to| to.destination.clone());
    let failure = destinations.on_failure.as_ref().and_then(|to| to.destination.clone());
    for (arn, on_success) in [(success.clone(), true), (failure.clone(), false)] {
        let Some(text) = arn.filter(|arn| !arn.is_empty()) else { continue };
        let unsuitable = || {
            let shown = |arn: &Option<String>, kind: &str| match arn {
                Some(arn) => format!("{kind}(destination={arn})"),
                None => "null".to_owned(),
            };
            invalid(format!(
                "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                shown(&success, "OnSuccess"),
                shown(&failure, "OnFailure")
            ))
        };
        let arn: Arn = text.parse().map_err(|_| unsuitable())?;
        if text == name.arn() || text.starts_with(&format!("{}:", name.arn())) {
            return Err(invalid("You can't specify the function as a destination for itself."));
        }
        match (arn.service.as_str(), on_success) {
            ("sqs" | "sns", _) if text.ends_with(".fifo") => return Err(unsuitable()),
            ("sqs" | "sns" | "lambda", _) => match ask(&lambda.fabric, name, &arn).await {
                Err(Refusal::Missing) => return Err(invalid(format!("The destination ARN {text} is invalid."))),
                Err(Refusal::Unknown(why)) => return Err(Error::internal(why)),
                // What a role may do is not asked here, nor does a function's own policy hold for destinations.
                Err(Refusal::Forbidden | Refusal::Unsuitable(_)) | Ok(()) => {}
            },
            // Delivery fails with a clear reason as long as Kobel has no such service.
            ("events", _) | ("s3", false) => {
                return Err(invalid(format!("Kobel cannot send records to the destination {text} yet.")));
            }
            _ => return Err(unsuitable()),
        }
    }
    Ok(())
}

pub async fn get(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let name = FunctionName::parse(&call.scope, &input.function_name, input.qualifier.as_deref())?;
    let key = name.qualifier.clone().unwrap_or_else(|| LATEST.to_owned());
    let function = lambda.registry.function(&name.scope, &name.name).ok_or_else(|| no_config(&name.arn(), &key))?;
    let config = function.event_invoke_configs.get(&key).ok_or_else(|| no_config(&function.arn, &key))?;
    Ok(shown(&function, &key, config))
}

pub async fn delete(
    lambda: Arc<Lambda>,
    call: Call,
    input: DeleteFunctionEventInvokeConfigRequest,
) -> Result<DeleteFunctionEventInvokeConfigOutput, Error> {
    let name = FunctionName::parse(&call.scope, &input.function_name, input.qualifier.as_deref())?;
    let key = name.qualifier.clone().unwrap_or_else(|| LATEST.to_owned());
    if lambda.registry.function(&name.scope, &name.name).is_none() {
        return Err(no_config(&name.arn(), &key));
    }
    let changed = lambda.change(&name, |function| match function.event_invoke_configs.remove(&key) {
        Some(_) => Ok(()),
        None => Err(no_config(&function.arn, &key)),
    });
    changed.await?;
    Ok(DeleteFunctionEventInvokeConfigOutput {})
}

pub async fn list(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListFunctionEventInvokeConfigsRequest,
) -> Result<ListFunctionEventInvokeConfigsResponse, Error> {
    let name = FunctionName::parse(&call.scope, &input.function_name, None)?;
    let gone = || missing("The function doesn't exist.");
    let function = lambda.registry.function(&name.scope, &name.name).ok_or_else(gone)?;
    let keyed = function.event_invoke_configs.iter().map(|(key, config)| (key.clone(), (key, config)));
    let (page, next_marker) = page(keyed, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let configs = page.into_iter().map(|(key, config)| shown(&function, key, config)).collect();
    Ok(ListFunctionEventInvokeConfigsResponse { function_event_invoke_configs: Some(configs), next_marker })
}

fn no_config(arn: &str, key: &str) -> Error {
    missing(format!("The function {arn}:{key} doesn't have an EventInvokeConfig"))
}

fn shown(function: &Function, key: &str, config: &EventInvokeConfig) -> FunctionEventInvokeConfig {
    let signed = |number: Option<u32>| number.and_then(|number| i32::try_from(number).ok());
    FunctionEventInvokeConfig {
        last_modified: Some(config.last_modified),
        function_arn: Some(format!("{}:{key}", function.arn)),
        maximum_retry_attempts: signed(config.maximum_retry_attempts),
        maximum_event_age_in_seconds: signed(config.maximum_event_age_s),
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess { destination: config.on_success.clone() }),
            on_failure: Some(OnFailure { destination: config.on_failure.clone() }),
        }),
    }
}
