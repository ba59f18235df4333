use std::sync::Arc;

use bytes::Bytes;
use fabric::{ProviderError, Resource};
use model_lambda::{
    DeleteLayerVersion, DeleteLayerVersionRequest, LayerVersionContentInput, PublishLayerVersion,
    PublishLayerVersionRequest,
};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{list, object, text};
use crate::operations::publish_layer;
use crate::registry::{LayerName, LayerReference, LayerVersion};
use crate::service::Lambda;

pub(super) const PROPERTIES: &[&str] =
    &["CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo"];

pub(super) async fn create(
    lambda: &Lambda,
    caller: &Caller<'_>,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let context = caller.context;
    let creation = format!("{}/{}/{}", context.stack_id, context.logical_id, context.suffix);
    let layer_name = text(properties, "LayerName").unwrap_or_else(|| context.logical_id.clone());
    let content = object(properties, "Content")
        .ok_or_else(|| ProviderError::invalid("Content", "required key [Content] not found"))?;
    let request = PublishLayerVersionRequest {
        layer_name,
        description: text(properties, "Description"),
        content: LayerVersionContentInput {
            s3_bucket: text(content, "S3Bucket"),
            s3_key: text(content, "S3Key"),
            s3_object_version: text(content, "S3ObjectVersion"),
            zip_file: None::<Bytes>,
        },
        compatible_runtimes: list(properties, "CompatibleRuntimes"),
        license_info: text(properties, "LicenseInfo"),
        compatible_architectures: list(properties, "CompatibleArchitectures"),
    };
    let version = match made_before(lambda, caller, &request.layer_name, &creation)? {
        Some(version) => version,
        None => {
            let call = caller.check::<PublishLayerVersion>(&request)?;
            publish_layer(lambda, call, request, Some(creation)).await?.1
        }
    };
    Ok(Resource::new(&version.arn).with("LayerVersionArn", version.arn.as_str()))
}

/// What this very creation has published before a crash.
fn made_before(
    lambda: &Lambda,
    caller: &Caller<'_>,
    name: &str,
    creation: &str,
) -> Result<Option<Arc<LayerVersion>>, Error> {
    let name = LayerName::parse(&caller.context.scope, name)?;
    let account = lambda.registry.account(&name.scope);
    let layer = account.layers.get(&name.name);
    Ok(layer.and_then(|layer| layer.newest(|version| version.creation.as_deref() == Some(creation))).cloned())
}

/// `arn` is that of the version.
pub(super) async fn delete(caller: &Caller<'_>, arn: &str) -> Result<(), Error> {
    let reference = LayerReference::parse(arn)?;
    let request = DeleteLayerVersionRequest {
        layer_name: reference.layer.arn(),
        version_number: i64::try_from(reference.number).unwrap_or(i64::MAX),
    };
    caller.call::<DeleteLayerVersion>(request).await.map(drop)
}
