use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use bytes::Bytes;
use fabric::{ProviderError, Resource};
use model_lambda::{
    CreateFunction, CreateFunctionRequest, DeadLetterConfig, DeleteFunction, DeleteFunctionConcurrency,
    DeleteFunctionConcurrencyRequest, DeleteFunctionRequest, Environment, EphemeralStorage, FunctionCode, GetFunction,
    GetFunctionRequest, ImageConfig, LoggingConfig, PutFunctionConcurrency, PutFunctionConcurrencyRequest, SnapStart,
    TagResource, TagResourceRequest, TracingConfig, UntagResource, UntagResourceRequest, UpdateFunctionCode,
    UpdateFunctionCodeRequest, UpdateFunctionConfiguration, UpdateFunctionConfigurationRequest, VpcConfig,
};
use serde_json::{Map, Value};
use wire::Error;
use zip::write::SimpleFileOptions;

use super::caller::Caller;
use super::properties::{list, number, object, required, tags, text, truth};

pub(super) const PROPERTIES: &[&str] = &[
    "Architectures",
    "Code",
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FunctionName",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "ReservedConcurrentExecutions",
    "Role",
    "Runtime",
    "SnapStart",
    "Tags",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
];
pub(super) const REPLACING: &[&str] = &["FunctionName", "PackageType"];

/// What tells a function that this very resource made from another of the same name.
const OWN_TAG: &str = "aws:cloudformation:logical-id";

pub(super) async fn create(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let name = text(properties, "FunctionName").unwrap_or_else(|| caller.context.generated_name(64));
    let configuration = configuration(&name, properties)?;
    let request = CreateFunctionRequest {
        function_name: name.clone(),
        role: required(properties, "Role")?,
        code: code(properties)?,
        package_type: text(properties, "PackageType"),
        tags: Some(all_tags(caller, properties)),
        architectures: list(properties, "Architectures"),
        runtime: configuration.runtime,
        handler: configuration.handler,
        description: configuration.description,
        timeout: configuration.timeout,
        memory_size: configuration.memory_size,
        vpc_config: configuration.vpc_config,
        dead_letter_config: configuration.dead_letter_config,
        environment: configuration.environment.filter(|_| properties.contains_key("Environment")),
        kms_key_arn: configuration.kms_key_arn,
        tracing_config: configuration.tracing_config,
        layers: configuration.layers,
        ephemeral_storage: configuration.ephemeral_storage,
        snap_start: configuration.snap_start,
        logging_config: configuration.logging_config,
        image_config: configuration.image_config,
        ..CreateFunctionRequest::default()
    };
    match caller.call::<CreateFunction>(request).await {
        Err(error) if error.status == 409 && is_own(caller, &name).await? => {
            update_configuration(caller, &name, properties).await?;
            update_code(caller, &name, properties).await?;
        }
        created => drop(created?),
    }
    reserve(caller, &name, properties).await?;
    Ok(resource(caller, &name))
}

pub(super) async fn update(
    caller: &Caller<'_>,
    name: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let differs = |names: &[&str]| names.iter().any(|name| old.get(*name) != new.get(*name));
    if differs(&["Code", "Architectures"]) {
        update_code(caller, name, new).await?;
    }
    let elsewhere = ["Code", "Architectures", "Tags", "ReservedConcurrentExecutions"];
    let configured: Vec<&str> = PROPERTIES.iter().copied().filter(|name| !elsewhere.contains(name)).collect();
    if differs(&configured) {
        let mut request = configuration(name, new)?;
        if old.contains_key("VpcConfig") {
            // Without subnets the function leaves its network.
            request.vpc_config.get_or_insert_default();
        }
        caller.call::<UpdateFunctionConfiguration>(request).await?;
    }
    if differs(&["ReservedConcurrentExecutions"]) {
        reserve(caller, name, new).await?;
    }
    if differs(&["Tags"]) {
        let arn = caller.context.scope.arn("lambda", &format!("function:{name}"));
        let gone: Vec<String> = tags(old).into_keys().filter(|key| !tags(new).contains_key(key)).collect();
        if !gone.is_empty() {
            caller.call::<UntagResource>(UntagResourceRequest { resource: arn.clone(), tag_keys: gone }).await?;
        }
        caller.call::<TagResource>(TagResourceRequest { resource: arn, tags: all_tags(caller, new) }).await?;
    }
    Ok(resource(caller, name))
}

