//! A world of fake resources, for tests: what the template says of a resource decides how its provider behaves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base::{Entropy, RequestId, Scope, Timestamp};
use clock::Clock;
use fabric::{Change, Fabric, Parts, ProviderError, Resource, ResourceContext, ResourceProvider, Updated};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model_cloudformation as model;
use serde_json::{Map, Value};
use store::Memory;
use tokio::sync::{Barrier, Semaphore};

use crate::service::CloudFormation;

pub const TYPE: &str = "Test::Fake::Thing";

/// The fake provider and what it has made.
pub struct World {
    /// Physical ids with their properties.
    pub things: Mutex<BTreeMap<String, Map<String, Value>>>,
    /// What was done, in order: `create A`.
    pub log: Mutex<Vec<String>>,
    /// Creations with `Meet` wait until this many are under way.
    pub barrier: Barrier,
    /// Creations with `Gate` wait for a permit.
    pub gate: Semaphore,
    /// Things that can't be deleted, by logical id.
    pub stuck: Mutex<Vec<String>>,
}

impl World {
    pub fn new(meeting: usize) -> Arc<World> {
        Arc::new(World {
            things: Mutex::default(),
            log: Mutex::default(),
            barrier: Barrier::new(meeting),
            gate: Semaphore::new(0),
            stuck: Mutex::default(),
        })
    }

    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        self.things.lock().unwrap().keys().cloned().collect()
    }

    fn note(&self, action: &str, context: &ResourceContext) {
        self.log.lock().unwrap().push(format!("{action} {}", context.logical_id));
    }

    fn made(&self, physical_id: &str, properties: &Map<String, Value>) -> Resource {
        self.things.lock().unwrap().insert(physical_id.to_owned(), properties.clone());
        Resource::new(physical_id).with("Arn", format!("arn:{physical_id}"))
    }
}

pub struct Things(pub Arc<World>);

