use fabric::{ProviderError, Resource};
use model_lambda::{
    DeleteFunctionEventInvokeConfig, DeleteFunctionEventInvokeConfigRequest, DestinationConfig, OnFailure, OnSuccess,
    PutFunctionEventInvokeConfig, PutFunctionEventInvokeConfigRequest,
};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{number, object, required, text};

pub(super) const PROPERTIES: &[&str] =
    &["DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"];
pub(super) const REPLACING: &[&str] = &["FunctionName", "Qualifier"];

/// Replaces the whole configuration, whether there was one or not.
pub(super) async fn put(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let destinations = object(properties, "DestinationConfig");
    let destination = |name: &str| destinations.and_then(|d| text(object(d, name)?, "Destination"));
    let config = destinations.map(|_| DestinationConfig {
        on_success: destination("OnSuccess").map(|destination| OnSuccess { destination: Some(destination) }),
        on_failure: destination("OnFailure").map(|destination| OnFailure { destination: Some(destination) }),
    });
    let request = PutFunctionEventInvokeConfigRequest {
        function_name: required(properties, "FunctionName")?,
        qualifier: qualifier(properties),
        maximum_retry_attempts: number(properties, "MaximumRetryAttempts")?,
        maximum_event_age_in_seconds: number(properties, "MaximumEventAgeInSeconds")?,
        destination_config: config,
    };
    caller.call::<PutFunctionEventInvokeConfig>(request).await?;
    Ok(Resource::new(caller.context.generated_name(128)))
}

pub(super) async fn delete(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<(), Error> {
    let request = DeleteFunctionEventInvokeConfigRequest {
        function_name: text(properties, "FunctionName").unwrap_or_default(),
        qualifier: qualifier(properties),
    };
    caller.call::<DeleteFunctionEventInvokeConfig>(request).await.map(drop)
}

/// `$LATEST` is the function without a qualifier.
fn qualifier(properties: &Map<String, Value>) -> Option<String> {
    text(properties, "Qualifier").filter(|qualifier| qualifier != crate::registry::LATEST)
}
