use std::sync::Arc;

use fabric::Fabric;
use serde_json::{Value, json};
use wire::Services;

use crate::ledger::{Ledger, Upload};
use crate::machine::{BUCKET, Machine, ORIGIN, TOPIC, invoke};

/// What clients do, each in a task of its own.
#[derive(Clone)]
pub struct Client {
    fabric: Fabric,
    services: Arc<Services>,
    ledger: Ledger,
}

impl Client {
    pub fn new(machine: &Machine, ledger: &Ledger) -> Client {
        Client { fabric: machine.fabric.clone(), services: machine.services.clone(), ledger: ledger.clone() }
    }

    /// Uploads `number` bytes.
    pub async fn upload(self, key: String, number: usize) {
        let upload = Upload { key: key.clone(), acknowledged: false, open: true };
        self.ledger.lock().uploads.insert(number, upload);
        let input = json!({ "Bucket": BUCKET, "Key": key, "Body": body(number) });
        let outcome = self.call("s3", "PutObject", input).await;
        let mut entries = self.ledger.lock();
        let upload = entries.uploads.get_mut(&number).expect("it was begun");
        (upload.open, upload.acknowledged) = (false, outcome.is_some());
        entries.history.uploads += u64::from(outcome.is_some());
        entries.history.uploads_failed += u64::from(outcome.is_none());
    }

    pub async fn publish(self, number: usize) {
        self.ledger.lock().published.insert(number, false);
        let message = json!({ "number": number }).to_string();
        let outcome = self.call("sns", "Publish", json!({ "TopicArn": TOPIC, "Message": message })).await;
        let mut entries = self.ledger.lock();
        entries.published.insert(number, outcome.is_some());
        entries.history.publications += u64::from(outcome.is_some());
        entries.history.publications_failed += u64::from(outcome.is_none());
    }

    /// Receives messages and deletes them; returns how many it received, `None` if that failed.
    pub async fn receive(self, queue: &'static str, visibility_s: u64) -> Option<usize> {
        let url = format!("{ORIGIN}/000000000000/{queue}");
        let deleted = self.ledger.lock().deleted.get(queue).cloned().unwrap_or_default();
        let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": visibility_s });
        let messages = self.call("sqs", "ReceiveMessage", input).await?;
        let messages = messages["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let id = message["MessageId"].as_str().expect("an id").to_owned();
            assert!(!deleted.contains(&id), "{queue} gives out {id} again, whose deletion it had acknowledged");
            let number = number(message);
            let mut entries = self.ledger.lock();
            let first = entries.arrived.entry(queue).or_default().insert(number);
            entries.history.receptions += 1;
            entries.history.repetitions += u64::from(!first);
        }
        for message in &messages {
            let input = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            if self.call("sqs", "DeleteMessage", input).await.is_some() {
                let id = message["MessageId"].as_str().expect("an id").to_owned();
                let mut entries = self.ledger.lock();
                entries.deleted.entry(queue).or_default().insert(id);
                entries.history.deletions += 1;
            }
        }
        Some(messages.len())
    }

    /// The number of the upload that a key shows.
    pub async fn look(&self, key: &str) -> Option<usize> {
        let input = json!({ "Bucket": BUCKET, "Key": key });
        let object = invoke(&self.fabric, &self.services, "s3", "GetObject", input).await;
        match object {
            Ok(object) => {
                let text = object["Body"].as_str().expect("a body");
                assert_eq!(text, body(text.len()), "the body of {key} is one that was sent");
                Some(text.len())
            }
            Err(error) => {
                assert_eq!(error.code, "NoSuchKey", "{error}");
                None
            }
        }
    }

    /// An operation's output; `None` if the service failed. Nobody here asks for what a service may refuse.
    async fn call(&self, service: &str, operation: &str, input: Value) -> Option<Value> {
        match invoke(&self.fabric, &self.services, service, operation, input).await {
            Ok(output) => Some(output),
            Err(error) => {
                assert!(error.status >= 500, "{operation}: {error}");
                None
            }
        }
    }
}

fn body(number: usize) -> String {
    char::from(b'a' + u8::try_from(number % 26).expect("below 26")).to_string().repeat(number)
}

/// The number in a message, bare or in an envelope.
fn number(message: &Value) -> usize {
    let parse = |text: &Value| -> Value { serde_json::from_str(text.as_str().expect("text")).expect("JSON") };
    let mut body = parse(&message["Body"]);
    if body.get("Message").is_some() {
        body = parse(&body["Message"]);
    }
    body["number"].as_u64().expect("a number") as usize
}
