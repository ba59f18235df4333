use std::sync::Arc;

use model_lambda::{AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse};
use wire::{Call, Error};

use crate::service::Lambda;

/// The account's limits, and what it uses.
pub async fn get_account_settings(
    lambda: Arc<Lambda>,
    call: Call,
    _: GetAccountSettingsRequest,
) -> Result<GetAccountSettingsResponse, Error> {
    let account = lambda.registry.account(&call.scope);
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let limit = AccountLimit {
        total_code_size: Some(80_530_636_800),
        code_size_unzipped: Some(262_144_000),
        code_size_zipped: Some(52_428_800),
        concurrent_executions: Some(signed(lambda.concurrency)),
        unreserved_concurrent_executions: Some(signed(lambda.concurrency.saturating_sub(account.reserved_total()))),
    };
    let usage = AccountUsage {
        total_code_size: i64::try_from(account.code_bytes()).ok(),
        function_count: i64::try_from(account.functions.len()).ok(),
    };
    Ok(GetAccountSettingsResponse { account_limit: Some(limit), account_usage: Some(usage) })
}
