//! The Extensions API, 2020-01-01: processes that live beside the runtime, or inside it, and are told of
//! invocations and of the end.
//!
//! Who has registered and what each is doing is in `registry`, which decides; `api` speaks HTTP. What waits for
//! extensions waits for a change of the registry.

mod api;
mod launch;
mod registry;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::credentials::{self, RoleCredentials};
use crate::driver::Listener;
use crate::driver::crew::{Crew, News};
use crate::exit::Exit;
use crate::metadata::{self, Metadata};
use crate::session::listen::{self, Route};
use crate::spec::{EnvironmentSpec, ExtensionStatus, Invocation, Output, Subscribed};
use crate::telemetry;
pub(crate) use api::{caller, is_path, refused};
pub(crate) use launch::names as external;
#[cfg(target_os = "linux")]
pub(crate) use launch::{FOLDER, variables};
#[cfg_attr(not(target_os = "linux"), expect(unused_imports))]
pub(crate) use registry::EXTENSIONS_MAX;
pub(crate) use registry::Refusal;
use registry::{Event, Registry};
pub(crate) use registry::{Failure, ShutdownReason};

/// The extensions of one environment.
pub(crate) struct Extensions {
    about: About,
    registry: Mutex<Registry>,
    changes: watch::Sender<u64>,
    output: Arc<dyn Output>,
    /// External ones.
    crew: Option<Crew>,
    credentials: Option<RoleCredentials>,
    pub(crate) telemetry: telemetry::Life,
    metadata: Metadata,
    own: Weak<Extensions>,
}

/// What an extension learns about the function.
struct About {
    function_name: String,
    function_version: String,
    handler: String,
    account_id: Option<String>,
}

impl Extensions {
    /// Those of an environment; `crew` are the external ones, which have been started.
    pub(crate) fn new(spec: &EnvironmentSpec, crew: Option<Crew>, output: Arc<dyn Output>) -> Arc<Extensions> {
        let variable = |name: &str| spec.variables.get(name).cloned().unwrap_or_default();
        let about = About {
            function_name: variable("AWS_LAMBDA_FUNCTION_NAME"),
            function_version: variable("AWS_LAMBDA_FUNCTION_VERSION"),
            handler: spec.handler.clone(),
            account_id: spec.account_id.clone(),
        };
        let mut registry = Registry::default();
        for (number, name) in crew.iter().flat_map(|crew| &crew.names).enumerate() {
            match number {
                EXTENSIONS_MAX.. => registry.launch_failed(name, "TooManyExtensions", "too many extensions"),
                _ => registry.started(name),
            }
        }
        let telemetry = spec.telemetry.begin();
        let (registry, changes) = (Mutex::new(registry), watch::Sender::new(0));
        let (credentials, metadata) = (spec.credentials.clone(), Metadata::of(spec));
        Arc::new_cyclic(|own| Extensions {
            about,
            registry,
            changes,
            output,
            crew,
            credentials,
            telemetry,
            metadata,
            own: own.clone(),
        })
    }

    /// Hears what becomes of external extensions, until dropped.
    pub(crate) fn attend(self: &Arc<Self>) -> Option<JoinHandle<()>> {
        self.crew.as_ref()?;
        let extensions = Arc::downgrade(self);
        Some(tokio::spawn(async move {
            loop {
                let Some(extensions) = extensions.upgrade() else { return };
                let Some(news) = extensions.news().await else { return };
                extensions.hear(news);
            }
        }))
    }

    async fn news(&self) -> Option<News> {
        self.crew.as_ref()?.news().await
    }

    fn hear(&self, news: News) {
        let names = self.crew.as_ref().map_or(&[][..], |crew| &crew.names);
        let name = |extension: usize| names.get(extension).map_or("", String::as_str);
        match news {
            News::LaunchFailed { extension, error } => {
                let error = std::io::Error::from_raw_os_error(error);
                let reason = launch::reason_of(&error);
                let message = format!("fork/exec {}/{}: {}", launch::FOLDER, name(extension), launch::text_of(&error));
                self.registry().launch_failed(name(extension), reason, &message);
            }
            News::ExtensionEnded { extension, exit } => self.registry().exited(name(extension), &exit_text(exit)),
            News::RuntimeEnded { exit } => self.registry().runtime_exit = Some(exit),
        }
        self.changed();
    }

