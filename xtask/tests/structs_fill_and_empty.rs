//! The generated structs survive the way through their values.

use std::collections::BTreeMap;

use base::Timestamp;
use bytes::Bytes;
use wire::{Fields, Shaped, Unshaped, Value};

fn message_attribute() -> model_sqs::MessageAttributeValue {
    model_sqs::MessageAttributeValue {
        data_type: "Binary".to_owned(),
        binary_value: Some(Bytes::from_static(b"\x00\x01")),
        string_list_values: Some(vec!["one".to_owned(), "two".to_owned()]),
        ..Default::default()
    }
}

#[test]
fn nested_members_come_back() {
    let request = model_sqs::SendMessageRequest {
        queue_url: "http://127.0.0.1:4566/000000000000/orders".to_owned(),
        message_body: "hello".to_owned(),
        delay_seconds: Some(5),
        message_attributes: Some(BTreeMap::from([("trace".to_owned(), message_attribute())])),
        ..Default::default()
    };
    let fields = request.clone().into_fields();
    assert_eq!(fields.get(0), Some(&Value::String(request.queue_url.clone())));
    assert_eq!(model_sqs::SendMessageRequest::from_fields(fields), Ok(request));
}

#[test]
fn timestamps_booleans_and_lists_of_structures_come_back() {
    let output = model_s3::ListObjectsV2Output {
        is_truncated: Some(true),
        contents: Some(vec![model_s3::Object {
            key: Some("a/b.txt".to_owned()),
            last_modified: Some(Timestamp::from_secs(1_700_000_000)),
            size: Some(3),
            ..Default::default()
        }]),
        ..Default::default()
    };
    assert_eq!(model_s3::ListObjectsV2Output::from_fields(output.clone().into_fields()), Ok(output));
}

#[test]
fn a_missing_required_member_is_named() {
    let fields = Fields::empty(model_sqs::SendMessageRequest::SCHEMA.members.len());
    let expected = Unshaped { structure: "SendMessageRequest", member: "QueueUrl" };
    assert_eq!(model_sqs::SendMessageRequest::from_fields(fields), Err(expected));
}

#[test]
fn a_value_of_another_shape_is_named_where_it_lies() {
    let mut attribute = message_attribute().into_fields();
    let data_type = model_sqs::MessageAttributeValue::SCHEMA.index("DataType").expect("it has a type");
    attribute.set(data_type, Value::Boolean(true));
    let request = model_sqs::SendMessageRequest::default();
    let mut fields = request.into_fields();
    let attributes = model_sqs::SendMessageRequest::SCHEMA.index("MessageAttributes").expect("it has attributes");
    fields.set(attributes, Value::Map(vec![("trace".to_owned(), Value::Structure(attribute))]));
    let expected = Unshaped { structure: "MessageAttributeValue", member: "DataType" };
    assert_eq!(model_sqs::SendMessageRequest::from_fields(fields), Err(expected));
}

#[test]
fn an_integer_beyond_its_type_is_refused() {
    let mut fields = model_sqs::SendMessageRequest::default().into_fields();
    let delay = model_sqs::SendMessageRequest::SCHEMA.index("DelaySeconds").expect("it has a delay");
    fields.set(delay, Value::Integer(i64::from(i32::MAX) + 1));
    let expected = Unshaped { structure: "SendMessageRequest", member: "DelaySeconds" };
    assert_eq!(model_sqs::SendMessageRequest::from_fields(fields), Err(expected));
}
