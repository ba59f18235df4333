//! Whether a function's resource policy lets a service invoke it. The statements are those that AddPermission
//! builds; what it can't build matches nobody.

use ::policy::wildcard;
use fabric::Sender;
use serde_json::{Map, Value};

pub(super) fn permits(statements: &[Map<String, Value>], sender: &Sender) -> bool {
    statements.iter().any(|statement| allows(statement, sender))
}

fn allows(statement: &Map<String, Value>, sender: &Sender) -> bool {
    let effect = statement.get("Effect").and_then(Value::as_str);
    effect == Some("Allow")
        && statement.get("Principal").is_some_and(|principal| is_principal(principal, sender))
        && statement.get("Action").is_some_and(|action| any(action, &|a| wildcard(a, "lambda:InvokeFunction")))
        && statement.get("Condition").is_none_or(|condition| holds(condition, sender))
}

fn is_principal(principal: &Value, sender: &Sender) -> bool {
    match principal {
        Value::String(all) => all == "*",
        Value::Object(kinds) => kinds.get("Service").is_some_and(|names| any(names, &|name| name == sender.service)),
        _ => false,
    }
}

fn holds(condition: &Value, sender: &Sender) -> bool {
    let Some(operators) = condition.as_object() else { return false };
    operators.iter().all(|(operator, keys)| {
        let Some(keys) = keys.as_object() else { return false };
        keys.iter().all(|(key, wanted)| {
            let actual = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => &sender.arn,
                "aws:sourceaccount" => &sender.account,
                _ => return false,
            };
            match operator.as_str() {
                "ArnLike" | "ArnEquals" | "StringLike" => any(wanted, &|pattern| wildcard(pattern, actual)),
                "StringEquals" => any(wanted, &|text| text == actual),
                _ => false,
            }
        })
    })
}

/// Whether a text, or one of a list of texts, is what is wanted.
fn any(value: &Value, wanted: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).any(wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statements_let_in_whom_they_name() {
        let sender = Sender {
            service: "s3.amazonaws.com".into(),
            arn: "arn:aws:s3:::photos".into(),
            account: "123456789012".into(),
        };
        let statement = |principal: Value, action: &str, condition: Value| {
            let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": action});
            if !condition.is_null() {
                statement["Condition"] = condition;
            }
            statement.as_object().expect("an object").clone()
        };
        let s3 = json!({"Service": "s3.amazonaws.com"});
        let invoke = "lambda:InvokeFunction";
        let cases = [
            (statement(s3.clone(), invoke, Value::Null), true),
            (statement(json!("*"), "lambda:*", Value::Null), true),
            (statement(json!({"Service": "sns.amazonaws.com"}), invoke, Value::Null), false),
            (statement(s3.clone(), "lambda:GetFunction", Value::Null), false),
            (statement(s3.clone(), invoke, json!({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"}})), true),
            (statement(s3.clone(), invoke, json!({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::*"}})), true),
            (statement(s3.clone(), invoke, json!({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::other"}})), false),
            (statement(s3.clone(), invoke, json!({"StringEquals": {"AWS:SourceAccount": "123456789012"}})), true),
            (statement(s3.clone(), invoke, json!({"StringEquals": {"AWS:SourceAccount": "000000000000"}})), false),
            (statement(s3, invoke, json!({"StringEquals": {"aws:PrincipalOrgID": "o"}})), false),
        ];
        for (statement, expected) in cases {
            assert_eq!(permits(std::slice::from_ref(&statement), &sender), expected, "{statement:?}");
        }
        assert!(!permits(&[], &sender));
    }
}
