//! Streamed responses: of `provided.*` runtimes over the public Runtime API, and of Node.js functions.

use std::time::Duration;

use sandbox::{
    Environment, FunctionError, Isolation, Outcome, ResponsePart, ResponseReader, StreamLimits, response_stream,
};
use serde_json::json;

use crate::bench::{Bench, event, failure, make_executable, response};

/// A runtime that streams what the event says: texts, and `null` where it waits for the file `go`.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import base64, http.client, json, os, socket, time
host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')
def respond(name, event):
    headers = {'Transfer-Encoding': 'chunked', 'Lambda-Runtime-Function-Response-Mode': event.get('mode', 'streaming')}
    if 'type' in event:
        headers['Content-Type'] = event['type']
    if 'error' in event:
        headers['Trailer'] = 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body'
    head = f'POST /2018-06-01/runtime/invocation/{name}/response HTTP/1.1\r\nHost: {host}\r\n'
    head += ''.join(f'{key}: {value}\r\n' for key, value in headers.items())
    connection = socket.create_connection((host, int(port)))
    connection.sendall((head + '\r\n').encode())
    for text in event['chunks']:
        if text is None:
            while not os.path.exists('/var/task/go' if os.path.exists('/var/task') else os.environ['LAMBDA_TASK_ROOT'] + '/go'):
                time.sleep(0.001)
            continue
        text = text * event.get('times', 1)
        connection.sendall(f'{len(text):x}\r\n{text}\r\n'.encode())
    if event.get('end') == 'exit':
        os._exit(3)
    if event.get('end') == 'hang':
        time.sleep(1000)
    if event.get('end') == 'break':
        connection.close()
        return 0
    end = '0\r\n'
    if 'error' in event:
        body = base64.b64encode(json.dumps(event['error']).encode()).decode()
        end += f'Lambda-Runtime-Function-Error-Type: Function.Oops\r\nLambda-Runtime-Function-Error-Body: {body}\r\n'
    connection.sendall((end + '\r\n').encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status
while True:
    api = http.client.HTTPConnection(host, int(port))
    api.request('GET', '/2018-06-01/runtime/invocation/next')
    taken = api.getresponse()
    body = taken.read()
    if taken.status == 403:
        # The host has not yet seen that the last response broke off.
        continue
    event = json.loads(body)
    name = taken.headers['Lambda-Runtime-Aws-Request-Id']
    try:
        print('answered', respond(name, event), flush=True)
    except OSError as error:
        print('cut off', flush=True)
    if event.get('mode'):
        api.request('POST', f'/2018-06-01/runtime/invocation/{name}/response', b'"second"')
        api.getresponse().read()
"#;

async fn start(bench: &Bench) -> (Environment, std::path::PathBuf) {
    let code = bench.code(&[("bootstrap", BOOTSTRAP)]);
    make_executable(&code.join("bootstrap"));
    let mut spec = bench.spec("provided.al2023", "any", code.clone());
    spec.variables.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    (bench.start(spec).await, code)
}

/// Invokes in the background.
fn begin(
    environment: &Environment,
    payload: serde_json::Value,
    limits: StreamLimits,
) -> (tokio::task::JoinHandle<Outcome>, ResponseReader) {
    let (sender, reader) = response_stream(limits);
    let environment = environment.clone();
    let invocation = event(&payload.to_string());
    (tokio::spawn(async move { environment.invoke_streaming(invocation, sender).await }), reader)
}

/// The content type and the text of a whole response.
async fn read(mut reader: ResponseReader) -> (Option<String>, String) {
    let (mut kind, mut text) = (None, String::new());
    while let Some(part) = reader.next().await {
        match part {
            ResponsePart::Begin { content_type } => kind = Some(content_type),
            ResponsePart::Chunk(bytes) => text += std::str::from_utf8(&bytes).unwrap(),
        }
    }
    (kind, text)
}

pub async fn chunks_come_before_the_function_ends(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, code) = start(&bench).await;
    let chunks = json!({"chunks": ["one ", null, "two"], "type": "text/plain"});
    let (running, mut reader) = begin(&environment, chunks, StreamLimits::default());
    assert_eq!(reader.next().await, Some(ResponsePart::Begin { content_type: "text/plain".to_owned() }));
    assert_eq!(reader.next().await, Some(ResponsePart::Chunk("one ".into())));
    // Only now may the function go on.
    std::fs::write(code.join("go"), "").unwrap();
    assert_eq!(read(reader).await, (None, "two".to_owned()));
    let outcome = running.await.unwrap();
    assert!(outcome.reusable);
    assert_eq!(outcome.result.unwrap().len(), 0);
    let (running, reader) = begin(&environment, json!({"chunks": ["again"]}), StreamLimits::default());
    assert_eq!(read(reader).await, (Some("application/octet-stream".to_owned()), "again".to_owned()));
    running.await.unwrap().result.unwrap();
}

