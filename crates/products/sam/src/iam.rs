//! Policy documents that the transform writes.

use serde_json::{Value, json};

/// The trust policy of a role for a service, as `lambda.amazonaws.com`.
pub fn trust(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [service]}}]
    })
}

/// Sending to a function's dead-letter queue or topic.
pub fn dead_letter_queue(action: &str, target: &Value) -> Value {
    json!({
        "PolicyName": "DeadLetterQueuePolicy",
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": action, "Resource": target, "Effect": "Allow"}]
        }
    })
}

/// Sending to a destination of a type (`SQS`, `SNS`, `EventBridge`, `Lambda`, `S3`); `None` for other types.
pub fn destination(destination_type: &str, target: &Value, logical_id: &str) -> Option<Value> {
    let (suffix, statement) = match destination_type {
        "SQS" => ("SQSPolicy", json!([allow("sqs:SendMessage", target)])),
        "SNS" => ("SNSPolicy", json!([allow("sns:publish", target)])),
        "EventBridge" => ("EventBridgePolicy", json!([allow("events:PutEvents", target)])),
        "Lambda" => ("LambdaPolicy", json!([allow("lambda:InvokeFunction", target)])),
        "S3" | "S3Bucket" => {
            let objects = json!({"Fn::Join": ["/", [target, "*"]]});
            ("S3Policy", json!([allow("s3:PutObject", &objects), allow("s3:ListBucket", target)]))
        }
        _ => return None,
    };
    Some(json!({"PolicyName": format!("{logical_id}{suffix}"), "PolicyDocument": {"Statement": statement}}))
}

/// A queue's policy: the source may send to it.
pub fn queue_policy(principal: Value, queue_arn: &Value, source_arn: &Value) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Action": "sqs:SendMessage",
            "Effect": "Allow",
            "Principal": principal,
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}}
        }]
    })
}

fn allow(action: &str, target: &Value) -> Value {
    json!({"Action": action, "Effect": "Allow", "Resource": target})
}
