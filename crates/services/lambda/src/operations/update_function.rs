use std::sync::Arc;

use model_lambda::{FunctionConfiguration, UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest};
use wire::{Call, Error};

use super::create_function::{architecture, image, package, settle};
use super::versions::publish;
use crate::code::Source;
use crate::configuration::{Changes, Moment, check_whole, describe};
use crate::dead_letter::check_dead_letter;
use crate::layer;
use crate::registry::{Code, Function, FunctionName, Version};
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
    if input.dry_run.unwrap_or(false) {
        let code = checked(&lambda, &name, &call, &mut input, &function.latest).await?;
        let version = Version { code, ..Version::clone(&function.latest) };
        return Ok(describe(&version, name.arn(), Moment::Updated));
    }
    let (code, held) = match function.latest.code.image() {
        Some(_) => image(&lambda, &name, &call, &Source::image_uri_of_update(&mut input)?).await?,
        None => (package(&lambda, &name, &call, Source::of_update(&mut input)?).await?, None),
    };
    let dropped = code.clone();
    let publishes = input.publish.unwrap_or(false);
    let mut published = None;
    let changed = lambda.change(&name, |function| {
        check_revision(input.revision_id.as_deref(), &function.latest.revision_id, API)?;
        let mut latest = renewed(&lambda, function);
        latest.code = with_overrides_of(&latest.code, code);
        latest.architecture = architecture.unwrap_or(latest.architecture);
        layer::check_size(&latest)?;
        function.latest = Arc::new(latest);
        published = publishes.then(|| publish(&lambda, function, None));
        Ok(())
    });
    let function = match changed.await {
        Ok(function) => function,
        Err(error) => {
            drop(held);
            lambda.collect_code(&dropped).await;
            return Err(error);
        }
    };
    settle(&lambda, &name).await?;
    Ok(match published {
        Some(version) => {
            let moment = lambda.published(&version, Moment::Updated);
            describe(&version, version.qualified_arn(), moment)
        }
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
    changes.check(function.latest.code.package_type(), &function.latest.logging.format)?;
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

/// The code of an update, which is checked and not kept.
async fn checked(
    lambda: &Lambda,
    name: &FunctionName,
    call: &Call,
    input: &mut UpdateFunctionCodeRequest,
    latest: &Version,
) -> Result<Code, Error> {
    if latest.code.image().is_some() {
        let (code, held) = image(lambda, name, call, &Source::image_uri_of_update(input)?).await?;
        drop(held);
        lambda.collect_code(&code).await;
        return Ok(with_overrides_of(&latest.code, code));
    }
    let archive = Source::of_update(input)?.fetch(&lambda.fabric, &name.scope, &call.trace).await?;
    Ok(Code::Package(lambda.packages.check(archive).await.map_err(Error::from)?))
}

/// Another image runs as the function's configuration says, as the one before it did.
fn with_overrides_of(old: &Code, new: Code) -> Code {
    match (old, new) {
        (Code::Image { overrides, .. }, Code::Image { image, .. }) => {
            Code::Image { image, overrides: overrides.clone() }
        }
        (_, new) => new,
    }
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
