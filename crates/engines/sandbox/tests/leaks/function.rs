//! The function: a native program that speaks the Runtime API and answers events with themselves.

use std::io::{Read, Write};
use std::net::TcpStream;

/// An event upon which it leaves.
pub const EXIT: &str = "\"exit\"";
/// An event that it never answers.
pub const HANG: &str = "\"hang\"";

pub fn run(api: &str) {
    let mut stream = TcpStream::connect(api).expect("the Runtime API");
    loop {
        let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: api\r\n\r\n";
        stream.write_all(next.as_bytes()).expect("a request");
        let (head, event) = answer(&mut stream);
        match event.as_str() {
            EXIT => std::process::exit(3),
            HANG => loop {
                std::thread::park();
            },
            _ => {}
        }
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: ")).expect("an id");
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        let response = format!("POST {path} HTTP/1.1\r\nhost: api\r\ncontent-length: {}\r\n\r\n{event}", event.len());
        stream.write_all(response.as_bytes()).expect("a response");
        answer(&mut stream);
    }
}

/// Head, in lower case, and body of the next answer.
fn answer(stream: &mut TcpStream) -> (String, String) {
    let mut read = Vec::new();
    let head_bytes = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, &mut read);
    };
    let head = String::from_utf8_lossy(&read[..head_bytes]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    while read.len() < head_bytes + length {
        read_more(stream, &mut read);
    }
    (head, String::from_utf8_lossy(&read[head_bytes..]).into_owned())
}

fn read_more(stream: &mut TcpStream, read: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer).expect("an answer") {
        0 => std::process::exit(0),
        count => read.extend_from_slice(&buffer[..count]),
    }
}
