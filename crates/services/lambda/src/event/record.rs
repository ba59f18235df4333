//! The record that a destination gets of an asynchronous invocation.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::policy::Condition;

/// What the last attempt that ran came to; kept in the delivery's notes while the event waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) executed_version: String,
    /// AWS's word for the kind of error, `Unhandled`.
    pub(crate) function_error: Option<String>,
    /// JSON.
    pub(crate) payload: Box<RawValue>,
}

/// What a record tells.
pub(crate) struct Ended<'a> {
    pub(crate) at: Timestamp,
    pub(crate) request_id: &'a str,
    /// Qualified.
    pub(crate) function_arn: &'a str,
    pub(crate) condition: Condition,
    /// How often the code ran.
    pub(crate) attempts: u32,
    pub(crate) request: &'a [u8],
    /// Absent where the code never ran.
    pub(crate) response: Option<&'a Response>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

impl Ended<'_> {
    /// The record, JSON.
    pub(crate) fn record(&self) -> String {
        let record = Record {
            version: "1.0",
            timestamp: self.at.iso8601(),
            request_context: RequestContext {
                request_id: self.request_id,
                function_arn: self.function_arn,
                condition: self.condition.name(),
                approximate_invoke_count: self.attempts,
            },
            request_payload: json_of(self.request),
            response_context: self.response.map(|response| ResponseContext {
                status_code: 200,
                executed_version: &response.executed_version,
                function_error: response.function_error.as_deref(),
            }),
            response_payload: self.response.map(|response| &*response.payload),
        };
        serde_json::to_string(&record).expect("a record has only text keys")
    }
}

/// `bytes` as a JSON value: itself where it is one, else as a string; nothing is `null`.
pub(crate) fn json_of(bytes: &[u8]) -> Box<RawValue> {
    if bytes.is_empty() {
        return RawValue::NULL.to_owned();
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(bytes);
        serde_json::value::to_raw_value(&text).expect("a text is JSON")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended<'a>(condition: Condition, attempts: u32, response: Option<&'a Response>) -> Ended<'a> {
        Ended {
            at: Timestamp::from_secs(1_767_225_600),
            request_id: "id",
            function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
            condition,
            attempts,
            request: b"{\"n\":1.0}",
            response,
        }
    }

    #[test]
    fn records_are_those_of_aws() {
        let success = Response { executed_version: "$LATEST".into(), function_error: None, payload: json_of(b"null") };
        let failure = Response {
            executed_version: "$LATEST".into(),
            function_error: Some("Unhandled".into()),
            payload: json_of(b"{\"errorMessage\":\"no\"}"),
        };
        let context = |condition: &str, count: u32| {
            format!(
                "{{\"version\":\"1.0\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"requestContext\":{{\"requestId\":\"id\",\
                 \"functionArn\":\"arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST\",\"condition\":\"{condition}\",\
                 \"approximateInvokeCount\":{count}}},\"requestPayload\":{{\"n\":1.0}}"
            )
        };
        let cases = [
            (
                ended(Condition::Success, 1, Some(&success)),
                context("Success", 1)
                    + ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\"},\"responsePayload\":null}",
            ),
            (
                ended(Condition::RetriesExhausted, 3, Some(&failure)),
                context("RetriesExhausted", 3)
                    + ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\",\"functionError\":\"Unhandled\"},\
                       \"responsePayload\":{\"errorMessage\":\"no\"}}",
            ),
            (ended(Condition::ZeroReservedConcurrency, 0, None), context("ZeroReservedConcurrency", 0) + "}"),
        ];
        for (ended, expected) in cases {
            assert_eq!(ended.record(), expected);
        }
    }

    #[test]
    fn what_is_no_json_becomes_text() {
        assert_eq!(json_of(b"a\"b").get(), "\"a\\\"b\"");
        assert_eq!(json_of(b"").get(), "null");
    }
}
