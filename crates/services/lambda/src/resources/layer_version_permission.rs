use fabric::{ProviderError, Resource};
use model_lambda::{
    AddLayerVersionPermission, AddLayerVersionPermissionRequest, RemoveLayerVersionPermission,
    RemoveLayerVersionPermissionRequest,
};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{required, text};
use crate::registry::LayerReference;

pub(super) const PROPERTIES: &[&str] = &["Action", "LayerVersionArn", "OrganizationId", "Principal"];

pub(super) async fn create(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let arn = required(properties, "LayerVersionArn")?;
    let (layer_name, version_number) = parts(&arn)?;
    let statement_id = caller.context.generated_name(100);
    let request = AddLayerVersionPermissionRequest {
        layer_name,
        version_number,
        statement_id: statement_id.clone(),
        action: required(properties, "Action")?,
        principal: required(properties, "Principal")?,
        organization_id: text(properties, "OrganizationId"),
        revision_id: None,
    };
    match caller.call::<AddLayerVersionPermission>(request).await {
        // The id is this resource's alone: it was added before a crash.
        Err(error) if error.status == 409 => {}
        added => drop(added?),
    }
    let id = format!("{arn}#{statement_id}");
    Ok(Resource::new(&id).with("Id", id.as_str()))
}

/// `id` is the layer version's ARN and the statement's id.
pub(super) async fn delete(caller: &Caller<'_>, id: &str) -> Result<(), Error> {
    let (arn, statement_id) = id.split_once('#').unwrap_or((id, ""));
    let (layer_name, version_number) = parts(arn)?;
    let request = RemoveLayerVersionPermissionRequest {
        layer_name,
        version_number,
        statement_id: statement_id.to_owned(),
        revision_id: None,
    };
    caller.call::<RemoveLayerVersionPermission>(request).await.map(drop)
}

fn parts(arn: &str) -> Result<(String, i64), Error> {
    let reference = LayerReference::parse(arn)?;
    Ok((reference.layer.arn(), i64::try_from(reference.number).unwrap_or(i64::MAX)))
}
