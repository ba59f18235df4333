//! The conversation with the runtime inside an environment: ours over a socket, or the public
//! Runtime API over HTTP.

pub(crate) mod answer;
pub(crate) mod body;
mod channel;
pub(crate) mod listen;
mod runtime_api;

use bytes::Bytes;

use crate::response::{Sink, TooLarge};
use crate::spec::Invocation;

pub(crate) use channel::{CHANNEL_VARIABLE, Channel, specialise};
pub(crate) use runtime_api::{RUNTIME_API_PORT, RuntimeApi};

/// The variables that tell where the APIs inside an environment are served.
pub(crate) const ADDRESS_VARIABLES: [&str; 2] = ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_METADATA_API"];

/// What the runtime said about its init phase.
#[derive(Debug)]
pub(crate) enum Init {
    /// Ready for its first event.
    Done,
    /// Its init is done and it can be forked; or why it cannot.
    Template(Option<String>),
    /// It reported an error and will exit.
    Failed { error_type: String, body: Bytes },
    /// It closed the conversation; its process is ending.
    Closed,
    /// It said something that is not allowed now.
    Broken(String),
}

/// What the runtime answered to an event.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The handler's result; empty where a stream took it.
    Response(Bytes),
    /// The handler's error. After a fatal one the process ends.
    Error { error_type: String, body: Bytes, fatal: bool },
    /// A response above the limit.
    TooLarge(TooLarge),
    /// The connection that carried the response broke before its end.
    Truncated,
    /// It closed the conversation; its process is ending.
    Closed,
    /// It said something that is not allowed now.
    Broken(String),
}

/// One of the two conversations.
pub(crate) enum Session {
    Channel(Channel),
    RuntimeApi(RuntimeApi),
}

impl Session {
    /// Waits for the end of the init phase.
    pub(crate) async fn init(&mut self) -> Init {
        match self {
            Session::Channel(channel) => channel.init().await,
            Session::RuntimeApi(api) => api.init().await,
        }
    }

    /// Hands over one event and waits for the answer, which goes into `sink`. After cancellation the session is of
    /// no use.
    pub(crate) async fn call(&mut self, invocation: &Invocation, sink: &mut Sink) -> Reply {
        match self {
            Session::Channel(channel) => channel.call(invocation, sink).await,
            Session::RuntimeApi(api) => api.call(invocation, sink).await,
        }
    }
}
