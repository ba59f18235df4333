use std::sync::Arc;

use base::Account;
use model_lambda::{
    AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse, GetLayerVersionPolicyRequest,
    GetLayerVersionPolicyResponse, RemoveLayerVersionPermissionOutput, RemoveLayerVersionPermissionRequest,
};
use serde_json::{Map, Value, json};
use wire::{Call, Error};

use super::layers::check_own;
use super::policy::{add_statement, no_policy, remove_statement};
use crate::error::{invalid, missing};
use crate::registry::{LayerReference, LayerVersion, Policy, PublishedLayer};
use crate::service::{Lambda, check_revision};

const API: &str = "GetLayerPolicy";

pub async fn add_layer_version_permission(
    lambda: Arc<Lambda>,
    call: Call,
    input: AddLayerVersionPermissionRequest,
) -> Result<AddLayerVersionPermissionResponse, Error> {
    let reference = LayerReference::of(&call.scope, &input.layer_name, input.version_number)?;
    check_own(&call, &reference.layer, "lambda:AddLayerVersionPermission", &reference.arn())?;
    let statement = statement(&input, &reference)?;
    let added = statement.clone();
    let changed = change(&lambda, &reference, input.revision_id.as_deref(), |policy| {
        add_statement(policy, &input.statement_id, added)
    });
    let revision_id = Some(changed.await?);
    Ok(AddLayerVersionPermissionResponse { statement: Some(Value::Object(statement).to_string()), revision_id })
}

pub async fn get_layer_version_policy(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetLayerVersionPolicyRequest,
) -> Result<GetLayerVersionPolicyResponse, Error> {
    let reference = LayerReference::of(&call.scope, &input.layer_name, input.version_number)?;
    check_own(&call, &reference.layer, "lambda:GetLayerVersionPolicy", &reference.arn())?;
    let version = lambda.registry.layer_version(&reference).ok_or_else(|| absent(&reference))?;
    if version.policy.statements.is_empty() {
        return Err(no_policy());
    }
    let policy = Some(version.policy.document());
    Ok(GetLayerVersionPolicyResponse { policy, revision_id: Some(version.policy_revision.clone()) })
}

pub async fn remove_layer_version_permission(
    lambda: Arc<Lambda>,
    call: Call,
    input: RemoveLayerVersionPermissionRequest,
) -> Result<RemoveLayerVersionPermissionOutput, Error> {
    let reference = LayerReference::of(&call.scope, &input.layer_name, input.version_number)?;
    check_own(&call, &reference.layer, "lambda:RemoveLayerVersionPermission", &reference.arn())?;
    let changed = change(&lambda, &reference, input.revision_id.as_deref(), |policy| {
        remove_statement(policy, &input.statement_id)
    });
    changed.await?;
    Ok(RemoveLayerVersionPermissionOutput {})
}

/// Changes the policy of a layer version, and gives its new revision.
async fn change(
    lambda: &Lambda,
    reference: &LayerReference,
    revision: Option<&str>,
    change: impl FnOnce(&mut Policy) -> Result<(), Error>,
) -> Result<String, Error> {
    let new_revision = lambda.revision();
    let changed = lambda.registry.apply(&reference.layer.scope, |account, tx| {
        let layer = account.layers.get(&reference.layer.name).ok_or_else(|| absent(reference))?;
        let mut layer = PublishedLayer::clone(layer);
        let version = layer.versions.get_mut(&reference.number).ok_or_else(|| absent(reference))?;
        check_revision(revision, &version.policy_revision, API)?;
        let mut changed = LayerVersion { policy_revision: new_revision.clone(), ..LayerVersion::clone(version) };
        change(&mut changed.policy)?;
        *version = Arc::new(changed);
        account.put_layer(tx, layer);
        Ok(())
    });
    changed.await?;
    Ok(new_revision)
}

fn statement(
    input: &AddLayerVersionPermissionRequest,
    reference: &LayerReference,
) -> Result<Map<String, Value>, Error> {
    let account = |account: &str| {
        let partition = reference.layer.scope.region.partition();
        json!({ "AWS": format!("arn:{partition}:iam::{account}:root") })
    };
    let principal = match input.principal.as_str() {
        "*" => json!("*"),
        id if Account::parse(id).is_some() => account(id),
        arn => json!({ "AWS": arn }),
    };
    if input.organization_id.is_some() && input.principal != "*" {
        return Err(invalid("OrganizationId may only be given with the principal *."));
    }
    let mut statement = Map::new();
    statement.insert("Sid".into(), input.statement_id.clone().into());
    statement.insert("Effect".into(), "Allow".into());
    statement.insert("Principal".into(), principal);
    statement.insert("Action".into(), input.action.clone().into());
    statement.insert("Resource".into(), reference.arn().into());
    if let Some(organization) = &input.organization_id {
        statement.insert("Condition".into(), json!({ "StringEquals": { "aws:PrincipalOrgID": organization } }));
    }
    Ok(statement)
}

fn absent(reference: &LayerReference) -> Error {
    missing(format!("Layer version {} does not exist.", reference.arn()))
}
