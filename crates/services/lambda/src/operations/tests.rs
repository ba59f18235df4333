//! The control plane as callers see it: with a store in memory, and no environments.

mod functions;
mod mappings;
mod policies;
mod stacks;

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;

use base::{Arn, Entropy, Scope, Timestamp};
use bytes::Bytes;
use clock::Clock;
use fabric::{
    Delivery, Fabric, Outcome, Parts, QueueFacts, QueueMessage, QueueSource, Refusal, Sender, SourceError, Target, Wait,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model_lambda::{CreateFunctionRequest, FunctionCode};
use wire::Call;

use crate::environment::{Environment, Environments};
use crate::service::{Lambda, Settings};

const ROLE: &str = "arn:aws:iam::000000000000:role/r";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:work";
const SLOW_QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:slow";

/// The service on a data folder of its own.
struct World {
    lambda: Arc<Lambda>,
    fabric: Fabric,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> World {
        let parts = Parts {
            clock: Clock::virtual_from(Timestamp::from_secs(1_767_225_600)),
            entropy: Entropy::seeded(1),
            store: Arc::new(store::Memory::new()),
            blobs: blob::Blobs::memory(Entropy::seeded(2)),
            journal: None,
            origin: "http://127.0.0.1:4566".into(),
        };
        let fabric = Fabric::weave(parts).unwrap();
        fabric.plugs.add_target("sqs", Arc::new(Queues));
        fabric.plugs.add_queue_source("sqs", Arc::new(Queues));
        let folder = tempfile::tempdir().unwrap();
        let lambda = open(&fabric, &folder).await;
        World { lambda, fabric, folder }
    }

    /// As it is after a restart.
    async fn restarted(self) -> World {
        let lambda = open(&self.fabric, &self.folder).await;
        World { lambda, ..self }
    }

    fn lambda(&self) -> Arc<Lambda> {
        self.lambda.clone()
    }

    fn call(&self) -> Call {
        self.fabric.call_from("test", Scope::default(), self.fabric.begin_trace())
    }

    /// Makes the function `name` whose code is `source`.
    async fn make(&self, name: &str, source: &str) -> model_lambda::FunctionConfiguration {
        let made = super::create_function::create_function(self.lambda(), self.call(), request(name, source));
        made.await.unwrap()
    }
}

async fn open(fabric: &Fabric, folder: &tempfile::TempDir) -> Arc<Lambda> {
    let settings = Settings {
        data_dir: folder.path().to_owned(),
        concurrency: 1_000,
        endpoint_url: "http://127.0.0.1:4566".into(),
        standby_memory_mb: 0,
    };
    let lambda = Lambda::open_with(fabric.clone(), Arc::new(Nothing), settings).await.unwrap();
    lambda.plug();
    lambda
}

fn request(name: &str, source: &str) -> CreateFunctionRequest {
    CreateFunctionRequest {
        function_name: name.into(),
        role: ROLE.into(),
        runtime: Some("python3.12".into()),
        handler: Some("index.handler".into()),
        code: FunctionCode { zip_file: Some(zip_of(source)), ..FunctionCode::default() },
        ..CreateFunctionRequest::default()
    }
}

fn zip_of(source: &str) -> Bytes {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.py", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner().into()
}

fn arn(rest: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{rest}")
}

/// Two queues, of which one hides messages for long.
struct Queues;

impl Target for Queues {
    fn check<'a>(&'a self, target: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        let known = [QUEUE, SLOW_QUEUE].contains(&target.to_string().as_str());
        async move { known.then_some(()).ok_or(Refusal::Missing) }.boxed()
    }

    fn deliver<'a>(&'a self, _: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async { Outcome::Done { next: Vec::new() } }.boxed()
    }
}

impl QueueSource for Queues {
    fn facts<'a>(&'a self, queue: &'a Arn) -> BoxFuture<'a, Result<QueueFacts, SourceError>> {
        let facts = |visibility_timeout_s| Ok(QueueFacts { fifo: false, visibility_timeout_s });
        let facts = match queue.to_string().as_str() {
            QUEUE => facts(30),
            SLOW_QUEUE => facts(900),
            other => Err(SourceError::Missing(other.to_owned())),
        };
        async { facts }.boxed()
    }

    fn receive<'a>(&'a self, _: &'a Arn, _: usize, _: Wait) -> BoxFuture<'a, Result<Vec<QueueMessage>, SourceError>> {
        std::future::pending().boxed()
    }

    fn delete<'a>(&'a self, _: &'a Arn, _: &'a [String]) -> BoxFuture<'a, Result<(), SourceError>> {
        async { Ok(()) }.boxed()
    }

    fn release<'a>(&'a self, _: &'a Arn, _: &'a [String], _: Duration) -> BoxFuture<'a, Result<(), SourceError>> {
        async { Ok(()) }.boxed()
    }
}

/// The control plane starts nothing.
struct Nothing;

impl Environments for Nothing {
    fn start<'a>(
        &'a self,
        _: sandbox::EnvironmentSpec,
        _: Arc<dyn sandbox::Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Environment>, sandbox::StartError>> {
        unreachable!("nothing is invoked")
    }

    fn make_template<'a>(
        &'a self,
        _: sandbox::EnvironmentSpec,
        _: Arc<dyn sandbox::Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn crate::environment::Template>, sandbox::StartError>> {
        unreachable!("nothing has SnapStart")
    }
}