impl ResourceProvider for Things {
    fn types(&self) -> &'static [&'static str] {
        &[TYPE]
    }

    fn check(&self, _: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
        match properties.get("Invalid") {
            Some(_) => Err(ProviderError::invalid("Properties/Invalid", "this is wrong")),
            None => Ok(()),
        }
    }

    fn change(&self, _: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        Change::between(old, new, &["Key", "ThingName"])
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        async move {
            self.0.note("create", context);
            if properties.contains_key("Meet") {
                self.0.barrier.wait().await;
            }
            if properties.contains_key("Gate") {
                self.0.gate.acquire().await.unwrap().forget();
            }
            if properties.get("Fail") == Some(&"create".into()) {
                return Err(ProviderError::failed("no luck"));
            }
            let name = properties.get("ThingName").and_then(Value::as_str).map(str::to_owned);
            let physical_id = name.unwrap_or_else(|| context.generated_name(64));
            Ok(self.0.made(&physical_id, properties))
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        _: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>> {
        async move {
            self.0.note("update", context);
            if new.get("Fail") == Some(&"update".into()) {
                return Err(ProviderError::failed("no luck"));
            }
            Ok(Updated { resource: self.0.made(physical_id, new) })
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        _: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            self.0.note("delete", context);
            if self.0.stuck.lock().unwrap().contains(&context.logical_id) {
                return Err(ProviderError::failed("it is stuck"));
            }
            self.0.things.lock().unwrap().remove(physical_id);
            Ok(())
        }
        .boxed()
    }
}

/// A service over a store and a world.
pub struct Site {
    pub service: Arc<CloudFormation>,
    pub fabric: Fabric,
}

impl Site {
    pub async fn open(store: Memory, world: &Arc<World>) -> Site {
        let entropy = Entropy::system();
        let clock = Clock::virtual_from(Timestamp::from_secs(1_700_000_000));
        let parts = Parts {
            clock,
            blobs: blob::Blobs::memory(entropy.clone()),
            entropy,
            store: Arc::new(store),
            journal: None,
            origin: "http://127.0.0.1:4566".into(),
        };
        let fabric = Fabric::weave(parts).expect("woven");
        fabric.plugs.add_provider(Arc::new(Things(world.clone())));
        let service = CloudFormation::open(fabric.clone()).await.expect("opened");
        service.plug();
        Site { service, fabric }
    }

    /// Calls an operation as a client does.
    pub async fn call<O: wire::Operation>(&self, input: O::Input) -> Result<O::Output, wire::Error> {
        let call = wire::Call {
            request_id: RequestId::new(&self.fabric.entropy),
            scope: Scope::default(),
            caller: wire::Caller::default(),
            trace: self.fabric.begin_trace(),
            origin: "http://127.0.0.1:4566".into(),
            body: None,
        };
        let api = self.fabric.plugs.api("cloudformation").expect("plugged in");
        let reply = api.call(O::SCHEMA.name, call, wire::Shaped::into_fields(input)).await?;
        Ok(wire::Shaped::from_fields(reply.output).expect("shaped"))
    }

    pub async fn create(&self, name: &str, body: &str) -> Result<String, wire::Error> {
        let input =
            model::CreateStackInput { stack_name: name.into(), template_body: Some(body.into()), ..Default::default() };
        self.begin::<model::CreateStack>(name, input).await
    }

    pub async fn update(&self, name: &str, body: &str) -> Result<String, wire::Error> {
        let input =
            model::UpdateStackInput { stack_name: name.into(), template_body: Some(body.into()), ..Default::default() };
        self.begin::<model::UpdateStack>(name, input).await
    }

    pub async fn delete(&self, name: &str) -> Result<String, wire::Error> {
        let input = model::DeleteStackInput { stack_name: name.into(), ..Default::default() };
        self.begin::<model::DeleteStack>(name, input).await
    }

    /// Calls an operation and waits for the status in which the stack's operation ends.
    pub async fn begin<O: wire::Operation>(&self, name: &str, input: O::Input) -> Result<String, wire::Error> {
        let mut events = self.service.follow();
        self.call::<O>(input).await?;
        Ok(ended(&mut events, name).await)
    }

    pub async fn describe(&self, name: &str) -> model::Stack {
        let input = model::DescribeStacksInput { stack_name: Some(name.into()), next_token: None };
        self.call::<model::DescribeStacks>(input).await.expect("described").stacks.expect("stacks").remove(0)
    }

    pub async fn output(&self, name: &str, key: &str) -> Option<String> {
        let outputs = self.describe(name).await.outputs.unwrap_or_default();
        outputs.into_iter().find(|one| one.output_key.as_deref() == Some(key))?.output_value
    }

    /// The events, oldest first, as `id STATUS reason`.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let input = model::DescribeStackEventsInput { stack_name: name.into(), next_token: None };
        let events = self.call::<model::DescribeStackEvents>(input).await.expect("described").stack_events;
        let text = |event: model::StackEvent| {
            let (id, status) = (event.logical_resource_id.unwrap(), event.resource_status.unwrap());
            format!("{id} {status} {}", event.resource_status_reason.unwrap_or_default()).trim_end().to_owned()
        };
        events.unwrap().into_iter().rev().map(text).collect()
    }
}

/// Waits for the status in which the stack's operation ends.
pub async fn ended(events: &mut tokio::sync::broadcast::Receiver<Arc<crate::StackEvent>>, name: &str) -> String {
    loop {
        let event = events.recv().await.expect("an event");
        let over = event.status.ends_with("_COMPLETE") || event.status.ends_with("_FAILED");
        if event.is_of_stack() && event.stack_name == name && over {
            return event.status.clone();
        }
    }
}

/// A template of things: `[("A", properties)]`.
pub fn template(things: &[(&str, Value)]) -> String {
    let resource = |(id, properties): &(&str, Value)| {
        ((*id).to_owned(), serde_json::json!({ "Type": TYPE, "Properties": properties }))
    };
    let resources: Map<String, Value> = things.iter().map(resource).collect();
    serde_json::json!({ "Resources": resources }).to_string()
}
