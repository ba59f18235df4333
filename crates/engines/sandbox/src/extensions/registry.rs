//! Who has registered, and what each extension is doing.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::exit::Exit;
use crate::spec::{ExtensionStatus, Invocation};

/// The most extensions of a function, as on Lambda.
pub(crate) const EXTENSIONS_MAX: usize = 10;
/// The longest name.
const NAME_BYTES_MAX: usize = 128;

/// The extensions of one environment.
#[derive(Default)]
pub(crate) struct Registry {
    extensions: Vec<Extension>,
    /// Nobody can register any more.
    closed: bool,
    /// The environment ends: it is no failure any more if an extension does.
    ending: bool,
    /// It was said how the runtime came through init.
    pub(super) runtime_initialised: bool,
    /// How the runtime ended, if extensions outlive it.
    pub(super) runtime_exit: Option<Exit>,
    failure: Option<Failure>,
}

struct Extension {
    name: String,
    /// Given on registration.
    id: Option<String>,
    /// A process of its own; else it is a part of the runtime's.
    external: bool,
    events: Vec<EventType>,
    state: State,
    waiting: VecDeque<Event>,
    error_type: Option<String>,
    /// An external one has no process any more.
    gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its process runs.
    Started,
    Registered,
    /// It has asked for an event.
    Ready,
    /// It has one.
    Running,
    LaunchError,
    InitError,
    ExitError,
    Exited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    Invoke,
    Shutdown,
}

/// What an extension is told.
#[derive(Clone, Debug)]
pub(super) struct Event {
    kind: EventType,
    pub(super) body: Value,
}

/// Why an environment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownReason {
    Spindown,
    Timeout,
    Failure,
}

/// An extension brought the environment down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `Extension.…`
    pub error_type: &'static str,
    pub message: String,
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) error_type: &'static str,
    pub(super) message: String,
}

impl EventType {
    fn parse(name: &str) -> Option<EventType> {
        match name {
            "INVOKE" => Some(EventType::Invoke),
            "SHUTDOWN" => Some(EventType::Shutdown),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            EventType::Invoke => "INVOKE",
            EventType::Shutdown => "SHUTDOWN",
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Started => "Started",
            State::Registered => "Registered",
            State::Ready => "Ready",
            State::Running => "Running",
            State::LaunchError => "LaunchError",
            State::InitError => "InitError",
            State::ExitError => "ExitError",
            State::Exited => "Exited",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, State::LaunchError | State::InitError | State::ExitError | State::Exited)
    }
}

impl Event {
    pub(super) fn invoke(invocation: &Invocation) -> Event {
        let body = json!({
            "eventType": "INVOKE",
            "deadlineMs": invocation.deadline_epoch_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
        });
        Event { kind: EventType::Invoke, body }
    }

