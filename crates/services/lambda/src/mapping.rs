//! Event source mappings at work: each enabled one has a poller, which waits at its queue and hands batches to
//! the function.
//!
//! Invariants: an idle mapping waits for a message and nothing else; a message is deleted only after the function
//! has processed it; what failed becomes visible again by the queue's own visibility timeout.

mod batch;
mod poller;
mod response;
mod scale;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::invoke::Invoker;
use crate::registry::{EventSourceMapping, Registry};
use poller::Poller;

/// Runs the pollers of all mappings, as the registry has them.
pub struct Mappings {
    stop: watch::Sender<bool>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

struct Running {
    mapping: Arc<EventSourceMapping>,
    stop: watch::Sender<bool>,
    poller: JoinHandle<()>,
}

impl Mappings {
    /// Starts the pollers of the mappings there are, and follows changes. Call it when all plugs are in.
    pub fn start(registry: Arc<Registry>, invoker: Invoker) -> Mappings {
        let stop = watch::Sender::new(false);
        let supervisor = tokio::spawn(supervise(registry, invoker, stop.subscribe()));
        Mappings { stop, supervisor: Mutex::new(Some(supervisor)) }
    }

    /// Takes no further batch and waits until none is under way.
    pub async fn drain(&self) {
        self.stop.send_replace(true);
        let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(supervisor) = supervisor {
            // A panic there has been reported already.
            let _ = supervisor.await;
        }
    }
}

async fn supervise(registry: Arc<Registry>, invoker: Invoker, mut stopped: watch::Receiver<bool>) {
    let mut changes = registry.changes();
    let mut running: HashMap<String, Running> = HashMap::new();
    // Pollers that were stopped, of which batches may still be under way.
    let mut leaving: Vec<JoinHandle<()>> = Vec::new();
    loop {
        changes.borrow_and_update();
        let wanted: HashMap<_, _> = registry
            .mappings()
            .into_iter()
            .filter(|mapping| mapping.enabled)
            .map(|mapping| (mapping.uuid.clone(), mapping))
            .collect();
        leaving.retain(|poller| !poller.is_finished());
        let stale = running
            .extract_if(|uuid, poller| !wanted.get(uuid).is_some_and(|mapping| mapping.polls_like(&poller.mapping)));
        for (_, poller) in stale {
            // Batches under way end by themselves.
            poller.stop.send_replace(true);
            leaving.push(poller.poller);
        }
        for (uuid, mapping) in wanted {
            running.entry(uuid).or_insert_with(|| begin(mapping, registry.clone(), invoker.clone()));
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    for poller in running.values() {
        poller.stop.send_replace(true);
    }
    for poller in running.into_values().map(|poller| poller.poller).chain(leaving) {
        let _ = poller.await;
    }
}

fn begin(mapping: Arc<EventSourceMapping>, registry: Arc<Registry>, invoker: Invoker) -> Running {
    let (stop, stopped) = watch::channel(false);
    let poller = Poller::new(mapping.clone(), registry, invoker, stopped);
    Running { mapping, stop, poller: tokio::spawn(poller.run()) }
}

impl EventSourceMapping {
    /// Whether a poller of the one is as good for the other.
    fn polls_like(&self, other: &EventSourceMapping) -> bool {
        let polled = |mapping: &EventSourceMapping| EventSourceMapping {
            tags: std::collections::BTreeMap::new(),
            last_modified: base::Timestamp::EPOCH,
            ..mapping.clone()
        };
        polled(self) == polled(other)
    }
}

#[cfg(test)]
mod tests;
