//! Prints how many durable messages a second 64 callers send, and send, receive and delete, one by one and in
//! batches, over SQLite in a new folder below the one given; HTTP is not in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Entropy, RequestId, Scope};
use blob::Blobs;
use clock::Clock;
use fabric::{Fabric, Parts};
use model_sqs as model;
use wire::{Call, Caller, Operation, Shaped};

const MEASURED: Duration = Duration::from_secs(3);
const CALLERS: usize = 64;
const BODY_BYTES: usize = 1_024;

#[tokio::main]
async fn main() {
    let below = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(&below).expect("a folder");
    let parts = Parts {
        clock: Clock::real(),
        entropy: Entropy::system(),
        store: Arc::new(store::Sqlite::open(folder.path()).expect("opens")),
        blobs: Blobs::memory(Entropy::system()),
        journal: None,
        origin: "http://localhost".into(),
    };
    let fabric = Fabric::weave(parts).expect("woven");
    let sqs = kobel_sqs::Sqs::open(fabric.clone()).await.expect("opens");
    sqs.plug();
    for name in ["sent", "batched", "cycled"] {
        let input = model::CreateQueueRequest { queue_name: name.into(), ..Default::default() };
        call::<model::CreateQueue>(&fabric, input).await;
    }
    measure("send", send_one, &fabric).await;
    measure("send in batches of 10", send_batch, &fabric).await;
    measure("send, receive and delete", cycle, &fabric).await;
}

#[expect(clippy::disallowed_methods, reason = "measures durations")]
async fn measure<F: Future<Output = u64> + Send + 'static>(name: &str, once: fn(Fabric) -> F, fabric: &Fabric) {
    let started = Instant::now();
    let caller = |fabric: Fabric| async move {
        let mut messages = 0;
        while started.elapsed() < MEASURED {
            messages += once(fabric.clone()).await;
        }
        messages
    };
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(caller(fabric.clone()))).collect();
    let mut messages = 0;
    for caller in callers {
        messages += caller.await.expect("a caller ends");
    }
    println!("{name}: {:.0} messages/s", messages as f64 / started.elapsed().as_secs_f64());
}

async fn send(fabric: Fabric, queue: &str) -> u64 {
    let input =
        model::SendMessageRequest { queue_url: url(queue), message_body: "x".repeat(BODY_BYTES), ..Default::default() };
    call::<model::SendMessage>(&fabric, input).await;
    1
}

async fn send_one(fabric: Fabric) -> u64 {
    send(fabric, "sent").await
}

async fn send_batch(fabric: Fabric) -> u64 {
    let entries = (0..10).map(|n| model::SendMessageBatchRequestEntry {
        id: n.to_string(),
        message_body: "x".repeat(BODY_BYTES),
        ..Default::default()
    });
    let input = model::SendMessageBatchRequest { queue_url: url("batched"), entries: entries.collect() };
    call::<model::SendMessageBatch>(&fabric, input).await.successful.len() as u64
}

async fn cycle(fabric: Fabric) -> u64 {
    send(fabric.clone(), "cycled").await;
    let input = model::ReceiveMessageRequest { queue_url: url("cycled"), ..Default::default() };
    let messages = call::<model::ReceiveMessage>(&fabric, input).await.messages.unwrap_or_default();
    for message in &messages {
        let receipt_handle = message.receipt_handle.clone().expect("a receipt");
        let input = model::DeleteMessageRequest { queue_url: url("cycled"), receipt_handle };
        call::<model::DeleteMessage>(&fabric, input).await;
    }
    messages.len() as u64
}

fn url(queue: &str) -> String {
    format!("http://localhost/000000000000/{queue}")
}

async fn call<O: Operation>(fabric: &Fabric, input: O::Input) -> O::Output {
    let call = Call {
        request_id: RequestId::new(&fabric.entropy),
        scope: Scope::default(),
        caller: Caller::default(),
        trace: fabric.begin_trace(),
        origin: "http://localhost".into(),
        body: None,
    };
    let api = fabric.plugs.api("sqs").expect("plugged in");
    let reply = api.call(O::SCHEMA.name, call, input.into_fields()).await.expect("answered");
    O::Output::from_fields(reply.output).expect("an output")
}
