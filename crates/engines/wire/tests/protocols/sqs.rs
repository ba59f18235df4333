use std::sync::Arc;

use model_sqs::{
    CreateQueueResult, ListQueuesResult, Message, MessageAttributeValue, ReceiveMessageResult, SendMessageRequest,
    SendMessageResult,
};
use serde_json::json;
use wire::schema::Service;
use wire::{Api, Call, Error};

use crate::site::{Site, ask, call, signed, site};

pub fn api(service: &'static Service, site: Arc<Site>) -> Arc<Api> {
    Api::builder(service, site)
        .on::<model_sqs::CreateQueue, _, _, _>(|_, call, input| async move {
            let url = format!("{}/{}/{}", call.origin, call.scope.account, input.queue_name);
            let attributes = input.attributes.unwrap_or_default();
            let tags = input.tags.unwrap_or_default();
            assert!(attributes.len() + tags.len() < 3);
            Ok::<_, Error>(CreateQueueResult { queue_url: Some(url) })
        })
        .on::<model_sqs::ListQueues, _, _, _>(|_, _, _| async {
            Ok::<_, Error>(ListQueuesResult { queue_urls: Some(vec!["a".into(), "b".into()]), ..Default::default() })
        })
        .on::<model_sqs::ReceiveMessage, _, _, _>(|_, _, input| async move {
            if input.queue_url == "endless" {
                std::future::pending::<()>().await;
            }
            let attribute = MessageAttributeValue {
                binary_value: Some("\u{1}".into()),
                data_type: "Binary".into(),
                ..Default::default()
            };
            Ok::<_, Error>(ReceiveMessageResult {
                messages: Some(vec![Message {
                    body: Some("<a & b>".into()),
                    attributes: Some([("SentTimestamp".to_owned(), "1".to_owned())].into()),
                    message_attributes: Some([("x".to_owned(), attribute)].into()),
                    ..Default::default()
                }]),
            })
        })
        .on::<model_sqs::SendMessage, _, _, _>(send)
        .build()
}

async fn send(_: Arc<Site>, _: Call, input: SendMessageRequest) -> Result<SendMessageResult, Error> {
    if input.queue_url.ends_with("absent") {
        return Err(model_sqs::errors::queue_does_not_exist("The specified queue does not exist."));
    }
    let attributes = input.message_attributes.unwrap_or_default();
    let shown: Vec<String> =
        attributes.iter().map(|(k, v)| format!("{k}={:?}/{:?}", v.string_value, v.binary_value)).collect();
    Ok(SendMessageResult {
        message_id: Some(input.message_body),
        md5_of_message_body: Some(shown.join(";")),
        sequence_number: input.delay_seconds.map(|seconds| seconds.to_string()),
        ..Default::default()
    })
}

const JSON: [&str; 2] = ["content-type: application/x-amz-json-1.0", "x-amz-target: AmazonSQS.SendMessage"];

#[test]
fn json_request_and_reply() {
    let body = r#"{"QueueUrl":"q","MessageBody":"ü","DelaySeconds":5,"MessageAttributes":
        {"a":{"DataType":"Binary","BinaryValue":"AQI="},"b":{"DataType":"String","StringValue":"x"}},"Unknown":1}"#;
    let answer = ask("POST /", &JSON, body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0");
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert_eq!(answer.header("date"), "Fri, 02 Jan 2026 03:04:05 GMT");
    let expected = json!({
        "MD5OfMessageBody": "a=None/Some(b\"\\x01\\x02\");b=Some(\"x\")/None", "MessageId": "ü", "SequenceNumber": "5"
    });
    assert_eq!(answer.json(), expected);
    assert!(answer.journal[0].starts_with("sqs.SendMessage 000000000000/us-east-1 {\"QueueUrl\":\"q\""));
    assert_eq!(answer.journal[1], "SendMessage 200");
}

#[test]
fn query_request_and_reply() {
    let form = "Action=SendMessage&Version=2012-11-05&QueueUrl=q&MessageBody=a+b&DelaySeconds=5\
                &MessageAttribute.2.Name=b&MessageAttribute.2.Value.StringValue=x&MessageAttribute.2.Value.DataType=String\
                &MessageAttribute.1.Name=a&MessageAttribute.1.Value.BinaryValue=AQI%3D&MessageAttribute.1.Value.DataType=Binary";
    let kind = "content-type: application/x-www-form-urlencoded; charset=utf-8";
    let answer = ask("POST /000000000000/q", &[kind], form);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "text/xml");
    let id = answer.header("x-amzn-requestid");
    let expected = format!(
        "<SendMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><SendMessageResult>\
         <MD5OfMessageBody>a=None/Some(b&quot;\\x01\\x02&quot;);b=Some(&quot;x&quot;)/None</MD5OfMessageBody>\
         <MessageId>a b</MessageId><SequenceNumber>5</SequenceNumber></SendMessageResult>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></SendMessageResponse>"
    );
    assert_eq!(answer.body, expected);
}

#[test]
fn query_reply_of_nested_and_flattened_parts() {
    let answer = ask("GET /?Action=ReceiveMessage&Version=2012-11-05&QueueUrl=q", &[], "");
    assert!(
        answer.body.contains(
            "<ReceiveMessageResult><Message><Body>&lt;a &amp; b&gt;</Body><Attribute><Name>SentTimestamp</Name>\
             <Value>1</Value></Attribute><MessageAttribute><Name>x</Name><Value><BinaryValue>AQ==</BinaryValue>\
             <DataType>Binary</DataType></Value></MessageAttribute></Message></ReceiveMessageResult>"
        ),
        "{}",
        answer.body
    );
    let answer = ask("GET /?Action=ListQueues&Version=2012-11-05", &[], "");
    assert!(answer.body.contains("<QueueUrl>a</QueueUrl><QueueUrl>b</QueueUrl>"), "{}", answer.body);
}

