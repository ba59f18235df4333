//! One client: a connection that is kept, and one request after another.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::request::Request;
use crate::response::Head;

/// How long an answer may take: a cold start on a loaded machine, and much more.
const ANSWER_S_MAX: u64 = 60;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = std::str::from_utf8(&self.head).ok()?.split("\r\n");
        let mut pairs = lines.filter_map(|line| line.split_once(':'));
        pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Connection {
    pub fn open(port: u16) -> io::Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_S_MAX)))?;
        Ok(Connection { stream, buffer: vec![0; 64 * 1024] })
    }

    pub fn send(&mut self, request: &Request) -> Result<Answer, String> {
        self.stream.write_all(&request.0).map_err(|error| format!("failed to send a request: {error}"))?;
        let mut read = Vec::new();
        let head = loop {
            self.read_more(&mut read)?;
            if let Some(head) = Head::parse(&read)? {
                break head;
            }
        };
        while read.len() < head.head_bytes + head.body_bytes {
            self.read_more(&mut read)?;
        }
        let body = read.split_off(head.head_bytes);
        Ok(Answer { status: head.status, head: read, body })
    }

    /// Sends, and fails on any status but success.
    pub fn expect(&mut self, request: &Request) -> Result<Answer, String> {
        let answer = self.send(request)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let line = request.0.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let (line, body) = (String::from_utf8_lossy(line), String::from_utf8_lossy(&answer.body));
        Err(format!("`{line}` was answered with {}: {body}", answer.status))
    }

    pub fn json(&mut self, request: &Request) -> Result<Value, String> {
        let answer = self.expect(request)?;
        serde_json::from_slice(&answer.body).map_err(|error| format!("an answer is no JSON: {error}"))
    }

    fn read_more(&mut self, read: &mut Vec<u8>) -> Result<(), String> {
        match self.stream.read(&mut self.buffer) {
            Ok(0) => Err("the connection was closed".into()),
            Ok(count) => {
                read.extend_from_slice(&self.buffer[..count]);
                Ok(())
            }
            Err(error) => Err(format!("failed to read an answer: {error}")),
        }
    }
}
