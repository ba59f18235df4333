//! The Extensions API, 2020-01-01: processes that live beside the runtime, or inside it, and are told of
//! invocations and of the end.
//!
//! Who has registered and what each is doing is in `registry`, which decides; `api` speaks HTTP. What waits for
//! extensions waits for a change of the registry.

mod api;
mod registry;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::session::listen::{self, Route};
use crate::spec::{EnvironmentSpec, ExtensionStatus, Invocation, Output};
pub(crate) use api::is_path;
use registry::{Event, Registry};
pub(crate) use registry::{Failure, ShutdownReason};

/// The extensions of one environment.
pub(crate) struct Extensions {
    about: About,
    registry: Mutex<Registry>,
    changes: watch::Sender<u64>,
    output: Arc<dyn Output>,
}

/// What an extension learns about the function.
struct About {
    function_name: String,
    function_version: String,
    handler: String,
    account_id: Option<String>,
}

impl Extensions {
    pub(crate) fn new(spec: &EnvironmentSpec, output: Arc<dyn Output>) -> Arc<Extensions> {
        let variable = |name: &str| spec.variables.get(name).cloned().unwrap_or_default();
        let about = About {
            function_name: variable("AWS_LAMBDA_FUNCTION_NAME"),
            function_version: variable("AWS_LAMBDA_FUNCTION_VERSION"),
            handler: spec.handler.clone(),
            account_id: spec.account_id.clone(),
        };
        Arc::new(Extensions { about, registry: Mutex::default(), changes: watch::Sender::new(0), output })
    }

    /// Serves the API alone, where the runtime does not use HTTP.
    pub(crate) fn serve(self: &Arc<Self>, listener: TcpListener) -> JoinHandle<()> {
        tokio::spawn(listen::accept(listener, self.clone()))
    }

    /// Whether there is any to be told of something.
    pub(crate) fn are_there(&self) -> bool {
        self.registry().is_used()
    }

    /// Waits until each has asked for its first event; then nobody can register any more. Waits for ever where one has
    /// failed.
    pub(crate) async fn initialised(&self) {
        self.registry().close();
        self.until(|registry| registry.failure().is_none() && registry.is_initialised()).await;
    }

    /// Tells those that want to know of an invocation.
    pub(crate) fn begin(&self, invocation: &Invocation) {
        let mut registry = self.registry();
        if registry.is_used() {
            registry.send(&Event::invoke(invocation));
            drop(registry);
            self.changed();
        }
    }

    /// Waits until each is done with the invocation. Waits for ever where one has failed.
    pub(crate) async fn settled(&self) {
        self.until(|registry| registry.failure().is_none() && registry.is_settled()).await;
    }

    /// Whether one still works on an invocation.
    pub(crate) fn are_working(&self) -> bool {
        let registry = self.registry();
        registry.is_used() && !registry.is_settled()
    }

    /// Waits for the failure of one.
    pub(crate) async fn failed(&self) -> Failure {
        loop {
            self.until(|registry| registry.failure().is_some()).await;
            if let Some(failure) = self.registry().failure() {
                return failure.clone();
            }
        }
    }

    async fn until(&self, reached: impl Fn(&Registry) -> bool) {
        let mut changes = self.changes.subscribe();
        while !reached(&self.registry()) {
            // The sender lives as long as this does.
            let _ = changes.changed().await;
        }
    }

    /// Says in the log how each has come through init.
    pub(crate) fn tell_states(&self) {
        let states: Vec<ExtensionStatus> = self.registry().states();
        for status in states {
            self.output.extension(status);
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route for Extensions {
    async fn route(&self, request: hyper::Request<hyper::body::Incoming>) -> crate::session::answer::Answer {
        api::route(self, request).await
    }
}
