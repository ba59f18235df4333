//! What the service needs of execution environments: started, invoked, frozen, stopped.
//!
//! [`Environments`] is the sandbox behind a thin seam, so that the rules around it can be tested without
//! processes.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sandbox::{EnvironmentSpec, Invocation, Outcome, Output, ResponseSender, Settled, StartError, StartMode};

use crate::image::{self, Images};
use crate::package::Packages;
use crate::registry::{Code, Registry, Version};

/// Where the unpacked code of versions is.
pub trait Unpack: Send + Sync {
    fn folders<'a>(&'a self, version: &'a Version) -> BoxFuture<'a, Result<Folders, wire::Error>>;

    /// Deletes what environments have let go of, and no version of `registry` has.
    fn keep_only<'a>(&'a self, registry: &'a Registry) -> BoxFuture<'a, ()>;
}

/// Keeps a folder there.
pub type Held = Arc<dyn Any + Send + Sync>;

/// The unpacked packages and layers of every version, and the images.
pub struct Unpacked {
    pub packages: Arc<Packages>,
    pub images: Arc<Images>,
}

/// Unpacked packages of a version, or its image.
#[derive(Clone, Debug)]
pub struct Folders {
    pub code: PathBuf,
    /// The lowest first.
    pub layers: Vec<PathBuf>,
    /// What runs instead of a runtime with code.
    pub image: Option<Arc<sandbox::Image>>,
    /// What keeps the folders there.
    pub held: Vec<Held>,
}

/// Makes environments.
pub trait Environments: Send + Sync {
    /// Makes one and runs its init phase.
    fn start<'a>(
        &'a self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Environment>, StartError>>;

    /// Runs an init phase and keeps the runtime to be forked. [`StartError::Unforkable`] where this cannot be done.
    fn make_template<'a>(
        &'a self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Template>, StartError>>;
}

/// A function's runtime after its init. It ends with the last environment that was forked from it.
pub trait Template: Send + Sync {
    fn fork<'a>(
        &'a self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Environment>, StartError>>;

    fn is_alive(&self) -> bool;
}

/// One execution environment; it takes one event at a time. Dropping it ends it.
pub trait Environment: Send + Sync {
    fn init_duration(&self) -> Duration;
    /// How its runtime came to life; where it was executed, also why.
    fn start_mode(&self) -> (StartMode, Option<&'static str>);
    fn invoke<'a>(&'a self, event: Event) -> BoxFuture<'a, Outcome>;
    /// The response goes into `response` as the function writes it.
    fn invoke_streaming<'a>(&'a self, event: Event, response: ResponseSender) -> BoxFuture<'a, Outcome>;
    /// Waits until extensions are done with the last event; `limit` is what is left of its timeout.
    fn settle(&self, limit: Duration) -> BoxFuture<'_, Settled>;
    fn freeze<'a>(&'a self) -> BoxFuture<'a, ()>;
    fn thaw<'a>(&'a self) -> BoxFuture<'a, ()>;
    /// Gives the memory of a frozen environment back to the host, as far as that can be.
    fn page_out<'a>(&'a self) -> BoxFuture<'a, ()>;
    fn stop<'a>(&'a self) -> BoxFuture<'a, ()>;
    fn is_alive(&self) -> bool;
}

/// An event for an environment, whose deadline counts from the hand-over.
#[derive(Clone, Debug)]
pub struct Event {
    pub request_id: String,
    pub payload: Bytes,
    /// The function's ARN as the caller named it.
    pub function_arn: String,
    /// What is left of the function's timeout, in real time.
    pub timeout: Duration,
    /// The `X-Amzn-Trace-Id` header.
    pub trace_id: String,
    /// The decoded client context, JSON.
    pub client_context: Option<String>,
}