    /// Lets the runtime start as soon as every external extension has registered. Waits for ever where one has failed.
    pub(crate) async fn start_runtime(&self) -> std::io::Result<()> {
        let Some(crew) = &self.crew else { return Ok(()) };
        self.until(|registry| registry.failure().is_none() && registry.is_registered()).await;
        crew.start_runtime()
    }

    /// Waits for the end of a runtime that others outlive.
    pub(crate) async fn runtime_ended(&self) -> Exit {
        loop {
            self.until(|registry| registry.runtime_exit.is_some()).await;
            if let Some(exit) = self.registry().runtime_exit {
                return exit;
            }
        }
    }

    /// Whether an external extension or the runtime has ended, although others live.
    pub(crate) fn are_broken(&self) -> bool {
        let registry = self.registry();
        registry.failure().is_some() || registry.runtime_exit.is_some()
    }

    /// Whether there are external ones.
    pub(crate) fn are_external(&self) -> bool {
        self.crew.is_some()
    }

    /// Asks a runtime that others are to outlive to end.
    pub(crate) fn terminate_runtime(&self) {
        if let Some(crew) = &self.crew {
            crew.terminate_runtime();
        }
    }

    /// Kills a runtime that others are to outlive.
    pub(crate) fn kill_runtime(&self) {
        if let Some(crew) = &self.crew {
            crew.kill_runtime();
        }
    }

    /// Tells external extensions that the environment ends, and kills those that do not want to know.
    pub(crate) fn begin_shutdown(&self, reason: ShutdownReason, deadline_epoch_ms: i64) {
        let Some(crew) = &self.crew else { return };
        let unwilling = {
            let mut registry = self.registry();
            registry.end(&Event::shutdown(reason, deadline_epoch_ms));
            registry.unwilling()
        };
        self.changed();
        for (number, _) in crew.names.iter().enumerate().filter(|(_, name)| unwilling.contains(name)) {
            crew.kill_extension(number);
        }
    }

    /// The name of a registered one.
    pub(crate) fn name_of(&self, id: &str) -> Result<String, Refusal> {
        self.registry().name(id)
    }

    /// Says in the log who has subscribed to what.
    pub(crate) fn tell_subscription(&self, subscribed: Subscribed) {
        self.output.subscription(subscribed);
    }

    /// The runtime's part of the init phase has ended, once.
    pub(crate) fn runtime_initialised(&self, error_type: Option<&str>) {
        if !std::mem::replace(&mut self.registry().runtime_initialised, true) {
            self.output.runtime_initialised(error_type);
        }
    }

    /// Whether extensions can be told of telemetry.
    pub(crate) fn can_be_told(&self) -> bool {
        self.crew.as_ref().is_some_and(Crew::can_connect)
    }

    /// Connects to a port inside the environment.
    pub(crate) async fn connect(&self, port: u16) -> std::io::Result<TcpStream> {
        let none = || std::io::Error::other("there is nobody who could connect");
        self.crew.as_ref().ok_or_else(none)?.connect(port).await
    }

    /// Waits until every external one has ended.
    pub(crate) async fn gone(&self) {
        self.until(Registry::is_gone).await;
    }

    /// Serves the API where the runtime does not use HTTP, and the role's credentials if the function has none in its
    /// variables.
    pub(crate) fn serve(self: &Arc<Self>, listener: Listener) -> JoinHandle<()> {
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

/// As Go's `os/exec`, and so AWS, words it.
fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(_) => exit.to_string().trim_start_matches("exited with error: ").to_owned(),
    }
}

impl Route for Extensions {
    async fn route(&self, request: hyper::Request<hyper::body::Incoming>) -> crate::session::answer::Answer {
        if credentials::is_path(request.uri().path()) {
            return credentials::route(self.credentials.as_ref(), request).await;
        }
        if metadata::is_path(request.uri().path()) {
            return metadata::route(&self.metadata, request).await;
        }
        match self.own.upgrade().filter(|_| telemetry::is_path(request.uri().path())) {
            Some(own) => telemetry::route(&own, request).await,
            None => api::route(self, request).await,
        }
    }
}
