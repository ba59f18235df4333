use std::collections::BTreeMap;

use wire::Error;

use super::Changes;
use crate::error::invalid;
use crate::registry::Version;

/// The longest timeout, in seconds.
const TIMEOUT_S_MAX: i32 = 900;
const MEMORY_MB_MAX: i32 = 10_240;
const EPHEMERAL_STORAGE_MB_MAX: i32 = 10_240;
/// All environment variables as JSON, in bytes.
const ENVIRONMENT_BYTES_MAX: usize = 4_096;
const LAYERS_MAX: usize = 5;

/// Variables that Lambda sets and users cannot.
const RESERVED_VARIABLES: [&str; 18] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Identifiers for which AWS no longer creates functions.
const BLOCKED_RUNTIMES: [&str; 22] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs8.x",
    "nodejs10.x",
    "nodejs12.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "java8",
    "go1.9",
    "provided",
    "ruby2.5",
    "ruby2.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet5.0",
    "dotnet7",
];

/// Identifiers that AWS accepts, in the order in which its refusals name them.
const RUNTIMES: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// Identifiers of AWS's model that its refusals do not name; and `go1.x`, for which AWS no longer
/// creates functions, so that applications that still have it run until they are moved.
const UNNAMED_RUNTIMES: [&str; 8] =
    ["nodejs14.x", "nodejs26.x", "python3.15", "ruby4.0", "java8.al2023", "java11.al2023", "java17.al2023", "go1.x"];

/// What functions of a package type cannot have.
pub fn check_package_type(changes: &Changes, package_type: &str) -> Result<(), Error> {
    let has_layers = changes.layers.as_ref().is_some_and(|layers| !layers.is_empty());
    let has_runtime = changes.runtime.is_some() || changes.handler.is_some();
    match package_type {
        "Image" if has_runtime || has_layers => Err(invalid(
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
        )),
        "Zip" if changes.image_config.is_some() => {
            Err(invalid("ImageConfig is not supported for functions with PackageType Zip."))
        }
        _ => Ok(()),
    }
}

/// Rules for single members, which hold whatever they are applied to.
pub fn check(changes: &Changes) -> Result<(), Error> {
    if let Some(runtime) = &changes.runtime {
        check_runtime(runtime)?;
    }
    check_range("timeout", changes.timeout_s, 1, TIMEOUT_S_MAX)?;
    check_range("memorySize", changes.memory_mb, 128, MEMORY_MB_MAX)?;
    check_range("ephemeralStorage.size", changes.ephemeral_storage_mb, 512, EPHEMERAL_STORAGE_MB_MAX)?;
    if let Some(variables) = &changes.environment {
        check_environment(variables)?;
    }
    if changes.layers.as_ref().is_some_and(|layers| layers.len() > LAYERS_MAX) {
        return Err(invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")));
    }
    Ok(())
}

/// Rules for members together.
pub fn check_whole(version: &Version) -> Result<(), Error> {
    let runtime = version.runtime.as_deref().unwrap_or("A container image");
    if version.snap_start == "PublishedVersions" && !takes_snapshots(runtime) {
        return Err(invalid(format!("{runtime} is not supported for SnapStart enabled functions.")));
    }
    Ok(())
}

/// Levels belong to the format `JSON`.
pub fn check_logging(format: &str, has_level: bool) -> Result<(), Error> {
    if has_level && format != "JSON" {
        return Err(invalid("To customize log levels, set LogFormat to JSON."));
    }
    Ok(())
}

fn check_runtime(runtime: &str) -> Result<(), Error> {
    if BLOCKED_RUNTIMES.contains(&runtime) {
        return Err(invalid(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. \
             We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if runtime == "custom" {
        return Err(invalid("Kobel does not run functions of the runtime `custom`: use `provided.al2023`."));
    }
    if !RUNTIMES.contains(&runtime) && !UNNAMED_RUNTIMES.contains(&runtime) {
        return Err(invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be \
             a valid ARN",
            RUNTIMES.join(", ")
        )));
    }
    Ok(())
}

/// The runtimes that a layer says it is for: also those for which functions are no longer made.
pub fn check_compatible_runtimes(runtimes: &[String]) -> Result<(), Error> {
    let known = |runtime: &str| BLOCKED_RUNTIMES.contains(&runtime) || check_runtime(runtime).is_ok();
    match runtimes.iter().find(|runtime| !known(runtime)) {
        None => Ok(()),
        Some(_) => Err(Error::new(
            "ValidationException",
            400,
            format!(
                "1 validation error detected: Value '[{}]' at 'compatibleRuntimes' failed to satisfy constraint: Member \
                 must satisfy constraint: [Member must satisfy enum value set: [{}]]",
                runtimes.join(", "),
                RUNTIMES.join(", ")
            ),
        )),
    }
}

fn check_range(member: &str, value: Option<i32>, min: i32, max: i32) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    let (bound, limit) = match value {
        value if value < min => ("greater", min),
        value if value > max => ("less", max),
        _ => return Ok(()),
    };
    Err(Error::new(
        "ValidationException",
        400,
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have \
             value {bound} than or equal to {limit}"
        ),
    ))
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED_VARIABLES.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let json = serde_json::to_string(variables).unwrap_or_default();
    if json.len() > ENVIRONMENT_BYTES_MAX {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {json}"
        )));
    }
    Ok(())
}

/// Whether SnapStart is there for the runtime.
fn takes_snapshots(runtime: &str) -> bool {
    matches!(
        runtime,
        "java11" | "java17" | "java21" | "java25" | "python3.12" | "python3.13" | "python3.14" | "dotnet8" | "dotnet10"
    )
}
