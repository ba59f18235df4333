//! What AWS writes to the log of an invocation that failed, between the function's own lines and END.

use std::time::Duration;

use base::Timestamp;
use serde_json::Value;

/// The function's timeout has passed.
pub(super) fn timed_out(at: Timestamp, request_id: &str, after: Duration) -> String {
    format!("{at} {request_id} Task timed out after {:.2} seconds\n\n", after.as_secs_f64())
}

/// The runtime could not go on: the text that the caller gets, and its type.
pub(super) fn broke_down(payload: &[u8], error_type: &str) -> String {
    let error: Value = serde_json::from_slice(payload).unwrap_or_default();
    format!("{}\n{error_type}\n", error["errorMessage"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_the_text_of_the_error_and_its_type() {
        let payload =
            br#"{"errorType":"t","errorMessage":"RequestId: r Error: Runtime exited with error: signal: killed"}"#;
        let expected = "RequestId: r Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n";
        assert_eq!(broke_down(payload, "Runtime.ExitError"), expected);
        let at = Timestamp::EPOCH;
        let expected = format!("{at} r Task timed out after 1.50 seconds\n\n");
        assert_eq!(timed_out(at, "r", Duration::from_millis(1500)), expected);
    }
}
