use std::sync::Arc;

use model_sns::{AddPermissionInput, AddPermissionOutput, RemovePermissionInput, RemovePermissionOutput};
use wire::{Call, Error};

use crate::permission;
use crate::service::Sns;

pub async fn add_permission(
    sns: Arc<Sns>,
    call: Call,
    input: AddPermissionInput,
) -> Result<AddPermissionOutput, Error> {
    change(&sns, &call, &input.topic_arn, |policy| {
        permission::add(policy, &input.topic_arn, &input.label, &input.aws_account_id, &input.action_name)
    })
    .await?;
    Ok(AddPermissionOutput {})
}

pub async fn remove_permission(
    sns: Arc<Sns>,
    call: Call,
    input: RemovePermissionInput,
) -> Result<RemovePermissionOutput, Error> {
    change(&sns, &call, &input.topic_arn, |policy| permission::remove(policy, &input.label)).await?;
    Ok(RemovePermissionOutput {})
}

async fn change(
    sns: &Sns,
    call: &Call,
    arn: &str,
    change: impl FnOnce(&str) -> Result<String, Error>,
) -> Result<(), Error> {
    let cell = sns.cell_of(call, arn, "TopicArn").await?;
    let account = call.scope.account.to_string();
    let changed = cell.apply(|topics, tx| {
        let topic = topics.topic(arn).cloned().and_then(|mut topic| {
            let policy = change(&topic.policy(&account))?;
            topic.attributes.insert("Policy".into(), policy);
            Ok(topic)
        });
        Ok::<_, cell::Error>(topic.map(|topic| topics.put_topic(tx, topic)))
    });
    changed.await.map_err(Error::internal)?
}
