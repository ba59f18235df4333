use std::sync::Arc;

use model_lambda::{
    AliasConfiguration, AliasRoutingConfiguration, CreateAliasRequest, DeleteAliasOutput, DeleteAliasRequest,
    GetAliasRequest, ListAliasesRequest, ListAliasesResponse, UpdateAliasRequest,
};
use wire::{Call, Error};

use crate::configuration::alias_configuration;
use crate::error::{conflict, invalid, missing};
use crate::page::page;
use crate::registry::{Alias, Function, LATEST, not_found};
use crate::service::{Lambda, check_revision};

const PAGE_MAX: usize = 50;

pub async fn create_alias(
    lambda: Arc<Lambda>,
    call: Call,
    input: CreateAliasRequest,
) -> Result<AliasConfiguration, Error> {
    let (name, _) = lambda.named(&call, &input.function_name, None)?;
    let alias_name = input.name.clone();
    let changed = lambda.change(&name, |function| {
        if function.aliases.contains_key(&input.name) {
            return Err(conflict(format!("Alias already exists: {}:{}", function.arn, input.name)));
        }
        let alias = Alias {
            additional: additional(function, &input.function_version, input.routing_config.as_ref())?,
            name: input.name.clone(),
            version: input.function_version,
            description: input.description.unwrap_or_default(),
            revision_id: lambda.revision(),
        };
        function.aliases.insert(input.name, Arc::new(alias));
        Ok(())
    });
    shown(&*changed.await?, &alias_name)
}

/// The other version and its weight; both versions must be there.
fn additional(
    function: &Function,
    version: &str,
    routing: Option<&AliasRoutingConfiguration>,
) -> Result<Option<(String, f64)>, Error> {
    let known = |version: &str| match function.version_of(version) {
        Some(_) => Ok(()),
        None => Err(not_found(&format!("{}:{version}", function.arn))),
    };
    known(version)?;
    let weights = routing.and_then(|routing| routing.additional_version_weights.as_ref());
    let Some(weights) = weights.filter(|weights| !weights.is_empty()) else { return Ok(None) };
    if version == LATEST {
        return Err(invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
    }
    if weights.len() > 1 {
        return Err(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    match weights.iter().next() {
        Some((other, _)) if other == version => Err(invalid(format!(
            "Invalid function version {other}. Function version {other} is already included in routing configuration."
        ))),
        Some((_, weight)) if !(0.0..=1.0).contains(weight) => {
            Err(invalid("The weight of a version must be between 0.0 and 1.0"))
        }
        Some((other, weight)) => known(other).map(|()| Some((other.clone(), *weight))),
        None => Ok(None),
    }
}

fn shown(function: &Function, name: &str) -> Result<AliasConfiguration, Error> {
    let alias = function.aliases.get(name);
    let absent = || missing(format!("Cannot find alias arn: {}:{name}", function.arn));
    alias.map(|alias| alias_configuration(alias, &function.arn)).ok_or_else(absent)
}

pub async fn get_alias(lambda: Arc<Lambda>, call: Call, input: GetAliasRequest) -> Result<AliasConfiguration, Error> {
    let (_, function) = lambda.named(&call, &input.function_name, None)?;
    shown(&function, &input.name)
}

pub async fn update_alias(
    lambda: Arc<Lambda>,
    call: Call,
    input: UpdateAliasRequest,
) -> Result<AliasConfiguration, Error> {
    let (name, _) = lambda.named(&call, &input.function_name, None)?;
    let alias_name = input.name.clone();
    let changed = lambda.change(&name, |function| {
        let absent = || missing(format!("Alias not found: {}:{}", function.arn, input.name));
        let mut alias = function.aliases.get(&input.name).map(|alias| Alias::clone(alias)).ok_or_else(absent)?;
        check_revision(input.revision_id.as_deref(), &alias.revision_id, "GetFunction/GetAlias")?;
        alias.version = input.function_version.unwrap_or(alias.version);
        alias.description = input.description.unwrap_or(alias.description);
        match &input.routing_config {
            Some(routing) => alias.additional = additional(function, &alias.version, Some(routing))?,
            None => drop(additional(function, &alias.version, None)?),
        }
        alias.revision_id = lambda.revision();
        function.aliases.insert(input.name, Arc::new(alias));
        Ok(())
    });
    shown(&*changed.await?, &alias_name)
}

/// An alias that is gone already is deleted.
pub async fn delete_alias(
    lambda: Arc<Lambda>,
    call: Call,
    input: DeleteAliasRequest,
) -> Result<DeleteAliasOutput, Error> {
    let (name, _) = lambda.named(&call, &input.function_name, None)?;
    let changed = lambda.change(&name, |function| {
        function.aliases.remove(&input.name);
        function.event_invoke_configs.remove(&input.name);
        function.policies.remove(&input.name);
        Ok(())
    });
    changed.await?;
    Ok(DeleteAliasOutput {})
}

pub async fn list_aliases(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListAliasesRequest,
) -> Result<ListAliasesResponse, Error> {
    let (_, function) = lambda.named(&call, &input.function_name, None)?;
    let wanted = function.aliases.values().filter(|alias| {
        let additional = alias.additional.as_ref().map(|(version, _)| version);
        input.function_version.as_ref().is_none_or(|v| alias.version == *v || additional == Some(v))
    });
    let keyed = wanted.map(|alias| (alias.name.clone(), alias));
    let (page, next_marker) = page(keyed, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let entry = |alias: &Arc<Alias>| alias_configuration(alias, &function.arn);
    Ok(ListAliasesResponse { aliases: Some(page.into_iter().map(entry).collect()), next_marker })
}
