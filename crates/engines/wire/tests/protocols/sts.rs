use std::sync::Arc;

use model_sns::PublishResponse;
use model_sts::GetCallerIdentityResponse;
use wire::schema::Service;
use wire::{Api, Error};

use crate::site::{Site, ask, signed};

pub fn sts(service: &'static Service, site: Arc<Site>) -> Arc<Api> {
    Api::builder(service, site)
        .on::<model_sts::GetCallerIdentity, _, _, _>(|_, call, _| async move {
            Ok::<_, Error>(GetCallerIdentityResponse {
                account: Some(call.scope.account.to_string()),
                arn: Some(call.caller.principal),
                ..Default::default()
            })
        })
        .build()
}

pub fn sns(service: &'static Service, site: Arc<Site>) -> Arc<Api> {
    Api::builder(service, site)
        .on::<model_sns::Publish, _, _, _>(|_, _, input| async move {
            let attributes = input.message_attributes.unwrap_or_default();
            let shown: Vec<String> = attributes.into_iter().map(|(k, v)| format!("{k}={:?}", v.string_value)).collect();
            Ok::<_, Error>(PublishResponse { message_id: Some(shown.join(";")), ..Default::default() })
        })
        .build()
}

const FORM: &str = "content-type: application/x-www-form-urlencoded; charset=utf-8";

#[test]
fn the_access_key_names_the_account() {
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    for (key, account, arn) in [
        ("123456789012", "123456789012", "arn:aws:iam::123456789012:root"),
        ("test", "000000000000", "arn:aws:iam::000000000000:root"),
        ("ASIATEST", "111122223333", "arn:aws:sts::111122223333:assumed-role/r/s"),
    ] {
        let answer = ask("POST /", &[FORM, &signed(key, "eu-central-1", "sts")], form);
        let expected =
            format!("<GetCallerIdentityResult><Account>{account}</Account><Arn>{arn}</Arn></GetCallerIdentityResult>");
        assert!(answer.body.contains(&expected), "{}", answer.body);
        assert!(
            answer.body.starts_with("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">")
        );
    }
}

#[test]
fn maps_of_the_query_protocol_have_entries() {
    let form = "Action=Publish&Version=2010-03-31&Message=m&MessageAttributes.entry.1.Name=n\
                &MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=v";
    let answer = ask("POST /", &[FORM], form);
    assert!(answer.body.contains("<MessageId>n=Some(&quot;v&quot;)</MessageId>"), "{}", answer.body);
}

#[test]
fn violations_of_query_services_are_validation_errors() {
    let answer = ask("POST /", &[FORM, &signed("test", "us-east-1", "sns")], "Action=Publish&Version=2010-03-31");
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains(
            "<Code>ValidationError</Code><Message>1 validation error detected: Value null at 'message' failed to satisfy \
             constraint: Member must not be null</Message>"
        ),
        "{}",
        answer.body
    );
}
