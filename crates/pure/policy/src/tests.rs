use serde_json::{Value, json};

use crate::{Decision, Document, Request, wildcard};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn request() -> Request<'static> {
    Request {
        service: "sns.amazonaws.com",
        account: "",
        action: "sqs:SendMessage",
        resource: QUEUE,
        source_arn: "arn:aws:sns:us-east-1:000000000000:topic",
        source_account: "000000000000",
    }
}

fn decide(statements: Value) -> Decision {
    Document::read(&json!({ "Statement": statements })).expect("a document").decide(&request())
}

fn allow(principal: Value, action: Value, resource: Value, condition: Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

#[test]
fn statements_speak_of_what_they_name() {
    let sns = json!({"Service": "sns.amazonaws.com"});
    let cases = [
        (allow(sns.clone(), json!("sqs:SendMessage"), json!(QUEUE), Value::Null), Decision::Allowed),
        (allow(json!("*"), json!("SQS:*"), json!("*"), Value::Null), Decision::Allowed),
        (allow(json!({"AWS": "*"}), json!(["sqs:sendmessage"]), json!([QUEUE]), Value::Null), Decision::Allowed),
        (allow(json!({"Service": ["a", "sns.amazonaws.com"]}), json!("*"), json!("*"), Value::Null), Decision::Allowed),
        (allow(json!({"Service": "s3.amazonaws.com"}), json!("*"), json!("*"), Value::Null), Decision::Silent),
        (allow(json!({"AWS": "000000000000"}), json!("*"), json!("*"), Value::Null), Decision::Silent),
        (allow(sns.clone(), json!("sqs:ReceiveMessage"), json!("*"), Value::Null), Decision::Silent),
        (allow(sns, json!("sqs:*"), json!("arn:aws:sqs:us-east-1:000000000000:other"), Value::Null), Decision::Silent),
    ];
    for (statement, expected) in cases {
        assert_eq!(decide(json!([statement])), expected, "{statement}");
        assert_eq!(decide(statement.clone()), expected, "a single one: {statement}");
    }
}

#[test]
fn conditions_must_all_hold() {
    let topic = "arn:aws:sns:us-east-1:000000000000:topic";
    let cases = [
        (json!({"ArnEquals": {"aws:SourceArn": topic}}), true),
        (json!({"ArnLike": {"AWS:SourceArn": "arn:aws:sns:*:*:top*"}}), true),
        (json!({"ArnLike": {"aws:SourceArn": "arn:*:topic"}}), false),
        (json!({"ArnEquals": {"aws:SourceArn": ["x", topic]}}), true),
        (json!({"ArnNotEquals": {"aws:SourceArn": topic}}), false),
        (json!({"StringEquals": {"aws:SourceAccount": "000000000000"}}), true),
        (json!({"StringEquals": {"aws:SourceAccount": "111111111111"}}), false),
        (json!({"StringLike": {"aws:SourceArn": "*topic"}, "StringEquals": {"aws:SourceAccount": "1"}}), false),
        (json!({"StringNotEquals": {"aws:SourceAccount": "1"}}), true),
        (json!({"StringEqualsIfExists": {"aws:PrincipalAccount": "1"}}), true),
        (json!({"StringEquals": {"aws:PrincipalAccount": "1"}}), false),
        (json!({"Null": {"aws:PrincipalAccount": "true"}}), true),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), true),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), false),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}), false),
    ];
    for (condition, holds) in cases {
        let expected = if holds { Decision::Allowed } else { Decision::Silent };
        assert_eq!(decide(allow(json!("*"), json!("*"), json!("*"), condition.clone())), expected, "{condition}");
    }
}

#[test]
fn a_deny_outweighs_an_allow() {
    let allow = allow(json!("*"), json!("*"), json!("*"), Value::Null);
    let deny = |condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*", "Condition": condition});
    let cases = [
        (json!({"Bool": {"aws:SecureTransport": "false"}}), Decision::Allowed),
        (json!({"StringEquals": {"aws:SourceAccount": "000000000000"}}), Decision::Denied),
        (json!({"StringEquals": {"unknown:Key": "x"}}), Decision::Denied),
    ];
    for (condition, expected) in cases {
        assert_eq!(decide(json!([allow, deny(condition.clone())])), expected, "{condition}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"Statement": 1}"#,
        r#"{"Statement": [{"Effect": "Maybe", "Principal": "*", "Action": "*", "Resource": "*"}]}"#,
        r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#,
        r#"{"Statement": [{"Effect": "Allow", "Principal": "someone", "Action": "*", "Resource": "*"}]}"#,
    ] {
        assert!(Document::parse(text).is_err(), "{text}");
    }
}

#[test]
fn negated_lists_cover_what_they_do_not_name() {
    let statement = |action: &str| json!({"Effect": "Allow", "Principal": "*", "NotAction": action, "Resource": "*"});
    assert_eq!(decide(statement("sqs:DeleteQueue")), Decision::Allowed);
    assert_eq!(decide(statement("sqs:Send*")), Decision::Silent);
}

#[test]
fn wildcards_match_greedily_and_step_back() {
    let cases = [
        ("*", "", true),
        ("a*b*c", "aXbYbZc", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*ab", "aab", true),
        ("ab*", "ba", false),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
    }
}