impl Unpack for Unpacked {
    fn folders<'a>(&'a self, version: &'a Version) -> BoxFuture<'a, Result<Folders, wire::Error>> {
        Box::pin(async move {
            let unpacked = async |package| self.packages.unpacked(package).await.map_err(wire::Error::internal);
            let package = match &version.code {
                Code::Package(package) => package,
                Code::Image { image, overrides } => {
                    let held = self.images.of(image).await?;
                    let image = Some(Arc::new(image::runnable(&held, overrides)));
                    return Ok(Folders { code: PathBuf::new(), layers: Vec::new(), image, held: vec![held] });
                }
            };
            let code = unpacked(package).await?;
            let mut folders =
                Folders { code: code.path().to_owned(), layers: Vec::new(), image: None, held: vec![code] };
            for layer in &version.layers {
                let layer = unpacked(&layer.package).await?;
                folders.layers.push(layer.path().to_owned());
                folders.held.push(layer);
            }
            Ok(folders)
        })
    }

    fn keep_only<'a>(&'a self, registry: &'a Registry) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let packages = registry.packages();
            self.packages.collect_used(&packages.iter().collect::<Vec<_>>()).await;
            self.images.keep_only(&registry.images()).await;
        })
    }
}

impl Environments for sandbox::Sandbox {
    fn start<'a>(
        &'a self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Environment>, StartError>> {
        Box::pin(async move {
            let environment = sandbox::Sandbox::start(self, spec, output).await?;
            Ok(Arc::new(environment) as Arc<dyn Environment>)
        })
    }

    fn make_template<'a>(
        &'a self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Template>, StartError>> {
        Box::pin(async move {
            let template = sandbox::Sandbox::make_template(self, spec, output).await?;
            Ok(Arc::new(Forking { sandbox: self.clone(), template }) as Arc<dyn Template>)
        })
    }
}

struct Forking {
    sandbox: sandbox::Sandbox,
    template: sandbox::Template,
}

impl Template for Forking {
    fn fork<'a>(
        &'a self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Environment>, StartError>> {
        Box::pin(async move {
            let environment = self.sandbox.restore(&self.template, spec, output).await?;
            Ok(Arc::new(environment) as Arc<dyn Environment>)
        })
    }

    fn is_alive(&self) -> bool {
        self.template.is_alive()
    }
}

impl Environment for sandbox::Environment {
    fn init_duration(&self) -> Duration {
        sandbox::Environment::init_duration(self)
    }

    fn start_mode(&self) -> (StartMode, Option<&'static str>) {
        (sandbox::Environment::start_mode(self), self.why_exec())
    }

    fn invoke<'a>(&'a self, event: Event) -> BoxFuture<'a, Outcome> {
        Box::pin(sandbox::Environment::invoke(self, event.into()))
    }

    fn invoke_streaming<'a>(&'a self, event: Event, response: ResponseSender) -> BoxFuture<'a, Outcome> {
        Box::pin(sandbox::Environment::invoke_streaming(self, event.into(), response))
    }

    fn settle(&self, limit: Duration) -> BoxFuture<'_, Settled> {
        Box::pin(sandbox::Environment::settle(self, limit))
    }

    fn freeze<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(sandbox::Environment::freeze(self))
    }

    fn thaw<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(sandbox::Environment::thaw(self))
    }

    fn page_out<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(sandbox::Environment::page_out(self))
    }

    fn stop<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(sandbox::Environment::stop(self))
    }

    fn is_alive(&self) -> bool {
        sandbox::Environment::is_alive(self)
    }
}

impl From<Event> for Invocation {
    fn from(event: Event) -> Invocation {
        Invocation {
            deadline_epoch_ms: deadline_epoch_ms(event.timeout),
            request_id: event.request_id,
            payload: event.payload,
            function_arn: event.function_arn,
            deadline: event.timeout,
            trace_id: event.trace_id,
            client_context: event.client_context,
            cognito_identity: None,
        }
    }
}

/// The deadline by the host's time, which is what the function compares it with.
fn deadline_epoch_ms(timeout: Duration) -> i64 {
    i64::try_from((host_time() + timeout).as_millis()).unwrap_or(i64::MAX)
}

/// The time since the epoch as functions read it, whatever time the service lives in.
#[expect(clippy::disallowed_methods, reason = "the functions are real processes, which read the host's time")]
pub fn host_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
