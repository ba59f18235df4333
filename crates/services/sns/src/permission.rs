use serde_json::{Value, json};
use wire::Error;

use crate::error;

const ACTIONS: [&str; 8] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
];

/// The policy with a statement that lets accounts do some actions.
pub fn add(policy: &str, topic: &str, label: &str, accounts: &[String], actions: &[String]) -> Result<String, Error> {
    if let Some(_unknown) = actions.iter().find(|action| !ACTIONS.contains(&action.as_str()) && *action != "*") {
        return Err(error::invalid("Policy statement action out of service scope!"));
    }
    let mut document = read(policy)?;
    let statements = statements(&mut document)?;
    if statements.iter().any(|statement| statement["Sid"] == label) {
        return Err(error::invalid("Statement already exists"));
    }
    let principals: Vec<String> = accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let actions: Vec<String> = actions.iter().map(|action| format!("SNS:{action}")).collect();
    let one_or_all = |mut list: Vec<String>| match list.len() {
        1 => Value::from(list.remove(0)),
        _ => Value::from(list),
    };
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(principals) },
        "Action": one_or_all(actions),
        "Resource": topic,
    }));
    Ok(document.to_string())
}

/// The policy without the statement of that label.
pub fn remove(policy: &str, label: &str) -> Result<String, Error> {
    let mut document = read(policy)?;
    statements(&mut document)?.retain(|statement| statement["Sid"] != label);
    Ok(document.to_string())
}

fn read(policy: &str) -> Result<Value, Error> {
    serde_json::from_str(policy).map_err(|_| error::invalid("Policy Error: null"))
}

fn statements(document: &mut Value) -> Result<&mut Vec<Value>, Error> {
    document.get_mut("Statement").and_then(Value::as_array_mut).ok_or_else(|| error::invalid("Policy Error: null"))
}
