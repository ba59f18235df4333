use std::sync::Arc;

use model_lambda::{FunctionConfiguration, InvocationRequest, InvocationResponse};
use serde_json::json;
use wire::schema::Service;
use wire::{Api, Call, Error};

use crate::site::{Site, ask, call, signed, site};

pub fn api(service: &'static Service, site: Arc<Site>) -> Arc<Api> {
    Api::builder(service, site)
        .on::<model_lambda::CreateFunction, _, _, _>(|_, _, input| async move {
            Ok::<_, Error>(FunctionConfiguration {
                function_name: Some(input.function_name),
                code_size: input.code.zip_file.map(|zip| zip.len() as i64),
                ..Default::default()
            })
        })
        .on::<model_lambda::Invoke, _, _, _>(invoke)
        .on::<model_lambda::UntagResource, _, _, _>(|_, _, _| async {
            Ok::<_, Error>(model_lambda::UntagResourceOutput::default())
        })
        .build()
}

async fn invoke(_: Arc<Site>, _: Call, input: InvocationRequest) -> Result<InvocationResponse, Error> {
    if input.function_name == "absent" {
        return Err(Error::new("ResourceNotFoundException", 404, "Function not found: absent").with("Type", "User"));
    }
    Ok(InvocationResponse {
        status_code: Some(if input.invocation_type.as_deref() == Some("Event") { 202 } else { 200 }),
        executed_version: Some(input.qualifier.unwrap_or(input.function_name)),
        payload: input.payload,
        ..Default::default()
    })
}

const CREATE: &str = "POST /2015-03-31/functions";

#[test]
fn invokes_with_a_raw_payload() {
    let auth = signed("test", "us-east-1", "lambda");
    let line = "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations";
    let answer = ask(line, &[&auth], r#"{"a": 1}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body, r#"{"a": 1}"#);
    assert_eq!(answer.header("x-amz-executed-version"), "arn:aws:lambda:us-east-1:000000000000:function:f");
    let event = "x-amz-invocation-type: Event";
    let answer = ask("POST /2015-03-31/functions/f/invocations?Qualifier=live", &[&auth, event], "");
    assert_eq!((answer.status, answer.header("x-amz-executed-version")), (202, "live"));
}

#[test]
fn errors_have_lambdas_form() {
    let answer = ask("POST /2015-03-31/functions/absent/invocations", &[], "{}");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("x-amzn-errortype"), "ResourceNotFoundException");
    assert_eq!(answer.json(), json!({"Type": "User", "Message": "Function not found: absent"}));
    let answer = ask(CREATE, &[], "{");
    assert_eq!(answer.header("x-amzn-errortype"), "InvalidRequestContentException");
}

#[test]
fn reads_json_with_blobs_and_names_what_is_ignored() {
    let body = json!({
        "FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {"ZipFile": "AQID"},
        "VpcConfig": {"SubnetIds": []}, "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}
    });
    let answer = ask(CREATE, &[], body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.json()["CodeSize"], 3);
    assert_eq!(answer.header("x-kobel-ignored"), "TenancyConfig");
}

#[test]
fn several_violations_are_told_at_once() {
    let body = json!({
        "FunctionName": "f g", "Code": {}, "MemorySize": 1, "Architectures": ["z80"],
        "Layers": ["nothing"], "Timeout": 0
    });
    let answer = ask(CREATE, &[], body.to_string());
    assert_eq!(answer.header("x-amzn-errortype"), "ValidationException");
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("6 validation errors detected: Value 'f g' at 'functionName' failed"), "{message}");
    for part in [
        "Value null at 'role' failed to satisfy constraint: Member must not be null",
        "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value '[z80]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: \
         [Member must satisfy enum value set: [x86_64, arm64]]",
        "Value '[nothing]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have \
         length less than or equal to",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_missing_query_list_is_a_violation() {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let answer = ask(&format!("DELETE /2017-03-31/tags/{arn}"), &[], "");
    let message =
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null";
    assert_eq!(answer.json(), json!({"message": message}));
    let answer = ask(&format!("DELETE /2017-03-31/tags/{arn}?tagKeys=a&tagKeys=b"), &[], "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(answer.headers.get("content-type").is_none());
}

#[test]
fn a_payload_may_be_json_from_inside() {
    let (_, services, _) = site();
    let input = json!({"FunctionName": "f", "Payload": {"a": [1, "ü"]}});
    let output = futures_executor::block_on(services.invoke_json("lambda", "invoke", call(), input)).unwrap();
    assert_eq!(output, json!({"StatusCode": 200, "Payload": "{\"a\":[1,\"ü\"]}", "ExecutedVersion": "f"}));
}

#[test]
fn a_body_has_a_limit() {
    let answer = ask("POST /2015-03-31/functions/f/invocations", &[], vec![b' '; 6_291_457]);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("x-amzn-errortype"), "RequestTooLargeException");
}