#[test]
fn the_query_protocol_reads_flattened_maps() {
    let form =
        "Action=CreateQueue&QueueName=n&Attribute.1.Name=DelaySeconds&Attribute.1.Value=1&Tag.1.Key=k&Tag.1.Value=v";
    let kind = "content-type: application/x-www-form-urlencoded";
    let answer = ask("POST /", &[kind, &signed("123456789012", "eu-central-1", "sqs"), "host: kobel.internal:1"], form);
    assert!(answer.body.contains("<QueueUrl>http://kobel.internal:1/123456789012/n</QueueUrl>"), "{}", answer.body);
    assert!(answer.journal[0].contains("123456789012/eu-central-1"), "{:?}", answer.journal);
    assert!(answer.journal[0].contains("\"tags\":{\"k\":\"v\"}"), "{:?}", answer.journal);
}

#[test]
fn errors_carry_the_code_of_the_query_protocol() {
    let answer = ask("POST /", &JSON, r#"{"QueueUrl":"absent","MessageBody":"x"}"#);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("x-amzn-query-error"), "AWS.SimpleQueueService.NonExistentQueue;Sender");
    let expected =
        json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."});
    assert_eq!(answer.json(), expected);
    let answer = ask("POST /?Action=SendMessage&QueueUrl=absent&MessageBody=x", &[], "");
    assert!(
        answer.body.starts_with(
            "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type>\
             <Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        ),
        "{}",
        answer.body
    );
}

#[test]
fn bodies_and_members_of_the_wrong_form_are_refused() {
    for (body, message) in [
        ("{", "EOF while parsing"),
        (r#"{"MessageBody":1}"#, "NUMBER_VALUE can not be converted to a String"),
        (r#"{"DelaySeconds":"1"}"#, "STRING_VALUE can not be converted to an Integer"),
        ("[]", "START_ARRAY can not be converted to a structure"),
    ] {
        let answer = ask("POST /", &JSON, body);
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["__type"], "com.amazonaws.sqs#SerializationException");
        assert!(answer.json()["message"].as_str().unwrap().contains(message), "{}", answer.body);
    }
    let answer = ask("POST /", &JSON, r#"{"QueueUrl":"q"}"#);
    assert_eq!(answer.json()["message"], "The request must contain the parameter MessageBody.");
    assert_eq!(answer.header("x-amzn-query-error"), "MissingParameter;Sender");
}

#[test]
fn a_gzipped_body_is_unpacked() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(br#"{"QueueUrl":"q","MessageBody":"zipped"}"#).unwrap();
    let zipped = encoder.finish().unwrap();
    let answer = ask("POST /", &[JSON[0], JSON[1], "content-encoding: gzip"], zipped);
    assert_eq!(answer.json()["MessageId"], "zipped");
}

#[test]
fn is_called_from_inside_by_name() {
    let (_, services, _) = site();
    let input = json!({"queueUrl": "q", "QueueUrl": "q", "MessageBody": "m", "MessageAttributes":
        {"a": {"DataType": "Binary", "BinaryValue": "raw"}}});
    let output = futures_executor::block_on(services.invoke_json("sqs", "sendMessage", call(), input)).unwrap();
    assert_eq!(output, json!({"MD5OfMessageBody": "a=None/Some(b\"raw\")", "MessageId": "m"}));
    let error = futures_executor::block_on(services.invoke_json("sqs", "Nothing", call(), json!({}))).unwrap_err();
    assert_eq!(error.code, "NotImplemented");
}

#[test]
fn is_called_from_inside_with_types() {
    let (_, services, _) = site();
    let api = services.get("sqs").expect("the site has it");
    let message = |body: &str| SendMessageRequest {
        queue_url: "q".into(),
        message_body: body.into(),
        ..SendMessageRequest::default()
    };
    let reply = futures_executor::block_on(wire::invoke::<model_sqs::SendMessage>(api, call(), message("m"))).unwrap();
    assert_eq!(reply.output.message_id.as_deref(), Some("m"));
    let absent = SendMessageRequest { queue_url: "absent".into(), ..message("m") };
    let error = futures_executor::block_on(wire::invoke::<model_sqs::SendMessage>(api, call(), absent)).unwrap_err();
    assert_eq!(error.code, "QueueDoesNotExist");
    let output = wire::invoke_json(api, "ListQueues", call(), json!({}));
    assert_eq!(futures_executor::block_on(output).unwrap(), json!({"QueueUrls": ["a", "b"]}));
}

#[test]
fn an_old_form_is_sent_to_the_queues_url() {
    let form = "content-type: application/x-www-form-urlencoded";
    let answer = ask("POST /000000000000/absent", &[form], "Action=SendMessage&MessageBody=m&Version=2012-11-05");
    assert!(
        answer.body.contains(
            "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>\
             <Message>The specified queue does not exist for this wsdl version.</Message><Detail/>"
        ),
        "{}",
        answer.body
    );
    let answer = ask("POST /000000000000/q", &[form], "Action=SendMessage&MessageBody=m&Version=2012-11-05");
    assert!(answer.body.contains("<MessageId>m</MessageId>"), "{}", answer.body);
    let answer = ask("POST /", &[form], "Action=SendMessage&MessageBody=m&Version=2012-11-05");
    assert!(answer.body.contains("<Code>MissingParameter</Code>"), "{}", answer.body);
}
