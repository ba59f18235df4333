use std::sync::Arc;

use model_lambda::errors::invalid_parameter_value_exception;
use model_lambda::{
    Concurrency, DeleteFunctionConcurrencyOutput, DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest,
    GetFunctionConcurrencyResponse, PutFunctionConcurrencyRequest,
};
use wire::{Call, Error};

use crate::admission::UNRESERVED_MIN;
use crate::error::invalid;
use crate::registry::{Account, Function, FunctionName, FunctionSettings, LATEST, not_found};
use crate::service::Lambda;

/// Reserves concurrency for a function; 0 stops it.
pub async fn put_function_concurrency(
    lambda: Arc<Lambda>,
    call: Call,
    input: PutFunctionConcurrencyRequest,
) -> Result<Concurrency, Error> {
    let reserved = u32::try_from(input.reserved_concurrent_executions).unwrap_or(0);
    set(&lambda, &call, &input.function_name, Some(reserved)).await?;
    Ok(Concurrency { reserved_concurrent_executions: Some(input.reserved_concurrent_executions) })
}

/// Checks and sets in one change, so that two reservations at once can't take the same rest.
async fn set(lambda: &Lambda, call: &Call, function: &str, reserved: Option<u32>) -> Result<(), Error> {
    let name = unqualified(call, function)?;
    let changed = lambda.registry.apply(&name.scope, |account, tx| {
        let absent = || not_found(&format!("{}:{LATEST}", name.arn()));
        let function = account.functions.get(&name.name).ok_or_else(absent)?.clone();
        leaves_enough(account, &function, reserved.unwrap_or(0), lambda.concurrency)?;
        let settings = FunctionSettings::clone(&function.settings);
        let settings = Arc::new(FunctionSettings { reserved_concurrency: reserved, ..settings });
        account.put(tx, Function { settings, ..Function::clone(&function) });
        Ok(())
    });
    changed.await
}

/// Concurrency is reserved for functions only.
fn unqualified(call: &Call, function: &str) -> Result<FunctionName, Error> {
    let name = FunctionName::parse(&call.scope, function, None)?;
    match name.qualifier {
        None => Ok(name),
        Some(_) => Err(invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
             Please specify either a function name or an unqualified function ARN.",
        )),
    }
}

/// Whether the other functions keep the concurrency that AWS leaves to them.
fn leaves_enough(account: &Account, function: &Function, reserved: u32, limit: u32) -> Result<(), Error> {
    let own = function.settings.reserved_concurrency.unwrap_or(0);
    let total = account.reserved_total().saturating_sub(own).saturating_add(reserved);
    if reserved == 0 || total <= limit.saturating_sub(UNRESERVED_MIN) {
        return Ok(());
    }
    // AWS sends this one without a `Type`.
    Err(invalid_parameter_value_exception(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
         its minimum value of [{UNRESERVED_MIN}]."
    )))
}

pub async fn get_function_concurrency(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Error> {
    let name = unqualified(&call, &input.function_name)?;
    let function = lambda.registry.function(&name.scope, &name.name).ok_or_else(|| name.not_found())?;
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
