use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Api;
use crate::detect::route::Router;
use crate::schema::{Protocol, Service};

/// How many pairs of an operation and an ignored member are remembered as already warned of.
const WARNED_MAX: usize = 4_096;

/// The services that Kobel answers for, ready to be found by a request.
pub struct Services {
    entries: Vec<Entry>,
    by_id: HashMap<&'static str, usize>,
    by_target: HashMap<&'static str, usize>,
    by_shape: HashMap<&'static str, usize>,
    /// Host names under which Kobel is reached: what precedes one of them is a bucket.
    hosts: Vec<String>,
    warned: Mutex<HashSet<(&'static str, &'static str, String)>>,
}

/// One service.
pub(crate) struct Entry {
    pub(crate) api: Arc<Api>,
    /// Of REST services.
    pub(crate) router: Option<Router>,
}

impl Services {
    /// `hosts` are the names (without ports) under which clients reach Kobel, besides `localhost`.
    pub fn new(apis: impl IntoIterator<Item = Arc<Api>>, hosts: impl IntoIterator<Item = String>) -> Services {
        let mut services = Services {
            entries: Vec::new(),
            by_id: HashMap::new(),
            by_target: HashMap::new(),
            by_shape: HashMap::new(),
            hosts: hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect(),
            warned: Mutex::default(),
        };
        services.hosts.push("localhost".to_owned());
        for api in apis {
            services.add(api);
        }
        services
    }

    fn add(&mut self, api: Arc<Api>) {
        let service = api.service();
        let at = self.entries.len();
        let twice = self.by_id.insert(service.id, at).is_some();
        assert!(!twice, "service {} is registered once", service.id);
        if !service.target_prefix.is_empty() {
            self.by_target.insert(service.target_prefix, at);
        }
        self.by_shape.insert(service.shape_name, at);
        let rest = service.protocols.iter().any(|p| matches!(p, Protocol::RestJson | Protocol::RestXml));
        let router = rest.then(|| Router::new(service));
        self.entries.push(Entry { api, router });
    }

    /// The service of that id.
    pub fn get(&self, id: &str) -> Option<&Arc<Api>> {
        self.by_id.get(id).map(|at| &self.entries[*at].api)
    }

    pub(crate) fn entry(&self, id: &str) -> Option<&Entry> {
        self.by_id.get(id).map(|at| &self.entries[*at])
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn by_target(&self, prefix: &str) -> Option<&Entry> {
        self.by_target.get(prefix).map(|at| &self.entries[*at])
    }

    pub(crate) fn by_shape(&self, name: &str) -> Option<&Entry> {
        self.by_shape.get(name).map(|at| &self.entries[*at])
    }

    /// Those whose signatures name `signing_name`.
    pub(crate) fn signed_as<'a>(&'a self, signing_name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.api.service().signing_name == signing_name)
    }

    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Warns once in the process's life of each member that a caller set and Kobel does not honour.
    pub(crate) fn warn_of_ignored(&self, service: &'static Service, operation: &'static str, members: &[String]) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        for member in members {
            if warned.len() < WARNED_MAX && warned.insert((service.id, operation, member.clone())) {
                tracing::warn!(service = service.id, operation, member, "a caller set a member that Kobel ignores");
            }
        }
    }
}
