use serde_json::Value;

use crate::Request;
use crate::document::texts;
use crate::wildcard::wildcard;

/// What a condition block comes to: `None` where it has an operator or a key that is not understood.
pub(crate) fn holds(condition: &Value, request: &Request<'_>) -> Option<bool> {
    let mut all = true;
    for (operator, keys) in condition.as_object()? {
        for (key, wanted) in keys.as_object()? {
            all &= holds_for(operator, key, &texts(wanted)?, request)?;
        }
    }
    Some(all)
}

fn holds_for(operator: &str, key: &str, wanted: &[String], request: &Request<'_>) -> Option<bool> {
    let actual = value_of(key, request)?;
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    if operator == "Null" {
        return Some(wanted.iter().any(|wanted| (wanted == "true") == actual.is_none()));
    }
    let (negated, matches): (bool, fn(&str, &str) -> bool) = match operator {
        "StringEquals" => (false, |wanted, actual| wanted == actual),
        "StringNotEquals" => (true, |wanted, actual| wanted == actual),
        "StringEqualsIgnoreCase" => (false, str_eq_ignore_case),
        "StringNotEqualsIgnoreCase" => (true, str_eq_ignore_case),
        "StringLike" => (false, wildcard),
        "StringNotLike" => (true, wildcard),
        "ArnEquals" | "ArnLike" => (false, arn_like),
        "ArnNotEquals" | "ArnNotLike" => (true, arn_like),
        "Bool" => (false, str_eq_ignore_case),
        _ => return None,
    };
    let Some(actual) = actual else {
        return Some(if_exists || negated);
    };
    Some(wanted.iter().any(|wanted| matches(wanted, actual)) != negated)
}

/// The value of a condition key: `None` for a key that is not understood, `Some(None)` for one without a value.
fn value_of<'a>(key: &str, request: &Request<'a>) -> Option<Option<&'a str>> {
    let value = match key.to_ascii_lowercase().as_str() {
        "aws:sourcearn" => request.source_arn,
        "aws:sourceaccount" | "aws:sourceowner" => request.source_account,
        "aws:principalaccount" => request.account,
        "aws:principalservicename" => request.service,
        // Kobel answers plain HTTP on one's own machine; what comes by way of a service never leaves it.
        "aws:securetransport" if !request.service.is_empty() => "true",
        "aws:securetransport" => "false",
        "aws:principalisawsservice" if !request.service.is_empty() => "true",
        "aws:principalisawsservice" => "false",
        _ => return None,
    };
    Some((!value.is_empty()).then_some(value))
}

fn str_eq_ignore_case(wanted: &str, actual: &str) -> bool {
    wanted.eq_ignore_ascii_case(actual)
}

/// ARNs are compared part by part: a wildcard does not reach across a colon of the first five.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (pattern, arn): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == arn.len() && pattern.iter().zip(&arn).all(|(pattern, part)| wildcard(pattern, part))
}
