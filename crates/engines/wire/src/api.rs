use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::schema;
use crate::{Call, Error, Fields, Operation, Reply, Shaped};

type Outcome = Pin<Box<dyn Future<Output = Result<Reply<Fields>, Error>> + Send>>;
type Handler = Box<dyn Fn(Call, Fields) -> Outcome + Send + Sync>;

/// A service's operations, ready to be called: by a protocol reader, or from inside by name.
pub struct Api {
    service: &'static schema::Service,
    handlers: HashMap<&'static str, Handler>,
}

/// Collects a service's handlers.
pub struct ApiBuilder<S> {
    state: Arc<S>,
    api: Api,
}

impl Api {
    /// Begins the list of a service's operations, all of which act on `state`.
    pub fn builder<S: Send + Sync + 'static>(service: &'static schema::Service, state: Arc<S>) -> ApiBuilder<S> {
        ApiBuilder { state, api: Api { service, handlers: HashMap::new() } }
    }

    pub fn service(&self) -> &'static schema::Service {
        self.service
    }

    /// Calls the operation with validated `input`.
    pub async fn call(&self, operation: &str, call: Call, input: Fields) -> Result<Reply<Fields>, Error> {
        match self.handlers.get(operation) {
            Some(handler) => handler(call, input).await,
            None => Err(Error::not_implemented(self.service.id, operation)),
        }
    }
}

impl<S: Send + Sync + 'static> ApiBuilder<S> {
    /// Registers the handler of operation `O`.
    pub fn on<O, H, F, R>(mut self, handler: H) -> ApiBuilder<S>
    where
        O: Operation,
        H: Fn(Arc<S>, Call, O::Input) -> F + Send + Sync + Clone + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<Reply<O::Output>>,
    {
        let state = self.state.clone();
        let run: Handler = Box::new(move |call, fields| {
            let handler = handler.clone();
            let state = state.clone();
            Box::pin(async move {
                let input = O::Input::from_fields(fields).map_err(Error::internal)?;
                let reply: Reply<O::Output> = handler(state, call, input).await?.into();
                Ok(reply.map(Shaped::into_fields))
            })
        });
        let twice = self.api.handlers.insert(O::SCHEMA.name, run).is_some();
        assert!(!twice, "operation {} is registered once", O::SCHEMA.name);
        self
    }

    /// The finished list. Every operation that the tables promise must have its handler.
    pub fn build(self) -> Arc<Api> {
        let promised = self.api.service.operations.iter().map(|operation| operation.name);
        let absent: Vec<_> = promised.filter(|name| !self.api.handlers.contains_key(name)).collect();
        assert!(absent.is_empty(), "operations without a handler in {}: {absent:?}", self.api.service.id);
        Arc::new(self.api)
    }
}
