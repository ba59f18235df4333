//! The `Globals` section: properties for all resources of a type.

use serde_json::{Map, Value};

use crate::error::TransformError;
use crate::value::{Properties, is_function};

/// Sections of `Globals`, in the order in which messages list them.
const SECTIONS: [&str; 8] =
    ["Api", "CapacityProvider", "Function", "HttpApi", "LayerVersion", "SimpleTable", "StateMachine", "WebSocketApi"];

/// Properties that `Globals.Function` may have: all but those that make no sense twice.
const FUNCTION: [&str; 39] = [
    "Handler",
    "Runtime",
    "CodeUri",
    "DeadLetterQueue",
    "Description",
    "MemorySize",
    "Timeout",
    "VpcConfig",
    "Environment",
    "Tags",
    "PropagateTags",
    "Tracing",
    "KmsKeyArn",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "Layers",
    "DeploymentPreference",
    "RolePath",
    "PermissionsBoundary",
    "ReservedConcurrentExecutions",
    "ProvisionedConcurrencyConfig",
    "AssumeRolePolicyDocument",
    "EventInvokeConfig",
    "FileSystemConfigs",
    "CodeSigningConfigArn",
    "Architectures",
    "SnapStart",
    "EphemeralStorage",
    "FunctionUrlConfig",
    "RuntimeManagementConfig",
    "LoggingConfig",
    "RecursiveLoop",
    "SourceKMSKeyArn",
    "TenancyConfig",
    "DurableConfig",
    "CapacityProviderConfig",
    "FunctionScalingConfig",
    "PublishToLatestPublished",
    "VersionDeletionPolicy",
];
const SIMPLE_TABLE: [&str; 1] = ["SSESpecification"];
const LAYER_VERSION: [&str; 1] = ["PublishLambdaVersion"];

/// The properties of `Globals`, by section.
pub struct Globals<'a> {
    sections: Option<&'a Map<String, Value>>,
}

impl<'a> Globals<'a> {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// A section or property that `Globals` cannot have.
    pub fn new(template: &'a Value) -> Result<Globals<'a>, TransformError> {
        let Some(globals) = template.get("Globals") else {
            return Ok(Globals { sections: None });
        };
        let Some(sections) = globals.as_object() else {
            return Err(TransformError::globals("It must be a non-empty dictionary"));
        };
        for (name, properties) in sections {
            check_section(name, properties)?;
        }
        Ok(Globals { sections: Some(sections) })
    }

    /// A resource's properties with the global ones of its type merged in, less those that its `IgnoreGlobals` names.
    ///
    /// # Errors
    /// `IgnoreGlobals` is neither `*` nor a list of global properties.
    pub fn merge(
        &self,
        logical_id: &str,
        resource: &Value,
        properties: Properties,
    ) -> Result<Properties, TransformError> {
        let resource_type = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let section = resource_type.strip_prefix("AWS::Serverless::").unwrap_or_default();
        let Some(Value::Object(globals)) = self.sections.and_then(|sections| sections.get(section)) else {
            return Ok(properties);
        };
        let globals = without_ignored(logical_id, globals, resource.get("IgnoreGlobals"))?;
        Ok(merge_maps(&globals, properties))
    }
}

fn check_section(name: &str, properties: &Value) -> Result<(), TransformError> {
    if !SECTIONS.contains(&name) {
        let sentence =
            format!("'{name}' is not supported. Must be one of the following values - {}", listed(&SECTIONS));
        return Err(TransformError::globals(sentence));
    }
    let Some(properties) = properties.as_object() else {
        return Err(TransformError::globals("Value of ${section} must be a dictionary"));
    };
    let supported: &[&str] = match name {
        "Function" => &FUNCTION,
        "SimpleTable" => &SIMPLE_TABLE,
        "LayerVersion" => &LAYER_VERSION,
        // The types of the other sections are refused as resources.
        _ => return Ok(()),
    };
    match properties.keys().find(|key| !supported.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(TransformError::globals(format!(
            "'{key}' is not a supported property of '{name}'. Must be one of the following values - {}",
            listed(supported)
        ))),
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn without_ignored(
    logical_id: &str,
    globals: &Properties,
    ignored: Option<&Value>,
) -> Result<Properties, TransformError> {
    let mut left = globals.clone();
    match ignored.filter(|ignored| crate::value::is_truthy(ignored)) {
        None => {}
        Some(Value::String(all)) if all == "*" => left.clear(),
        Some(Value::Array(names)) => {
            for name in names {
                let name = crate::value::shown(Some(name));
                if left.shift_remove(&name).is_none() {
                    let sentence = format!(
                        "Resource {logical_id} has invalid resource attribute 'IgnoreGlobals' on item '{name}'."
                    );
                    return Err(TransformError::resource(logical_id, sentence));
                }
            }
        }
        Some(_) => {
            let sentence = format!("Resource {logical_id} has invalid resource attribute 'IgnoreGlobals'.");
            return Err(TransformError::resource(logical_id, sentence));
        }
    }
    Ok(left)
}

/// Maps merge, lists are joined with the global items first, and of all else the local value counts. A function
/// counts as a plain value.
fn merge_maps(globals: &Properties, local: Properties) -> Properties {
    let mut merged = globals.clone();
    for (key, value) in local {
        let value = match merged.shift_remove(&key) {
            Some(global) => merge_values(global, value),
            None => value,
        };
        merged.insert(key, value);
    }
    merged
}

fn merge_values(global: Value, local: Value) -> Value {
    if is_function(&global) || is_function(&local) {
        return local;
    }
    match (global, local) {
        (Value::Object(global), Value::Object(local)) => Value::Object(merge_maps(&global, local)),
        (Value::Array(mut global), Value::Array(local)) => {
            global.extend(local);
            Value::Array(global)
        }
        (_, local) => local,
    }
}
