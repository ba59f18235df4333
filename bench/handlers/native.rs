//! A runtime of its own: asks the Runtime API for events over one connection, and returns each.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;

fn main() {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").expect("the Runtime API");
    let mut stream = TcpStream::connect(&api).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    loop {
        let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {api}\r\n\r\n");
        stream.write_all(next.as_bytes()).expect("a request");
        let (head, event) = answer(&mut stream);
        let id = value(&head, "lambda-runtime-aws-request-id:").expect("a request id");
        let mut response = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {api}\r\ncontent-length: {}\r\n\r\n",
            event.len()
        )
        .into_bytes();
        response.extend(event);
        stream.write_all(&response).expect("a response");
        answer(&mut stream);
    }
}

/// The head in lower case, and the body.
fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = value(&head, "content-length:").and_then(|text| text.parse().ok()).unwrap_or(0);
            if read.len() >= end + 4 + length {
                return (head, read[end + 4..].to_vec());
            }
        }
        match stream.read(&mut buffer).expect("an answer") {
            0 => std::process::exit(0),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