pub async fn collects_a_stream_for_a_plain_invocation(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = start(&bench).await;
    let outcome = environment.invoke(event(&json!({"chunks": ["[1,", "2]"]}).to_string())).await;
    assert_eq!(response(outcome, &bench.lines), json!([1, 2]));
    let large = json!({"chunks": ["x"], "times": 6_291_557});
    let outcome = environment.invoke(event(&large.to_string())).await;
    assert!(matches!(outcome.result, Err(FunctionError::ResponseTooLarge { bytes_max: 6_291_556 })));
    let outcome =
        environment.invoke(event(&json!({"chunks": ["1"], "error": {"errorMessage": "m"}}).to_string())).await;
    assert_eq!(failure(outcome), json!({"errorMessage": "m"}));
}

pub async fn errors_mid_stream_are_told_by_trailers(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = start(&bench).await;
    let chunks = json!({"chunks": ["half"], "error": {"errorType": "Oops", "errorMessage": "no more"}});
    let (running, reader) = begin(&environment, chunks, StreamLimits::default());
    assert_eq!(read(reader).await.1, "half");
    let outcome = running.await.unwrap();
    assert!(outcome.reusable);
    assert!(matches!(&outcome.result, Err(FunctionError::Handler { error_type, .. }) if error_type == "Function.Oops"));
    assert_eq!(failure(outcome), json!({"errorType": "Oops", "errorMessage": "no more"}));
}

pub async fn a_stream_ends_with_its_function(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = start(&bench).await;
    let (running, reader) = begin(&environment, json!({"chunks": ["half"], "end": "break"}), StreamLimits::default());
    assert_eq!(read(reader).await.1, "half");
    assert!(matches!(running.await.unwrap().result, Err(FunctionError::TruncatedResponse)));
    let (running, reader) = begin(&environment, json!({"chunks": ["half"], "end": "exit"}), StreamLimits::default());
    assert_eq!(read(reader).await.1, "half");
    let outcome = running.await.unwrap();
    assert!(!outcome.reusable);
    assert!(matches!(outcome.result, Err(FunctionError::Exited { exit: sandbox::Exit::Code(3) })), "{outcome:?}");

    let (environment, _) = start(&bench).await;
    let (sender, reader) = response_stream(StreamLimits::default());
    let mut invocation = event(&json!({"chunks": ["half"], "end": "hang"}).to_string());
    invocation.deadline = Duration::from_secs(2);
    let outcome = environment.invoke_streaming(invocation, sender).await;
    assert_eq!(read(reader).await.1, "half");
    assert!(matches!(outcome.result, Err(FunctionError::Timeout { .. })));
}

pub async fn a_stream_has_its_limit(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = start(&bench).await;
    let limits = StreamLimits { bytes_max: 5, ..StreamLimits::default() };
    let (running, reader) = begin(&environment, json!({"chunks": ["abc", "def"]}), limits);
    assert_eq!(read(reader).await.1, "abcde");
    let outcome = running.await.unwrap();
    assert!(outcome.reusable);
    assert!(matches!(outcome.result, Err(FunctionError::ResponseTooLarge { bytes_max: 5 })));
    let (running, reader) = begin(&environment, json!({"chunks": ["abc"]}), limits);
    assert_eq!(read(reader).await.1, "abc");
    running.await.unwrap().result.unwrap();
}

pub async fn the_function_goes_on_when_nobody_reads(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = start(&bench).await;
    let chunks = json!({"chunks": ["x", "y", "z"], "times": 1_500_000});
    let (running, mut reader) = begin(&environment, chunks, StreamLimits::default());
    assert!(matches!(reader.next().await, Some(ResponsePart::Begin { .. })));
    drop(reader);
    let outcome = running.await.unwrap();
    assert!(outcome.reusable);
    outcome.result.unwrap();
}

pub async fn refuses_an_unknown_response_mode(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = start(&bench).await;
    let outcome = environment.invoke(event(&json!({"chunks": ["1"], "mode": "dripping"}).to_string())).await;
    assert_eq!(failure(outcome)["errorType"], "Runtime.InvalidResponseModeHeader");
    response(environment.invoke(event(&json!({"chunks": ["1"]}).to_string())).await, &bench.lines);
    assert!(bench.lines.text().starts_with("answered 400\n"), "{}", bench.lines.text());
}

