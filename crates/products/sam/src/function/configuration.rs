//! The `AWS::Lambda::Function` itself.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::function::code;
use crate::resource::{Generated, SamResource};
use crate::tags;
use crate::transform::Scope;

/// Properties that a function has as they are written.
const PASSED: [&str; 20] = [
    "Handler",
    "Runtime",
    "Description",
    "MemorySize",
    "Timeout",
    "VpcConfig",
    "Role",
    "Environment",
    "KmsKeyArn",
    "ReservedConcurrentExecutions",
    "Layers",
    "FileSystemConfigs",
    "ImageConfig",
    "PackageType",
    "Architectures",
    "SnapStart",
    "EphemeralStorage",
    "CodeSigningConfigArn",
    "RuntimeManagementConfig",
    "LoggingConfig",
];
const PASSED_LATER: [&str; 3] = ["TenancyConfig", "RecursiveLoop", "PublishToLatestPublished"];

/// The function.
///
/// # Errors
/// The code or the package type is invalid, or a reserved tag is set.
pub fn generate(source: &SamResource, scope: &Scope<'_>) -> Result<Generated, TransformError> {
    let mut function = Generated::new(&source.logical_id, "AWS::Lambda::Function", source.attributes.clone());
    function.depends_on = source.depends_on.clone();
    function.set("Code", code::generate(source)?);
    function.set_some("FunctionName", source.truthy("FunctionName"));
    function.take(&source.properties, &PASSED);
    function.take(&source.properties, &PASSED_LATER);
    let own_tags = source.get("Tags").and_then(Value::as_object);
    function.set("Tags", tags::created_by_sam(&source.logical_id, own_tags)?);
    if is_traced(source, scope) {
        function.set("TracingConfig", json!({"Mode": source.get("Tracing")}));
    }
    if let Some(queue) = source.truthy("DeadLetterQueue") {
        function.set("DeadLetterConfig", json!({"TargetArn": queue.get("TargetArn")}));
    }
    code::check(source, &function)?;
    Ok(function)
}

/// Whether the function's invocations are traced: `Disabled` is the same as nothing.
pub fn is_traced(source: &SamResource, scope: &Scope<'_>) -> bool {
    source.truthy("Tracing").is_some_and(|tracing| scope.parameters.resolve(tracing) != "Disabled")
}
