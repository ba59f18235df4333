use std::sync::Arc;

use model_lambda::{FunctionConfiguration, UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest};
use wire::{Call, Error};

use super::create_function::{architecture, settle};
use super::versions::publish;
use crate::code::Source;
use crate::configuration::{Changes, Moment, check_whole, describe};
use crate::dead_letter::check_dead_letter;
use crate::layer;
use crate::registry::{Function, Version};
use crate::service::{Lambda, check_revision};

const API: &str = "GetFunction/GetAlias";

/// New code. Once this has returned, no request runs the old one.
pub async fn update_function_code(
    lambda: Arc<Lambda>,
    call: Call,
    mut input: UpdateFunctionCodeRequest,
) -> Result<FunctionConfiguration, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, None)?;
    check_revision(input.revision_id.as_deref(), &function.latest.revision_id, API)?;
    let architecture = input.architectures.take().map(|given| architecture(Some(&given))).transpose()?;
    let archive = Source::of_update(&mut input)?.fetch(&lambda.fabric, &name.scope, &call.trace).await?;
    if input.dry_run.unwrap_or(false) {
        let package = lambda.packages.check(archive).await.map_err(Error::from)?;
        let version = Version { package, ..Version::clone(&function.latest) };
        return Ok(describe(&version, name.arn(), Moment::Updated));
    }
    let package = lambda.packages.store(archive).await.map_err(Error::from)?;
    let dropped = package.clone();
    let publishes = input.publish.unwrap_or(false);
    let mut published = None;
    let changed = lambda.change(&name, |function| {
        check_revision(input.revision_id.as_deref(), &function.latest.revision_id, API)?;
        let mut latest = renewed(&lambda, function);
        latest.package = package;
        latest.architecture = architecture.unwrap_or(latest.architecture);
        layer::check_size(&latest)?;
        function.latest = Arc::new(latest);
        published = publishes.then(|| publish(&lambda, function, None));
        Ok(())
    });
    let function = match changed.await {
        Ok(function) => function,
        Err(error) => {
            lambda.collect(std::iter::once(&dropped)).await;
            return Err(error);
        }
    };
    settle(&lambda, &name).await?;
    Ok(match published {
        Some(version) => describe(&version, version.qualified_arn(), Moment::Updated),
        None => describe(&function.latest, function.arn.clone(), Moment::Updated),
    })
}

pub async fn update_function_configuration(
    lambda: Arc<Lambda>,
    call: Call,
    input: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, None)?;
    let principal = call.caller.principal.clone();
    let changes = Changes::from(&input);
    changes.check(&function.latest.logging.format)?;
    check_dead_letter(&lambda.fabric, &name, changes.dead_letter_target.as_deref()).await?;
    let changed = lambda.change(&name, |function| {
        check_revision(input.revision_id.as_deref(), &function.latest.revision_id, API)?;
        let mut latest = renewed(&lambda, function);
        let resolve = |arns: &Vec<String>| layer::resolve(&lambda.registry, &name.scope, &principal, arns);
        let layers = changes.layers.as_ref().map(resolve).transpose()?;
        changes.apply(&mut latest, layers);
        check_whole(&latest)?;
        layer::check_size(&latest)?;
        function.latest = Arc::new(latest);
        Ok(())
    });
    let function = changed.await?;
    settle(&lambda, &name).await?;
    Ok(describe(&function.latest, function.arn.clone(), Moment::Updated))
}

/// The newest version, to be changed: environments of the old one are stale.
fn renewed(lambda: &Lambda, function: &Function) -> Version {
    Version {
        revision: lambda.revision(),
        revision_id: lambda.revision(),
        last_modified: lambda.fabric.now(),
        ..Version::clone(&function.latest)
    }
}
