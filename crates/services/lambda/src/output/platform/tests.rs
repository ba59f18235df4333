use super::*;

fn report(status: Status, error_type: Option<&'static str>, init: Option<u64>) -> Report<'static> {
    Report {
        request_id: "r",
        duration: Duration::from_micros(3_014),
        init_duration: init.map(Duration::from_micros),
        restore_duration: None,
        memory_mb: 128,
        max_memory_mb: 36,
        status,
        error_type,
    }
}

#[test]
fn text_lines_are_those_of_aws() {
    let cases = [
        (Platform::Start { request_id: "r", version: "$LATEST", trace: "t" }, "START RequestId: r Version: $LATEST\n"),
        (Platform::End { request_id: "r" }, "END RequestId: r\n"),
        (
            Platform::Report(report(Status::Success, None, None)),
            "REPORT RequestId: r\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n",
        ),
        (
            Platform::Report(report(Status::HandlerError, Some("ValueError"), Some(110_100))),
            "REPORT RequestId: r\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n",
        ),
        (
            Platform::Report(report(Status::Timeout, Some("Sandbox.Timedout"), None)),
            "REPORT RequestId: r\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout\n",
        ),
        (
            Platform::Report(report(Status::Failure, Some("Runtime.ExitError"), None)),
            "REPORT RequestId: r\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: error\tError Type: Runtime.ExitError\n",
        ),
        (
            Platform::InitReport {
                phase: "init",
                duration: Duration::from_micros(10_000_070),
                error_type: Some("Sandbox.Timedout"),
            },
            "INIT_REPORT Init Duration: 10000.07 ms\tPhase: init\tStatus: timeout\n",
        ),
        (
            Platform::InitReport {
                phase: "invoke",
                duration: Duration::from_micros(1_236_040),
                error_type: Some("Runtime.ExitError"),
            },
            "INIT_REPORT Init Duration: 1236.04 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n",
        ),
    ];
    let types = ["platform".to_owned(), "function".to_owned()];
    let subscription = Platform::Subscription { name: "x", types: &types, logs: false };
    let expected = "TELEMETRY\tName: x\tState: Subscribed\tTypes: [Platform, Function]\n";
    assert_eq!(subscription.text().as_deref(), Some(expected));
    assert_eq!(Platform::InitRuntimeDone { phase: "init", error_type: None }.text(), None);
    for (line, expected) in cases {
        assert_eq!(line.text().as_deref(), Some(expected));
    }
}

#[test]
fn json_lines_are_filtered_by_level() {
    let start = Platform::Start { request_id: "r", version: "1", trace: "t" };
    let expected = "{\"record\":{\"requestId\":\"r\",\"version\":\"1\"},\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"platform.start\"}\n";
    let line = start.json(Timestamp::EPOCH, Level::Info).expect("a line");
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(parse(&line), parse(expected));
    assert!(start.json(Timestamp::EPOCH, Level::Warn).is_none());
    let failed = Platform::Report(report(Status::Failure, Some("Runtime.ExitError"), None));
    let line = parse(&failed.json(Timestamp::EPOCH, Level::Warn).expect("a line"));
    assert_eq!(line["record"]["status"], "failure");
    assert_eq!(line["record"]["metrics"]["billedDurationMs"], 4);
}

#[test]
fn telemetry_is_told_of_the_trace() {
    let start = Platform::Start { request_id: "r", version: "1", trace: "Root=1" };
    assert_eq!(start.record()["tracing"], json!({"type": "X-Amzn-Trace-Id", "value": "Root=1"}));
    let done = RuntimeDone {
        request_id: "r",
        duration: Duration::from_millis(2),
        produced_bytes: 4,
        status: Status::Failure,
        error_type: Some("Runtime.ExitError"),
        trace: "Root=1",
    };
    let record = Platform::RuntimeDone(done).record();
    assert_eq!((&record["status"], &record["errorType"]), (&json!("failure"), &json!("Runtime.ExitError")));
    assert_eq!(record["metrics"], json!({"durationMs": 2.0, "producedBytes": 4}));
}
