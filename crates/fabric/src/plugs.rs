use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base::Arn;

use crate::{QueueSource, ResourceProvider, Target};

/// Who answers to what: filled while Kobel starts, only read afterwards.
#[derive(Default)]
pub struct Plugs {
    apis: RwLock<HashMap<&'static str, Arc<wire::Api>>>,
    targets: RwLock<HashMap<&'static str, Arc<dyn Target>>>,
    queues: RwLock<HashMap<&'static str, Arc<dyn QueueSource>>>,
    providers: RwLock<HashMap<&'static str, Arc<dyn ResourceProvider>>>,
}

impl Plugs {
    /// Adds a service's operations.
    pub fn add_api(&self, api: Arc<wire::Api>) {
        let id = api.service().id;
        write(&self.apis).insert(id, api);
    }

    /// Adds what accepts events for ARNs of `service`.
    pub fn add_target(&self, service: &'static str, target: Arc<dyn Target>) {
        write(&self.targets).insert(service, target);
    }

    pub fn add_queue_source(&self, service: &'static str, source: Arc<dyn QueueSource>) {
        write(&self.queues).insert(service, source);
    }

    pub fn add_provider(&self, provider: Arc<dyn ResourceProvider>) {
        let mut providers = write(&self.providers);
        for resource_type in provider.types() {
            providers.insert(resource_type, provider.clone());
        }
    }

    pub fn api(&self, service: &str) -> Option<Arc<wire::Api>> {
        read(&self.apis).get(service).cloned()
    }

    /// All services, in the order of their ids.
    pub fn apis(&self) -> Vec<Arc<wire::Api>> {
        let mut apis: Vec<_> = read(&self.apis).values().cloned().collect();
        apis.sort_by_key(|api| api.service().id);
        apis
    }

    pub fn target(&self, arn: &Arn) -> Option<Arc<dyn Target>> {
        read(&self.targets).get(arn.service.as_str()).cloned()
    }

    pub fn queue_source(&self, arn: &Arn) -> Option<Arc<dyn QueueSource>> {
        read(&self.queues).get(arn.service.as_str()).cloned()
    }

    pub fn provider(&self, resource_type: &str) -> Option<Arc<dyn ResourceProvider>> {
        read(&self.providers).get(resource_type).cloned()
    }

    /// The resource types that a template may use, sorted.
    pub fn resource_types(&self) -> Vec<&'static str> {
        let mut types: Vec<_> = read(&self.providers).keys().copied().collect();
        types.sort_unstable();
        types
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
