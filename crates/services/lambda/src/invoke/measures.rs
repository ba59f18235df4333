use std::time::Duration;

use fabric::{Fabric, Unit};

use crate::registry::Resolved;

const NAMESPACE: &str = "AWS/Lambda";

/// Tells the metrics of a function, in each of AWS's sets of dimensions.
pub(crate) struct Measures {
    fabric: Fabric,
    function: String,
    /// `name`, `name:alias` or `name:version`, as invoked.
    resource: String,
}

impl Measures {
    pub(crate) fn of(fabric: &Fabric, resolved: &Resolved) -> Measures {
        let function = resolved.version.function_name.clone();
        let resource = match &resolved.qualifier {
            Some(qualifier) => format!("{function}:{qualifier}"),
            None => function.clone(),
        };
        Measures { fabric: fabric.clone(), function, resource }
    }

    pub(crate) fn throttled(&self) {
        self.tell("Throttles", 1.0, Unit::Count);
    }

    pub(crate) fn concurrent(&self, running: u32) {
        self.tell("ConcurrentExecutions", f64::from(running), Unit::Count);
    }

    /// The code ran.
    pub(crate) fn invoked(&self, duration: Duration, failed: bool) {
        self.tell("Invocations", 1.0, Unit::Count);
        self.tell("Errors", f64::from(u8::from(failed)), Unit::Count);
        self.tell("Duration", duration.as_secs_f64() * 1e3, Unit::Milliseconds);
    }

    /// Extensions worked on after the response.
    pub(crate) fn extensions_after_response(&self, duration: Duration) {
        self.tell("PostRuntimeExtensionsDuration", duration.as_secs_f64() * 1e3, Unit::Milliseconds);
    }

    pub(crate) fn event_received(&self) {
        self.tell("AsyncEventsReceived", 1.0, Unit::Count);
    }

    pub(crate) fn event_age(&self, age: Duration) {
        self.tell("AsyncEventAge", age.as_secs_f64() * 1e3, Unit::Milliseconds);
    }

    pub(crate) fn event_dropped(&self) {
        self.tell("AsyncEventsDropped", 1.0, Unit::Count);
    }

    pub(crate) fn destination_failed(&self) {
        self.tell("DestinationDeliveryFailures", 1.0, Unit::Count);
    }

    pub(crate) fn dead_letter_failed(&self) {
        self.tell("DeadLetterErrors", 1.0, Unit::Count);
    }

    fn tell(&self, name: &'static str, value: f64, unit: Unit) {
        let function = ("FunctionName", self.function.as_str());
        let resource = ("Resource", self.resource.as_str());
        let now = self.fabric.now();
        for dimensions in [&[function][..], &[function, resource], &[]] {
            self.fabric.metrics.tell(now, NAMESPACE, name, dimensions, value, unit);
        }
    }
}
