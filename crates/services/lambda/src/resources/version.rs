use fabric::{ProviderError, Resource};
use model_lambda::{DeleteFunction, DeleteFunctionRequest, PublishVersion, PublishVersionRequest};
use serde_json::{Map, Value};
use wire::Error;

use super::caller::Caller;
use super::properties::{required, text};
use crate::error::invalid;
use crate::service::Lambda;
use crate::snapshot::State;

pub(super) const PROPERTIES: &[&str] = &["CodeSha256", "Description", "FunctionName"];

pub(super) async fn create(
    lambda: &Lambda,
    caller: &Caller<'_>,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let request = PublishVersionRequest {
        function_name: required(properties, "FunctionName")?,
        code_sha256: text(properties, "CodeSha256"),
        description: text(properties, "Description"),
        revision_id: None,
    };
    let published = caller.call::<PublishVersion>(request).await?;
    let arn = published.function_arn.unwrap_or_default();
    let version = published.version.unwrap_or_default();
    // A stack goes on when what it made can be used.
    let resolved = lambda.registry.resolve(&caller.context.scope, &arn, None)?;
    if let Some(State::Failed(reason)) = lambda.invoker.snapshots().settled(&resolved.version).await {
        return Err(invalid(format!("The version {arn} failed to initialize for its snapshot: {reason}")).into());
    }
    Ok(Resource::new(&arn).with("Version", version).with("FunctionArn", arn.as_str()))
}

/// `arn` is that of the version.
pub(super) async fn delete(caller: &Caller<'_>, arn: &str) -> Result<(), Error> {
    let request = DeleteFunctionRequest { function_name: arn.to_owned(), qualifier: None };
    caller.call::<DeleteFunction>(request).await.map(drop)
}