const NODE: &str = r#"
const fs = require('fs');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const stream = (handler, options) => awslambda.streamifyResponse(handler, options);
exports.waits = stream(async (event, out) => {
  out.setContentType('text/plain');
  out.write('one ');
  while (!fs.existsSync(`${process.env.LAMBDA_TASK_ROOT}/go`)) await new Promise((done) => setTimeout(done, 1));
  out.end('two');
});
exports.pipes = stream(async (event, out) => {
  const source = Readable.from(['a', Buffer.from('b'), 'c']);
  await pipeline(source, out);
}, { highWaterMark: 1 });
exports.object = stream(async (event, out) => { out.write({ got: event }); out.end(); });
exports.http = stream(async (event, out) => {
  out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { a: 'b' } });
  out.write('body');
  out.end();
});
exports.bare = stream(async (event, out) => { awslambda.HttpResponseStream.from(out, { statusCode: 204 }).end(); });
exports.early = stream(async () => { throw new TypeError('early'); });
exports.mid = stream(async (event, out) => { out.write('half'); throw new TypeError('mid'); });
exports.destroys = stream(async (event, out) => { out.write('half'); out.destroy(new RangeError('gone')); });
exports.thrown = stream(async (event, out) => {
  out.write('half');
  setTimeout(() => { throw new Error('late'); }, 1);
  await new Promise(() => {});
});
exports.open = stream(async (event, out) => { out.write('half'); });
exports.plain = stream((event, out) => { out.end('x'); });
exports.late = stream(async (event, out) => { out.write('half'); out.setContentType('text/plain'); });
exports.large = stream(async (event, out) => {
  for (let left = event; left > 0; left -= 1000) {
    if (!out.write('x'.repeat(1000))) await new Promise((done) => out.once('drain', done));
  }
  out.end();
});
exports.returned = async () => 'whole';
exports.strange = async () => {};
exports.strange[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'request';
"#;

async fn node(bench: &Bench, handler: &str) -> (Environment, std::path::PathBuf) {
    let code = bench.code(&[("index.js", NODE)]);
    (bench.start(bench.spec("nodejs20.x", &format!("index.{handler}"), code.clone())).await, code)
}

pub async fn node_streams_what_a_handler_writes(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, code) = node(&bench, "waits").await;
    let (running, mut reader) = begin(&environment, json!({}), StreamLimits::default());
    assert_eq!(reader.next().await, Some(ResponsePart::Begin { content_type: "text/plain".to_owned() }));
    assert_eq!(reader.next().await, Some(ResponsePart::Chunk("one ".into())));
    std::fs::write(code.join("go"), "").unwrap();
    assert_eq!(read(reader).await, (None, "two".to_owned()));
    assert!(running.await.unwrap().reusable);

    let http = "application/vnd.awslambda.http-integration-response";
    let cases = [
        ("pipes", "application/octet-stream", "abc"),
        ("object", "application/octet-stream", r#"{"got":{}}"#),
        ("http", http, "{\"statusCode\":201,\"headers\":{\"a\":\"b\"}}\0\0\0\0\0\0\0\0body"),
        ("bare", http, "{\"statusCode\":204}\0\0\0\0\0\0\0\0"),
        ("returned", "application/json", "\"whole\""),
    ];
    for (handler, content_type, text) in cases {
        let (environment, _) = node(&bench, handler).await;
        for _ in 0..2 {
            let (running, reader) = begin(&environment, json!({}), StreamLimits::default());
            assert_eq!(read(reader).await, (Some(content_type.to_owned()), text.to_owned()), "{handler}");
            let outcome = running.await.unwrap();
            assert!(outcome.reusable && outcome.result.is_ok(), "{handler}: {outcome:?}");
        }
    }
    let (environment, _) = node(&bench, "object").await;
    let outcome = environment.invoke(event("[1]")).await;
    assert_eq!(response(outcome, &bench.lines), json!({"got": [1]}));
}

pub async fn node_tells_errors_of_a_stream(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let unfinished = "Response stream is not finished.";
    let cases = [
        ("early", "", "TypeError", "early", true),
        ("mid", "half", "TypeError", "mid", true),
        ("destroys", "half", "RangeError", "gone", true),
        ("thrown", "half", "Error", "late", false),
        ("open", "half", "Runtime.InvalidStreamingOperation", unfinished, true),
        ("plain", "x", "Runtime.MalformedStreamingHandler", "Streaming does not support non-async handlers.", true),
        ("late", "half", "Runtime.InvalidStreamingOperation", "Cannot set content-type, too late.", true),
    ];
    for (handler, text, error_type, message, reusable) in cases {
        let (environment, _) = node(&bench, handler).await;
        let (running, reader) = begin(&environment, json!({}), StreamLimits::default());
        let sent = read(reader).await.1;
        let outcome = running.await.unwrap();
        assert_eq!(outcome.reusable, reusable, "{handler}");
        let error = failure(outcome);
        assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!(error_type), &json!(message)), "{handler}");
        assert_eq!(sent, text, "{handler}");
    }
    let code = bench.code(&[("index.js", NODE)]);
    let started = bench.try_start(bench.spec("nodejs20.x", "index.strange", code)).await;
    let error = started.err().expect("it must fail");
    assert_eq!(error.error_type(), "Runtime.MalformedStreamingHandler");
}

pub async fn node_is_held_back_and_limited(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (environment, _) = node(&bench, "large").await;
    let (running, reader) = begin(&environment, json!(3_000_000), StreamLimits::default());
    assert_eq!(read(reader).await.1.len(), 3_000_000);
    assert!(running.await.unwrap().result.is_ok());
    let limits = StreamLimits { bytes_max: 2_500, ..StreamLimits::default() };
    let (running, reader) = begin(&environment, json!(5_000), limits);
    assert_eq!(read(reader).await.1.len(), 2_500);
    let outcome = running.await.unwrap();
    assert!(outcome.reusable);
    assert!(matches!(outcome.result, Err(FunctionError::ResponseTooLarge { bytes_max: 2_500 })), "{outcome:?}");
}
