use std::sync::Arc;

use model_sqs::{AddPermissionOutput, AddPermissionRequest, RemovePermissionOutput, RemovePermissionRequest, errors};
use serde_json::{Value, json};
use wire::{Call, Error};

use super::set_queue_attributes::change;
use crate::error;
use crate::service::Sqs;

/// What AddPermission can allow.
const ACTIONS: [&str; 8] = [
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
];
const STATEMENTS_MAX: usize = 20;
const LABEL_LENGTH_MAX: usize = 80;

pub(crate) async fn add_permission(
    sqs: Arc<Sqs>,
    call: Call,
    input: AddPermissionRequest,
) -> Result<AddPermissionOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    let arn = queue.name.arn();
    let statement = statement(&input, &arn)?;
    change(&sqs, &queue, |record| {
        let mut policy = policy_of(record.attributes.get("Policy"), &arn);
        let statements = statements(&mut policy);
        if statements.iter().any(|statement| statement["Sid"] == input.label) {
            return Err(error::invalid_value(&input.label, "Label", "Already exists."));
        }
        if statements.len() >= STATEMENTS_MAX {
            return Err(errors::over_limit(format!("A policy can have at most {STATEMENTS_MAX} statements.")));
        }
        statements.push(statement);
        record.attributes.insert("Policy".to_owned(), policy.to_string());
        Ok(())
    })
    .await?;
    Ok(AddPermissionOutput {})
}

pub(crate) async fn remove_permission(
    sqs: Arc<Sqs>,
    call: Call,
    input: RemovePermissionRequest,
) -> Result<RemovePermissionOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    let arn = queue.name.arn();
    change(&sqs, &queue, |record| {
        let mut policy = policy_of(record.attributes.get("Policy"), &arn);
        let statements = statements(&mut policy);
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != input.label);
        if statements.len() == before {
            return Err(error::invalid_value(&input.label, "Label", "can't find label."));
        }
        if statements.is_empty() {
            record.attributes.remove("Policy");
        } else {
            record.attributes.insert("Policy".to_owned(), policy.to_string());
        }
        Ok(())
    })
    .await?;
    Ok(RemovePermissionOutput {})
}

fn statement(input: &AddPermissionRequest, arn: &str) -> Result<Value, Error> {
    let label = &input.label;
    let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if label.is_empty() || label.len() > LABEL_LENGTH_MAX || !plain {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
        return Err(error::invalid_value(label, "Label", reason));
    }
    if input.actions.is_empty() {
        return Err(error::missing_parameter("Actions"));
    }
    if input.aws_account_ids.is_empty() {
        return Err(error::missing_parameter("AWSAccountIds"));
    }
    if let Some(action) = input.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        let reason = format!("Please refer to the appropriate WSDL for a list of valid actions. {action}");
        return Err(error::invalid_value(format!("SQS:{action}"), "ActionName", reason));
    }
    let accounts = input.aws_account_ids.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let actions = input.actions.iter().map(|action| format!("SQS:{action}")).collect();
    Ok(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_many(accounts)},
        "Action": one_or_many(actions),
        "Resource": arn,
    }))
}

/// A single value stands by itself.
fn one_or_many(mut values: Vec<String>) -> Value {
    if values.len() == 1 { values.remove(0).into() } else { values.into() }
}

fn policy_of(stored: Option<&String>, arn: &str) -> Value {
    let stored = stored.and_then(|policy| serde_json::from_str::<Value>(policy).ok()).filter(Value::is_object);
    stored.unwrap_or_else(|| json!({"Version": "2008-10-17", "Id": format!("{arn}/SQSDefaultPolicy"), "Statement": []}))
}

/// A policy's statements, as a list also where it has a single one.
fn statements(policy: &mut Value) -> &mut Vec<Value> {
    let statement = &mut policy["Statement"];
    if !statement.is_array() {
        let one = statement.take();
        *statement = Value::Array(if one.is_null() { Vec::new() } else { vec![one] });
    }
    statement.as_array_mut().expect("it was made a list")
}
