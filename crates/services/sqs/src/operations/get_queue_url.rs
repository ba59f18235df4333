use std::sync::Arc;

use base::{Account, Scope};
use model_sqs::{GetQueueUrlRequest, GetQueueUrlResult};
use wire::{Call, Error};

use crate::error;
use crate::name::QueueName;
use crate::service::Sqs;

pub(crate) async fn get_queue_url(
    sqs: Arc<Sqs>,
    call: Call,
    input: GetQueueUrlRequest,
) -> Result<GetQueueUrlResult, Error> {
    let account = match input.queue_owner_aws_account_id.as_deref() {
        Some(id) => Account::parse(id).ok_or_else(error::no_queue)?,
        None => call.scope.account.clone(),
    };
    let name = QueueName { scope: Scope { account, region: call.scope.region.clone() }, name: input.queue_name };
    let directory = sqs.directory(&name.scope).await?;
    let known = directory.read(|directory| directory.get(&name.name).is_some()).await.map_err(error::internal)?;
    if !known {
        return Err(error::no_queue());
    }
    Ok(GetQueueUrlResult { queue_url: Some(name.url(&call.origin)) })
}
