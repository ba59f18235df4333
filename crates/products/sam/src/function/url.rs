//! `FunctionUrlConfig`: a function URL, and who may call it.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::events::Target;
use crate::resource::{Generated, SamResource};
use crate::value::{is_function, is_truthy};

/// The URL and, for `AuthType: NONE`, the two permissions that open it to all.
///
/// # Errors
/// The authorization type or the CORS configuration is invalid.
pub fn generate(source: &SamResource, target: &Target) -> Result<Vec<Generated>, TransformError> {
    let Some(config) = source.truthy("FunctionUrlConfig") else { return Ok(Vec::new()) };
    if !is_function(config) {
        check_auth_type(source, config)?;
        check_cors(source, config)?;
    }
    let id = |suffix: &str| format!("{}{suffix}", source.logical_id);
    let mut url = Generated::new(id("Url"), "AWS::Lambda::Url", source.passed_on());
    url.set_some("Cors", config.get("Cors").filter(|cors| is_truthy(cors)));
    url.set_some("AuthType", config.get("AuthType"));
    url.set("TargetFunctionArn", target.name.clone());
    url.set_some("InvokeMode", config.get("InvokeMode"));
    if config.get("AuthType") != Some(&json!("NONE")) {
        return Ok(vec![url]);
    }
    let permission = |suffix: &str, action: &str| {
        let mut permission = Generated::new(id(suffix), "AWS::Lambda::Permission", source.passed_on());
        permission.set("Action", action);
        permission.set("FunctionName", target.name.clone());
        permission.set("Principal", "*");
        permission
    };
    let mut call_url = permission("UrlPublicPermissions", "lambda:InvokeFunctionUrl");
    call_url.set("FunctionUrlAuthType", "NONE");
    let mut invoke = permission("URLInvokeAllowPublicAccess", "lambda:InvokeFunction");
    invoke.set("InvokedViaFunctionUrl", true);
    Ok(vec![url, call_url, invoke])
}

fn check_auth_type(source: &SamResource, config: &Value) -> Result<(), TransformError> {
    match config.get("AuthType") {
        Some(Value::String(name)) if name == "AWS_IAM" || name == "NONE" => Ok(()),
        Some(function) if is_function(function) => Ok(()),
        _ => Err(source.error(
            "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM \
             or NONE.",
        )),
    }
}

fn check_cors(source: &SamResource, config: &Value) -> Result<(), TransformError> {
    let Some(cors) = config.get("Cors").filter(|cors| is_truthy(cors) && !is_function(cors)) else { return Ok(()) };
    let Some(settings) = cors.as_object() else {
        return Err(source.error("Property 'FunctionUrlConfig.Cors' should be a map."));
    };
    for (name, value) in settings {
        let (is_right, noun) = match name.as_str() {
            "AllowOrigins" | "AllowMethods" | "AllowHeaders" | "ExposeHeaders" => (value.is_array(), "list"),
            "AllowCredentials" => (value.is_boolean(), "bool"),
            "MaxAge" => (value.is_i64() || value.is_boolean(), "int"),
            _ => return Err(source.error(format!("{name} is not a valid property for configuring Cors."))),
        };
        if !is_right && !is_function(value) {
            return Err(source.error(format!("{name} must be of type {noun}.")));
        }
    }
    Ok(())
}
