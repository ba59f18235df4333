use std::collections::BTreeMap;
use std::sync::Arc;

use model_lambda::{CreateFunctionRequest, FunctionConfiguration};
use wire::{Call, Error};

use super::tags::check_of_function;
use super::versions::publish;
use crate::code::Source;
use crate::configuration::{Changes, Moment, check_whole, describe};
use crate::dead_letter::check_dead_letter;
use crate::environment::Held;
use crate::error::{conflict, invalid};
use crate::layer;
use crate::registry::{Code, Function, FunctionName, FunctionSettings, ImageOverrides, LATEST, Logging, Version};
use crate::service::Lambda;

/// The package type where none is given.
const ZIP: &str = "Zip";

/// A function from its code and configuration. The code is checked and unpacked before the function is there.
pub async fn create_function(
    lambda: Arc<Lambda>,
    call: Call,
    input: CreateFunctionRequest,
) -> Result<FunctionConfiguration, Error> {
    let name = FunctionName::parse(&call.scope, &input.function_name, None)?;
    let changes = Changes::from(&input);
    let log_format = "Text";
    let package_type = input.package_type.as_deref().unwrap_or(ZIP);
    changes.check(package_type, log_format)?;
    let is_image = package_type != ZIP;
    if !is_image {
        check_zip(&input)?;
    }
    let exists = || conflict(format!("Function already exist: {}", name.name));
    if lambda.registry.function(&name.scope, &name.name).is_some() {
        return Err(exists());
    }
    check_dead_letter(&lambda.fabric, &name, changes.dead_letter_target.as_deref()).await?;
    input.tags.as_ref().map_or(Ok(()), check_of_function)?;
    let architecture = architecture(input.architectures.as_deref())?;
    let arns = changes.layers.clone().unwrap_or_default();
    let principal = call.caller.principal.clone();
    layer::resolve(&lambda.registry, &name.scope, &principal, &arns)?;
    let (code, held) = match is_image {
        true => image(&lambda, &name, &call, &Source::image_uri(input.code)?).await?,
        false => (package(&lambda, &name, &call, Source::of(input.code)?).await?, None),
    };
    let mut latest = draft(&lambda, &name, code, architecture);
    changes.apply(&mut latest, None);
    let dropped = latest.code.clone();
    if let Err(error) = check_whole(&latest) {
        drop(held);
        lambda.collect_code(&dropped).await;
        return Err(error);
    }
    let publishes = input.publish.unwrap_or(false);
    let tags = input.tags.unwrap_or_default();
    let created = lambda.registry.apply(&name.scope, |account, tx| {
        if account.functions.contains_key(&name.name) {
            return Err(exists());
        }
        latest.layers = layer::resolve(&lambda.registry, &name.scope, &principal, &arns)?;
        layer::check_size(&latest)?;
        let settings = FunctionSettings { tags, ..FunctionSettings::default() };
        let mut function = Function {
            scope: name.scope.clone(),
            name: name.name.clone(),
            arn: name.arn(),
            latest: Arc::new(latest),
            versions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            settings: Arc::new(settings),
            event_invoke_configs: BTreeMap::new(),
            policies: BTreeMap::new(),
        };
        let published = publishes.then(|| publish(&lambda, &mut function, None));
        let function = account.put(tx, function);
        Ok(published.unwrap_or_else(|| function.latest.clone()))
    });
    let version = match created.await {
        Ok(version) => version,
        Err(error) => {
            drop(held);
            lambda.collect_code(&dropped).await;
            return Err(error);
        }
    };
    settle(&lambda, &name).await?;
    let arn = if publishes { version.qualified_arn() } else { version.arn.clone() };
    let moment = lambda.published(&version, Moment::Created);
    Ok(describe(&version, arn, moment))
}

/// The function becomes active, or its update successful: that is another revision than the one that was answered.
pub(super) async fn settle(lambda: &Lambda, name: &FunctionName) -> Result<(), Error> {
    let settled = lambda.change(name, |function| {
        lambda.renew_revision(function);
        Ok(())
    });
    settled.await.map(drop)
}

/// The version with AWS's defaults.
fn draft(lambda: &Lambda, name: &FunctionName, code: Code, architecture: String) -> Version {
    Version {
        scope: name.scope.clone(),
        function_name: name.name.clone(),
        arn: name.arn(),
        version: LATEST.into(),
        revision: lambda.revision(),
        revision_id: lambda.revision(),
        role: String::new(),
        runtime: None,
        handler: None,
        code,
        layers: Vec::new(),
        environment: None,
        memory_mb: 128,
        timeout_s: 3,
        ephemeral_storage_mb: 512,
        architecture,
        description: String::new(),
        dead_letter_target: None,
        tracing_mode: "PassThrough".into(),
        logging: Logging {
            format: "Text".into(),
            group: format!("/aws/lambda/{}", name.name),
            application_level: None,
            system_level: None,
        },
        snap_start: "None".into(),
        vpc: None,
        kms_key_arn: None,
        last_modified: lambda.fabric.now(),
    }
}

fn check_zip(input: &CreateFunctionRequest) -> Result<(), Error> {
    if input.runtime.is_none() || input.handler.is_none() {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    Ok(())
}

/// Checks and stores a package.
pub(super) async fn package(lambda: &Lambda, name: &FunctionName, call: &Call, source: Source) -> Result<Code, Error> {
    let archive = source.fetch(&lambda.fabric, &name.scope, &call.trace).await?;
    Ok(Code::Package(lambda.packages.store(archive).await.map_err(Error::from)?))
}

/// Brings an image in; it stays while what comes with it is held.
pub(super) async fn image(
    lambda: &Lambda,
    name: &FunctionName,
    call: &Call,
    uri: &str,
) -> Result<(Code, Option<Held>), Error> {
    let brought = lambda.images.bring(&lambda.fabric, &name.scope, &call.trace, uri).await?;
    let held: Held = brought.held();
    Ok((Code::Image { image: brought.image, overrides: ImageOverrides::default() }, Some(held)))
}

/// One architecture, `x86_64` where none is given.
pub(super) fn architecture(given: Option<&[String]>) -> Result<String, Error> {
    match given {
        None | Some([]) => Ok("x86_64".into()),
        Some([one]) => Ok(one.clone()),
        Some(_) => Err(invalid("Only one architecture may be given.")),
    }
}
