use fabric::{ProviderError, Resource};
use model_lambda::{AddPermission, AddPermissionRequest, RemovePermission, RemovePermissionRequest};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{required, text, truth};

pub(super) const PROPERTIES: &[&str] = &[
    "Action",
    "EventSourceToken",
    "FunctionName",
    "FunctionUrlAuthType",
    "InvokedViaFunctionUrl",
    "Principal",
    "PrincipalOrgID",
    "SourceAccount",
    "SourceArn",
];

pub(super) async fn create(caller: &Caller<'_>, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let id = caller.context.generated_name(100);
    let request = AddPermissionRequest {
        function_name: required(properties, "FunctionName")?,
        statement_id: id.clone(),
        action: required(properties, "Action")?,
        principal: required(properties, "Principal")?,
        source_arn: text(properties, "SourceArn"),
        source_account: text(properties, "SourceAccount"),
        event_source_token: text(properties, "EventSourceToken"),
        principal_org_id: text(properties, "PrincipalOrgID"),
        function_url_auth_type: text(properties, "FunctionUrlAuthType"),
        invoked_via_function_url: truth(properties, "InvokedViaFunctionUrl"),
        ..AddPermissionRequest::default()
    };
    match caller.call::<AddPermission>(request).await {
        // The id is this resource's alone: it was added before a crash.
        Err(error) if error.status == 409 => {}
        added => drop(added?),
    }
    Ok(Resource::new(&id).with("Id", id.as_str()))
}

pub(super) async fn delete(caller: &Caller<'_>, id: &str, properties: &Map<String, Value>) -> Result<(), Error> {
    let request = RemovePermissionRequest {
        function_name: text(properties, "FunctionName").unwrap_or_default(),
        statement_id: id.to_owned(),
        ..RemovePermissionRequest::default()
    };
    caller.call::<RemovePermission>(request).await.map(drop)
}
