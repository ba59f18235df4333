//! Many clients at once, on one thread: the machine's cores are the server's.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::request::Request;
use crate::response::Head;

/// What a load is: each client sends the same request again as soon as it is answered.
pub struct Load {
    pub port: u16,
    pub clients: usize,
    pub request: Request,
    /// The status of an answer that counts; any other ends the load with an error.
    pub status: u16,
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What came of it.
pub struct Outcome {
    /// The latency of each answer in the measured time, in microseconds.
    pub latencies_us: Vec<u64>,
    pub per_second: f64,
}

impl Load {
    pub fn run(self) -> Result<Outcome, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("failed to start the clients: {error}"))?;
        runtime.block_on(self.drive())
    }

    async fn drive(self) -> Result<Outcome, String> {
        let load = Arc::new(self);
        let begin = Instant::now() + load.warm_up;
        let end = begin + load.measured;
        let mut clients = JoinSet::new();
        for _ in 0..load.clients {
            clients.spawn(client(load.clone(), begin, end));
        }
        let mut latencies_us = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies_us.extend(client.map_err(|error| format!("a client failed: {error}"))??);
        }
        let per_second = latencies_us.len() as f64 / load.measured.as_secs_f64();
        Ok(Outcome { latencies_us, per_second })
    }
}

/// Sends until `end`; returns the latencies of what was answered after `begin`.
async fn client(load: Arc<Load>, begin: Instant, end: Instant) -> Result<Vec<u64>, String> {
    let broken = |error: io::Error| format!("a connection broke: {error}");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, load.port)).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let mut latencies_us = Vec::new();
    let mut read = Vec::with_capacity(4096);
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(latencies_us);
        }
        stream.write_all(&load.request.0).await.map_err(broken)?;
        let head = answer(&mut stream, &mut read).await?;
        let answered = Instant::now();
        if head.status != load.status {
            let body = String::from_utf8_lossy(&read[head.head_bytes..]).into_owned();
            return Err(format!("a request was answered with {}: {body}", head.status));
        }
        if answered >= begin && answered < end {
            latencies_us.push((answered - sent).as_micros() as u64);
        }
    }
}

async fn answer(stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Head, String> {
    read.clear();
    loop {
        let count = stream.read_buf(read).await.map_err(|error| format!("a connection broke: {error}"))?;
        if count == 0 {
            return Err("the server closed a connection".into());
        }
        match Head::parse(read)? {
            Some(head) if read.len() >= head.head_bytes + head.body_bytes => return Ok(head),
            _ => {}
        }
    }
}