pub(super) async fn delete(caller: &Caller<'_>, name: &str) -> Result<(), Error> {
    let request = DeleteFunctionRequest { function_name: name.to_owned(), qualifier: None };
    caller.call::<DeleteFunction>(request).await.map(drop)
}

fn resource(caller: &Caller<'_>, name: &str) -> Resource {
    let arn = caller.context.scope.arn("lambda", &format!("function:{name}"));
    Resource::new(name).with("Arn", arn)
}

async fn is_own(caller: &Caller<'_>, name: &str) -> Result<bool, ProviderError> {
    let request = GetFunctionRequest { function_name: name.to_owned(), qualifier: None };
    let function = caller.call::<GetFunction>(request).await?;
    let tag = function.tags.unwrap_or_default().remove(OWN_TAG);
    Ok(tag == Some(own(caller)))
}

fn own(caller: &Caller<'_>) -> String {
    // A tag's value has at most 256 characters; the stack's id ends with what is unique in it.
    let stack = caller.context.stack_id.rsplit('/').next().unwrap_or_default();
    format!("{stack}/{}", caller.context.logical_id)
}

fn all_tags(caller: &Caller<'_>, properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = caller.context.tags.iter().cloned().collect();
    all.extend(tags(properties));
    all.insert(OWN_TAG.into(), own(caller));
    all
}

/// The configuration that the properties describe, with AWS's defaults for what they leave out, so that what was
/// taken out of a template is reset.
fn configuration(
    name: &str,
    properties: &Map<String, Value>,
) -> Result<UpdateFunctionConfigurationRequest, ProviderError> {
    let part = |name: &str| object(properties, name);
    let variables = part("Environment").and_then(|environment| object(environment, "Variables"));
    let variables = variables.into_iter().flatten();
    let variables: BTreeMap<String, String> = variables.map(|(key, value)| (key.clone(), plain(value))).collect();
    let storage = match part("EphemeralStorage") {
        Some(storage) => number(storage, "Size")?.unwrap_or(512),
        None => 512,
    };
    let vpc = part("VpcConfig").map(|vpc| VpcConfig {
        subnet_ids: list(vpc, "SubnetIds"),
        security_group_ids: list(vpc, "SecurityGroupIds"),
        ipv6_allowed_for_dual_stack: truth(vpc, "Ipv6AllowedForDualStack"),
    });
    let logging = |member: &str| part("LoggingConfig").and_then(|logging| text(logging, member));
    let logging = LoggingConfig {
        log_format: Some(logging("LogFormat").unwrap_or_else(|| "Text".into())),
        application_log_level: logging("ApplicationLogLevel"),
        system_log_level: logging("SystemLogLevel"),
        log_group: Some(logging("LogGroup").unwrap_or_else(|| format!("/aws/lambda/{name}"))),
    };
    Ok(UpdateFunctionConfigurationRequest {
        function_name: name.to_owned(),
        role: text(properties, "Role"),
        handler: text(properties, "Handler"),
        description: Some(text(properties, "Description").unwrap_or_default()),
        timeout: Some(number(properties, "Timeout")?.unwrap_or(3)),
        memory_size: Some(number(properties, "MemorySize")?.unwrap_or(128)),
        vpc_config: vpc,
        environment: Some(Environment { variables: Some(variables) }),
        runtime: text(properties, "Runtime"),
        dead_letter_config: Some(DeadLetterConfig {
            target_arn: Some(part("DeadLetterConfig").and_then(|dlq| text(dlq, "TargetArn")).unwrap_or_default()),
        }),
        kms_key_arn: Some(text(properties, "KmsKeyArn").unwrap_or_default()),
        tracing_config: Some(TracingConfig {
            mode: Some(part("TracingConfig").and_then(|t| text(t, "Mode")).unwrap_or_else(|| "PassThrough".into())),
        }),
        layers: Some(list(properties, "Layers").unwrap_or_default()),
        ephemeral_storage: Some(EphemeralStorage { size: storage }),
        snap_start: Some(SnapStart {
            apply_on: Some(part("SnapStart").and_then(|s| text(s, "ApplyOn")).unwrap_or_else(|| "None".into())),
        }),
        logging_config: Some(logging),
        image_config: image_config(properties),
        ..UpdateFunctionConfigurationRequest::default()
    })
}

