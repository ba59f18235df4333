//! `Code` from `CodeUri`, `InlineCode` or `ImageUri`.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::location;
use crate::resource::{Generated, SamResource};
use crate::value::{is_truthy, shown, truthy};

/// The function's `Code`.
///
/// # Errors
/// None is given, or what is given is invalid for the package type.
pub fn generate(source: &SamResource) -> Result<Value, TransformError> {
    let mut code = match package_type(source)? {
        PackageType::Image => match source.get("ImageUri") {
            None => return Err(source.error("'ImageUri' must be set.")),
            Some(uri) if !is_truthy(uri) => {
                return Err(source.error("'ImageUri' requires that a image hosted at a registry be specified."));
            }
            Some(uri) => return Ok(json!({"ImageUri": uri})),
        },
        PackageType::Zip => match (source.get("InlineCode"), source.get("CodeUri")) {
            (Some(text), _) => json!({"ZipFile": text}),
            (None, Some(uri)) => location::code(uri, &source.logical_id, "CodeUri")?,
            (None, None) => return Err(source.error("Only one of 'InlineCode' or 'CodeUri' can be set.")),
        },
    };
    if let (Some(key), Value::Object(place)) = (source.truthy("SourceKMSKeyArn"), &mut code) {
        place.insert("SourceKMSKeyArn".to_owned(), key.clone());
    }
    Ok(code)
}

enum PackageType {
    Zip,
    Image,
}

fn package_type(source: &SamResource) -> Result<PackageType, TransformError> {
    match source.truthy("PackageType") {
        None => Ok(PackageType::Zip),
        Some(Value::String(name)) if name == "Zip" => Ok(PackageType::Zip),
        Some(Value::String(name)) if name == "Image" => Ok(PackageType::Image),
        other => Err(source.error(format!("invalid 'PackageType' : {}", shown(other)))),
    }
}

/// Whether the function has what its package type needs, and nothing that it cannot have.
///
/// # Errors
/// It does not.
pub fn check(source: &SamResource, function: &Generated) -> Result<(), TransformError> {
    let has = |name: &str| truthy(function.properties.get(name)).is_some();
    let sentence = match package_type(source)? {
        PackageType::Zip if !has("Runtime") || !has("Handler") => {
            "Runtime and Handler needs to be present when PackageType is of type `Zip`"
        }
        PackageType::Zip if has("ImageConfig") => {
            "ImageUri or ImageConfig cannot be present when PackageType is of type `Zip`"
        }
        PackageType::Image if has("Handler") || has("Runtime") || has("Layers") => {
            "Runtime, Handler, Layers cannot be present when PackageType is of type `Image`"
        }
        PackageType::Zip | PackageType::Image => return Ok(()),
    };
    Err(source.error(sentence))
}
