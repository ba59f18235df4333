use std::sync::Arc;

use model_lambda::{
    Concurrency, DeleteFunctionConcurrencyOutput, DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest,
    GetFunctionConcurrencyResponse, PutFunctionConcurrencyRequest,
};
use wire::{Call, Error};

use crate::admission::UNRESERVED_MIN;
use crate::error::invalid;
use crate::registry::FunctionSettings;
use crate::service::Lambda;

/// Reserves concurrency for a function; 0 stops it.
pub async fn put_function_concurrency(
    lambda: Arc<Lambda>,
    call: Call,
    input: PutFunctionConcurrencyRequest,
) -> Result<Concurrency, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, None)?;
    let reserved = u32::try_from(input.reserved_concurrent_executions).unwrap_or(0);
    let others = lambda.registry.reserved_total(&name.scope) - function.settings.reserved_concurrency.unwrap_or(0);
    if others + reserved > lambda.concurrency.saturating_sub(UNRESERVED_MIN) {
        return Err(invalid(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's \
             UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
        )));
    }
    set(&lambda, &call, &input.function_name, Some(reserved)).await?;
    Ok(Concurrency { reserved_concurrent_executions: Some(input.reserved_concurrent_executions) })
}

async fn set(lambda: &Lambda, call: &Call, function: &str, reserved: Option<u32>) -> Result<(), Error> {
    let (name, _) = lambda.named(call, function, None)?;
    let changed = lambda.change(&name, |function| {
        let settings = FunctionSettings::clone(&function.settings);
        function.settings = Arc::new(FunctionSettings { reserved_concurrency: reserved, ..settings });
        Ok(())
    });
    changed.await.map(drop)
}

pub async fn get_function_concurrency(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Error> {
    let (_, function) = lambda.named(&call, &input.function_name, None)?;
    let reserved = function.settings.reserved_concurrency.and_then(|reserved| i32::try_from(reserved).ok());
    Ok(GetFunctionConcurrencyResponse { reserved_concurrent_executions: reserved })
}

pub async fn delete_function_concurrency(
    lambda: Arc<Lambda>,
    call: Call,
    input: DeleteFunctionConcurrencyRequest,
) -> Result<DeleteFunctionConcurrencyOutput, Error> {
    set(&lambda, &call, &input.function_name, None).await?;
    Ok(DeleteFunctionConcurrencyOutput {})
}