/// An empty one takes back what was set; functions of packages cannot have any.
fn image_config(properties: &Map<String, Value>) -> Option<ImageConfig> {
    let given = object(properties, "ImageConfig");
    let is_image = text(properties, "PackageType").is_some_and(|kind| kind == "Image");
    (is_image || given.is_some()).then(|| ImageConfig {
        entry_point: given.and_then(|given| list(given, "EntryPoint")),
        command: given.and_then(|given| list(given, "Command")),
        working_directory: given.and_then(|given| text(given, "WorkingDirectory")),
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn update_configuration(
    caller: &Caller<'_>,
    name: &str,
    properties: &Map<String, Value>,
) -> Result<(), ProviderError> {
    caller.call::<UpdateFunctionConfiguration>(configuration(name, properties)?).await?;
    Ok(())
}

async fn update_code(caller: &Caller<'_>, name: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
    let code = code(properties)?;
    let request = UpdateFunctionCodeRequest {
        function_name: name.to_owned(),
        zip_file: code.zip_file,
        s3_bucket: code.s3_bucket,
        s3_key: code.s3_key,
        s3_object_version: code.s3_object_version,
        image_uri: code.image_uri,
        architectures: list(properties, "Architectures"),
        ..UpdateFunctionCodeRequest::default()
    };
    caller.call::<UpdateFunctionCode>(request).await?;
    Ok(())
}

async fn reserve(caller: &Caller<'_>, name: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
    let function_name = name.to_owned();
    match number(properties, "ReservedConcurrentExecutions")? {
        Some(reserved_concurrent_executions) => {
            let request = PutFunctionConcurrencyRequest { function_name, reserved_concurrent_executions };
            caller.call::<PutFunctionConcurrency>(request).await?;
        }
        None => {
            caller.call::<DeleteFunctionConcurrency>(DeleteFunctionConcurrencyRequest { function_name }).await?;
        }
    }
    Ok(())
}

fn code(properties: &Map<String, Value>) -> Result<FunctionCode, ProviderError> {
    let missing = || ProviderError::invalid("Code", "required key [Code] not found");
    let code = object(properties, "Code").ok_or_else(missing)?;
    let inline = match text(code, "ZipFile") {
        Some(source) => Some(inline_package(&source, &text(properties, "Runtime").unwrap_or_default())?),
        None => None,
    };
    Ok(FunctionCode {
        zip_file: inline,
        s3_bucket: text(code, "S3Bucket"),
        s3_key: text(code, "S3Key"),
        s3_object_version: text(code, "S3ObjectVersion"),
        image_uri: text(code, "ImageUri"),
    })
}

/// Source text in a template becomes `index.py` or `index.js`.
fn inline_package(source: &str, runtime: &str) -> Result<Bytes, ProviderError> {
    let name = match runtime {
        runtime if runtime.starts_with("python") => "index.py",
        runtime if runtime.starts_with("nodejs") => "index.js",
        _ => {
            let message = "ZipFile can only be used when Runtime is set to either of nodejs or python";
            return Err(ProviderError::invalid("Code/ZipFile", message));
        }
    };
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let written = zip
        .start_file(name, SimpleFileOptions::default().unix_permissions(0o644))
        .and_then(|()| Ok(zip.write_all(source.as_bytes())?))
        .and_then(|()| zip.finish());
    written.map(|bytes| Bytes::from(bytes.into_inner())).map_err(|error| ProviderError::failed(error.to_string()))
}
