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
        (Platform::Start { request_id: "r", version: "$LATEST" }, "START RequestId: r Version: $LATEST\n"),
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
                error_type: "Sandbox.Timedout",
            },
            "INIT_REPORT Init Duration: 10000.07 ms\tPhase: init\tStatus: timeout\n",
        ),
        (
            Platform::InitReport {
                phase: "invoke",
                duration: Duration::from_micros(1_236_040),
                error_type: "Runtime.ExitError",
            },
            "INIT_REPORT Init Duration: 1236.04 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(line.text(), expected);
    }
}

#[test]
fn json_lines_are_filtered_by_level() {
    let start = Platform::Start { request_id: "r", version: "1" };
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
