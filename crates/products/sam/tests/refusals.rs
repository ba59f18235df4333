//! What Kobel does not transform is refused by name.

use expect_test::{Expect, expect};
use kobel_sam::{Context, document_message, transform};

fn refuses(resources: &str, expected: Expect) {
    let template = template::parse(&format!("Resources:\n  {resources}")).expect("well-formed").to_json();
    let errors = transform(&template, &Context::default()).expect_err("it is refused");
    expected.assert_eq(&format!("{} @ {}", document_message(&errors), errors[0].path()));
}

#[test]
fn names_the_resource_and_the_type() {
    refuses(
        "Api: {Type: AWS::Serverless::Api, Properties: {StageName: s}}",
        expect![
            "Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [Api] is invalid. The resource type AWS::Serverless::Api is not supported by Kobel. @ /Resources/Api"
        ],
    );
    refuses(
        "F: {Type: AWS::Serverless::NoSuchThing}",
        expect![
            "Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [F] is invalid. The resource type AWS::Serverless::NoSuchThing is not supported by Kobel. @ /Resources/F"
        ],
    );
    refuses(
        "T: {Type: AWS::SQS::Queue, Connectors: {C: {}}}",
        expect![
            "Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [T] is invalid. The attribute 'Connectors' is not supported by Kobel. @ /Resources/T"
        ],
    );
}

#[test]
fn names_the_event_and_the_property() {
    let function = |more: &str| {
        format!(
            "F: {{Type: AWS::Serverless::Function, Properties: {{Runtime: r, Handler: h, CodeUri: code/, {more}}}}}"
        )
    };
    refuses(
        &function("Events: {E: {Type: HttpApi}}"),
        expect![
            "Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [F] is invalid. Event with id [E] is invalid. The event type HttpApi is not supported by Kobel. @ /Resources/F"
        ],
    );
    refuses(
        &function("DeploymentPreference: {Type: AllAtOnce}, AutoPublishAlias: live"),
        expect![
            "Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [F] is invalid. The property 'DeploymentPreference' is not supported by Kobel. @ /Resources/F"
        ],
    );
}

#[test]
fn passes_local_paths_on() {
    let source =
        "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Runtime: r, Handler: h, CodeUri: code/}}}";
    let template = template::parse(source).expect("well-formed").to_json();
    let transformed = transform(&template, &Context::default()).expect("valid");
    assert_eq!(transformed["Resources"]["F"]["Properties"]["Code"], "code/");
}
