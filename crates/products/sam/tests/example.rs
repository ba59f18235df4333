//! The example application, from its text to the order in which its resources are made.

use std::collections::BTreeMap;

use expect_test::expect;
use kobel_sam::{Context, transform};
use template::{PseudoParameters, Scope, Template, creation_order, evaluate_partly, parameter_values, parse};

const EXAMPLE: &str = include_str!("../../../../examples/upload-pipeline/template.yaml");

#[test]
fn the_upload_pipeline_becomes_plain_resources_in_order() {
    let source = parse(EXAMPLE).expect("the example is well-formed").to_json();
    let context = Context { region: "eu-central-1".to_owned(), ..Context::default() };
    let template = Template::from_json(&transform(&source, &context).expect("it can be transformed")).expect("valid");
    template.check_references().expect("every name exists");
    let lines = creation_order(&template, None).expect("no circle").into_iter().map(|id| {
        let resource_type = &template.resources[&id].resource_type;
        format!("{id} {resource_type}\n")
    });
    expect![[r#"
        ResultBucket AWS::S3::Bucket
        InspectDeadLetterQueue AWS::SQS::Queue
        InspectedTopic AWS::SNS::Topic
        AuditQueue AWS::SQS::Queue
        AuditQueuePolicy AWS::SQS::QueuePolicy
        AuditSubscription AWS::SNS::Subscription
        SuccessQueue AWS::SQS::Queue
        FailureQueue AWS::SQS::Queue
        InspectFunctionRole AWS::IAM::Role
        SummarizeFunctionRole AWS::IAM::Role
        WriteResultFunctionRole AWS::IAM::Role
        InspectFunction AWS::Lambda::Function
        InspectFunctionEventInvokeConfig AWS::Lambda::EventInvokeConfig
        InspectFunctionUploadedPermission AWS::Lambda::Permission
        SummarizeFunction AWS::Lambda::Function
        SummarizeFunctionEventInvokeConfig AWS::Lambda::EventInvokeConfig
        SummarizeFunctionInspectedPermission AWS::Lambda::Permission
        SummarizeFunctionInspected AWS::SNS::Subscription
        WriteResultFunction AWS::Lambda::Function
        WriteResultFunctionSummarized AWS::Lambda::EventSourceMapping
        UploadBucket AWS::S3::Bucket
    "#]]
    .assert_eq(&lines.collect::<String>());
}

#[test]
fn what_the_upload_pipeline_knows_before_it_is_made() {
    let source = parse(EXAMPLE).expect("the example is well-formed").to_json();
    let context = Context { region: "eu-central-1".to_owned(), ..Context::default() };
    let template = Template::from_json(&transform(&source, &context).expect("it can be transformed")).expect("valid");
    let parameters = parameter_values(&template, &BTreeMap::new()).expect("all have defaults");
    let pseudo = PseudoParameters::new("123456789012", "eu-central-1");
    let scope = Scope::new(&template, parameters, pseudo).expect("conditions can be computed");
    let known = |id: &str| {
        let partial = evaluate_partly(&template.resources[id].properties, &scope).expect("functions are right");
        format!("{}\nunknown {:?}\n", partial.value.unwrap_or_default(), partial.unknown)
    };
    expect![[r#"
        {"BucketName":"upload-pipeline-uploads-123456789012","NotificationConfiguration":{"LambdaConfigurations":[{"Function":{"Fn::GetAtt":["InspectFunction","Arn"]},"Filter":{"S3Key":{"Rules":[{"Name":"prefix","Value":"incoming/"},{"Name":"suffix","Value":".txt"}]}},"Event":"s3:ObjectCreated:*"}]}}
        unknown ["/NotificationConfiguration/LambdaConfigurations/0/Function"]
    "#]].assert_eq(&known("UploadBucket"));
    expect![[r#"
        {"Code":"write-result/","Handler":"index.handler","Runtime":"nodejs20.x","Description":"Writes each summary to the result bucket","MemorySize":256,"Timeout":10,"Environment":{"Variables":{"STAGE":"example","RESULT_BUCKET":{"Ref":"ResultBucket"}}},"ReservedConcurrentExecutions":"5","Tags":[{"Key":"lambda:createdBy","Value":"SAM"},{"Key":"application","Value":"upload-pipeline"}],"Role":{"Fn::GetAtt":["WriteResultFunctionRole","Arn"]}}
        unknown ["/Environment/Variables/RESULT_BUCKET", "/Role"]
    "#]].assert_eq(&known("WriteResultFunction"));
}