    pub(super) fn shutdown(reason: ShutdownReason, deadline_epoch_ms: i64) -> Event {
        // In small letters, as deployed extensions see it.
        let reason = match reason {
            ShutdownReason::Spindown => "spindown",
            ShutdownReason::Timeout => "timeout",
            ShutdownReason::Failure => "failure",
        };
        let body = json!({"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_epoch_ms});
        Event { kind: EventType::Shutdown, body }
    }
}

impl Refusal {
    pub(crate) fn new(error_type: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { error_type, message: message.into() }
    }
}

impl Registry {
    /// A process of `/opt/extensions` was started.
    pub(super) fn started(&mut self, name: &str) {
        self.extensions.push(Extension::new(name, true, State::Started));
    }

    /// Registers an extension under the identifier `id`.
    pub(super) fn register(&mut self, name: &str, id: String, events: &[String]) -> Result<(), Refusal> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Refusal::new("Extension.InvalidExtensionName", "The extension's name is empty or too long"));
        }
        if self.closed {
            let message = "Extensions can register during the init phase only";
            return Err(Refusal::new("Extension.RegistrationClosed", message));
        }
        let place = self.extensions.iter().position(|extension| extension.name == name);
        let external = place.is_some_and(|place| self.extensions[place].external);
        let events = events_of(events, external)?;
        let place = match place {
            Some(place) if external && self.extensions[place].state == State::Started => place,
            Some(_) if external => {
                return Err(Refusal::new(
                    "Extension.InvalidExtensionState",
                    format!("`{name}` has registered already"),
                ));
            }
            Some(_) => {
                let message = format!("Another extension has the name `{name}`");
                return Err(Refusal::new("Extension.InvalidExtensionName", message));
            }
            None if self.extensions.len() >= EXTENSIONS_MAX => {
                let message = format!("A function can have {EXTENSIONS_MAX} extensions at most");
                return Err(Refusal::new("Extension.TooManyExtensions", message));
            }
            None => {
                self.extensions.push(Extension::new(name, false, State::Started));
                self.extensions.len() - 1
            }
        };
        let extension = &mut self.extensions[place];
        extension.id = Some(id);
        extension.events = events;
        extension.state = State::Registered;
        Ok(())
    }

    /// The extension asks for its next event.
    pub(super) fn ask(&mut self, id: &str) -> Result<(), Refusal> {
        let extension = self.find(id)?;
        match extension.state {
            State::Registered | State::Ready | State::Running => {
                extension.state = State::Ready;
                Ok(())
            }
            state => Err(out_of_turn(state, "Ready")),
        }
    }

    /// The event that waits for the extension.
    pub(super) fn take(&mut self, id: &str) -> Option<Event> {
        let extension = self.find(id).ok()?;
        let event = extension.waiting.pop_front()?;
        extension.state = State::Running;
        Some(event)
    }

    /// The extension cannot go on: it failed to initialise (`during_init`), or it is about to exit.
    pub(super) fn report(&mut self, id: &str, error_type: String, during_init: bool) -> Result<(), Refusal> {
        let extension = self.find(id)?;
        let state = if during_init { State::InitError } else { State::ExitError };
        let allowed = match extension.state {
            State::Registered => true,
            State::Ready | State::Running => !during_init,
            _ => false,
        };
        if !allowed {
            return Err(out_of_turn(extension.state, state.name()));
        }
        extension.state = state;
        let message = format!("extension `{}` reported {error_type}", extension.name);
        extension.error_type = Some(error_type);
        let error_type = if during_init { "Extension.InitError" } else { "Extension.ExitError" };
        self.fail(Failure { error_type, message });
        Ok(())
    }

    /// The name under which an identifier is registered.
    pub(super) fn name(&mut self, id: &str) -> Result<String, Refusal> {
        self.find(id).map(|extension| extension.name.clone())
    }

    /// The process of an external extension has ended.
    pub(super) fn exited(&mut self, name: &str, exit: &str) {
        let Some(extension) = self.extensions.iter_mut().find(|extension| extension.name == name) else { return };
        extension.gone = true;
        let before = std::mem::replace(&mut extension.state, State::Exited);
        if before.is_over() {
            extension.state = before;
        } else if !self.ending {
            extension.error_type = Some("Extension.Crash".to_owned());
            self.fail(Failure { error_type: "Extension.Crash", message: exit.to_owned() });
        }
    }

    /// An external extension could not be started.
    pub(super) fn launch_failed(&mut self, name: &str, reason: &str, message: &str) {
        self.extensions.retain(|extension| extension.name != name);
        let mut extension = Extension::new(name, true, State::LaunchError);
        extension.error_type = Some(reason.to_owned());
        self.extensions.push(extension);
        self.fail(Failure { error_type: "Extension.LaunchError", message: message.to_owned() });
    }

    /// The environment ends, of which those hear that want to.
    pub(super) fn end(&mut self, shutdown: &Event) {
        self.ending = true;
        self.closed = true;
        self.send(shutdown);
    }

    /// The names of external extensions that do not want to hear of the end.
    pub(super) fn unwilling(&self) -> Vec<String> {
        let wants = |extension: &Extension| extension.events.contains(&EventType::Shutdown);
        let unwilling = self.extensions.iter().filter(|extension| extension.external && !wants(extension));
        unwilling.map(|extension| extension.name.clone()).collect()
    }

    fn fail(&mut self, failure: Failure) {
        // The first one is the cause of the others.
        self.failure.get_or_insert(failure);
    }

    /// Nobody can register any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    pub(super) fn is_used(&self) -> bool {
        !self.extensions.is_empty()
    }

    /// Every external extension has registered: the runtime may start.
    pub(super) fn is_registered(&self) -> bool {
        self.extensions.iter().all(|extension| extension.state != State::Started)
    }

    /// Every extension has asked for its first event.
    pub(super) fn is_initialised(&self) -> bool {
        self.extensions.iter().all(|extension| extension.state == State::Ready)
    }

    /// Every extension is done with the last invocation.
    pub(super) fn is_settled(&self) -> bool {
        let done = |extension: &Extension| extension.state == State::Ready && extension.waiting.is_empty();
        self.extensions.iter().all(|extension| extension.state.is_over() || done(extension))
    }

    /// Every external extension has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.extensions.iter().filter(|extension| extension.external).all(|extension| extension.gone)
    }

    /// Puts an event before those that want such.
    pub(super) fn send(&mut self, event: &Event) {
        for extension in &mut self.extensions {
            if extension.events.contains(&event.kind) && !extension.state.is_over() {
                extension.waiting.push_back(event.clone());
            }
        }
    }

    pub(super) fn states(&self) -> Vec<ExtensionStatus> {
        let status = |extension: &Extension| ExtensionStatus {
            name: extension.name.clone(),
            state: extension.state.name(),
            events: extension.events.iter().map(|event| event.name()).collect(),
            error_type: extension.error_type.clone(),
        };
        self.extensions.iter().map(status).collect()
    }

    fn find(&mut self, id: &str) -> Result<&mut Extension, Refusal> {
        let found = self.extensions.iter_mut().find(|extension| extension.id.as_deref() == Some(id));
        found.ok_or_else(|| {
            let message = format!("No extension has the identifier {id}");
            Refusal::new("Extension.UnknownExtensionIdentifier", message)
        })
    }
}

impl Extension {
    fn new(name: &str, external: bool, state: State) -> Extension {
        Extension {
            name: name.to_owned(),
            id: None,
            external,
            events: Vec::new(),
            state,
            waiting: VecDeque::new(),
            error_type: None,
            gone: state == State::LaunchError,
        }
    }
}

fn events_of(names: &[String], external: bool) -> Result<Vec<EventType>, Refusal> {
    let mut events = Vec::new();
    for name in names {
        let invalid = |message| Refusal::new("Extension.InvalidEventType", message);
        let event = EventType::parse(name).ok_or_else(|| invalid(format!("Invalid event type: {name}")))?;
        if event == EventType::Shutdown && !external {
            return Err(invalid("An internal extension cannot register for SHUTDOWN".to_owned()));
        }
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

fn out_of_turn(from: State, to: &str) -> Refusal {
    let message = format!(
        "State transition from {} to {to} failed for extension. Error: State transition is not allowed",
        from.name()
    );
    Refusal::new("Extension.InvalidExtensionState", message)
}

#[cfg(test)]
mod tests;
