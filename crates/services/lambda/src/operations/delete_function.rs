use std::sync::Arc;

use model_lambda::{DeleteFunctionRequest, DeleteFunctionResponse};
use wire::{Call, Error, Reply};

use crate::error::{conflict, invalid};
use crate::registry::{FunctionName, LATEST};
use crate::service::Lambda;

/// Deletes a function with all that belongs to it, or one of its published versions.
pub async fn delete_function(
    lambda: Arc<Lambda>,
    call: Call,
    input: DeleteFunctionRequest,
) -> Result<Reply<DeleteFunctionResponse>, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, input.qualifier.as_deref())?;
    match name.qualifier.as_deref() {
        None => {
            let removed = lambda.registry.apply(&name.scope, |account, tx| {
                account.remove(tx, &name.name).map(drop).ok_or_else(|| name.not_found())
            });
            removed.await?;
            lambda.collect(function.packages()).await;
            if function.images().next().is_some() {
                lambda.collect_images().await;
            }
        }
        Some(LATEST) => return Err(invalid("$LATEST version cannot be deleted without deleting the function.")),
        Some(qualifier) => delete_version(&lambda, &name, qualifier).await?,
    }
    Ok(Reply::from(DeleteFunctionResponse::default()).with_status(204))
}

async fn delete_version(lambda: &Lambda, name: &FunctionName, qualifier: &str) -> Result<(), Error> {
    let number: u64 = qualifier.parse().map_err(|_| invalid("Deletion of aliases is not currently supported."))?;
    let deleted = lambda.change(name, |function| {
        let used = |alias: &&Arc<crate::registry::Alias>| {
            let additional = alias.additional.as_ref().is_some_and(|(version, _)| version == qualifier);
            alias.version == qualifier || additional
        };
        if let Some(alias) = function.aliases.values().find(used) {
            let arn = &function.arn;
            return Err(conflict(format!(
                "Version {qualifier} of function {arn} is used by the alias {}: delete or change the alias first.",
                alias.name
            )));
        }
        function.versions.remove(&number);
        function.event_invoke_configs.remove(qualifier);
        function.policies.remove(qualifier);
        Ok(())
    });
    deleted.await.map(drop)
}
