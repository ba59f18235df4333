use std::collections::BTreeMap;

use fabric::{ProviderError, Resource};
use model_lambda::{
    AliasRoutingConfiguration, CreateAlias, CreateAliasRequest, DeleteAlias, DeleteAliasRequest, UpdateAlias,
    UpdateAliasRequest,
};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{object, required, text};

pub(super) const PROPERTIES: &[&str] = &["Description", "FunctionName", "FunctionVersion", "Name", "RoutingConfig"];
pub(super) const REPLACING: &[&str] = &["FunctionName", "Name"];

pub(super) async fn create(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let request = CreateAliasRequest {
        function_name: required(properties, "FunctionName")?,
        name: required(properties, "Name")?,
        function_version: required(properties, "FunctionVersion")?,
        description: text(properties, "Description"),
        routing_config: routing(properties),
    };
    match caller.call::<CreateAlias>(request).await {
        // It may have been made before a crash; then it is brought to what it should be.
        Err(error) if error.status == 409 => put(caller, properties).await,
        created => Ok(resource(created?.alias_arn)),
    }
}

pub(super) async fn put(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let request = UpdateAliasRequest {
        function_name: required(properties, "FunctionName")?,
        name: required(properties, "Name")?,
        function_version: text(properties, "FunctionVersion"),
        description: Some(text(properties, "Description").unwrap_or_default()),
        routing_config: Some(routing(properties).unwrap_or_default()),
        revision_id: None,
    };
    Ok(resource(caller.call::<UpdateAlias>(request).await?.alias_arn))
}

/// `arn` is that of the alias: `…:function:<name>:<alias>`.
pub(super) async fn delete(caller: &Caller<'_>, arn: &str) -> Result<(), Error> {
    let (function, name) = arn.rsplit_once(':').unwrap_or((arn, ""));
    let request = DeleteAliasRequest { function_name: function.to_owned(), name: name.to_owned() };
    caller.call::<DeleteAlias>(request).await.map(drop)
}

fn resource(arn: Option<String>) -> Resource {
    let arn = arn.unwrap_or_default();
    Resource::new(&arn).with("AliasArn", arn.as_str())
}

fn routing(properties: &Map<String, Value>) -> Option<AliasRoutingConfiguration> {
    let weights = object(properties, "RoutingConfig")?.get("AdditionalVersionWeights")?.as_array()?;
    let weight = |entry: &Value| {
        let share = entry["FunctionWeight"].as_f64().or_else(|| entry["FunctionWeight"].as_str()?.parse().ok())?;
        Some((text(entry.as_object()?, "FunctionVersion")?, share))
    };
    let weights: BTreeMap<String, f64> = weights.iter().filter_map(weight).collect();
    Some(AliasRoutingConfiguration { additional_version_weights: Some(weights) })
}
