use std::time::Instant;

use base::Trace;
use fabric::{Event, EventKind, ProviderError, Resource};

use super::Task;
use crate::resource::Deployed;
use crate::service::CloudFormation;

impl CloudFormation {
    /// Makes a resource; returns why not as a `ResourceStatusReason`.
    pub(super) async fn make(&self, task: &Task, logical_id: &str, deployed: &Deployed) -> Result<Resource, String> {
        let step = Step::begin(self, task, logical_id, deployed, "create");
        let Some(provider) = self.fabric.plugs.provider(&deployed.resource_type) else {
            return step.end(Err(no_provider(deployed)));
        };
        if let Err(error) = provider.check(&deployed.resource_type, &deployed.properties) {
            return step.end(Err(error));
        }
        let context = task.context(logical_id, deployed, step.trace.clone());
        step.end(provider.create(&context, &deployed.properties).await)
    }

    /// Changes a resource in place from `old` to `new`.
    pub(super) async fn alter(
        &self,
        task: &Task,
        logical_id: &str,
        old: &Deployed,
        new: &Deployed,
    ) -> Result<Resource, String> {
        let step = Step::begin(self, task, logical_id, new, "update");
        let Some(provider) = self.fabric.plugs.provider(&new.resource_type) else {
            return step.end(Err(no_provider(new)));
        };
        if let Err(error) = provider.check(&new.resource_type, &new.properties) {
            return step.end(Err(error));
        }
        let context = task.context(logical_id, new, step.trace.clone());
        let updated = provider.update(&context, &new.physical_id, &old.properties, &new.properties).await;
        step.end(updated.map(|updated| updated.resource))
    }

    /// Deletes a resource.
    pub(super) async fn unmake(&self, task: &Task, logical_id: &str, deployed: &Deployed) -> Result<(), String> {
        let step = Step::begin(self, task, logical_id, deployed, "delete");
        let Some(provider) = self.fabric.plugs.provider(&deployed.resource_type) else {
            return step.end(Err(no_provider(deployed))).map(drop);
        };
        let context = task.context(logical_id, deployed, step.trace.clone());
        let outcome = provider.delete(&context, &deployed.physical_id, &deployed.properties).await;
        let gone = || Resource::new(&deployed.physical_id);
        match outcome {
            Err(error) if error.code == "NotFound" => step.end(Ok(gone())),
            outcome => step.end(outcome.map(|()| gone())),
        }
        .map(drop)
    }
}

/// A call of a provider, as the journal tells it.
struct Step<'a> {
    service: &'a CloudFormation,
    event: Event,
    began: Instant,
    /// What the call causes continues this.
    trace: Trace,
}

impl<'a> Step<'a> {
    #[expect(clippy::disallowed_methods, reason = "measures how long the call takes, in real time")]
    fn begin(
        service: &'a CloudFormation,
        task: &Task,
        logical_id: &str,
        deployed: &Deployed,
        action: &'static str,
    ) -> Step<'a> {
        let fabric = &service.fabric;
        let span = fabric.new_span();
        let mut event = Event::new(&task.trace, span, EventKind::Deployment, fabric.now());
        event.service = "cloudformation".to_owned();
        event.action = action.to_owned();
        event.resource = format!("{}/{logical_id}", task.stack_name);
        event.detail = match deployed.physical_id.is_empty() {
            true => deployed.resource_type.clone(),
            false => format!("{} {}", deployed.resource_type, deployed.physical_id),
        };
        Step { service, event, began: Instant::now(), trace: task.trace.under(span) }
    }

    fn end(mut self, outcome: Result<Resource, ProviderError>) -> Result<Resource, String> {
        self.event.duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(resource) if self.event.action == "create" => {
                self.event.detail = format!("{} {}", self.event.detail, resource.physical_id);
            }
            Ok(_) => {}
            Err(error) => {
                self.event.outcome = error.code.to_owned();
                self.event.detail = format!("{}: {}", self.event.detail, error.message);
            }
        }
        self.service.fabric.journal.record(self.event);
        outcome.map_err(|error| reason(&error, &self.service.fabric.entropy.uuid()))
    }
}

fn no_provider(deployed: &Deployed) -> ProviderError {
    ProviderError::failed(format!("Kobel does not have the resource type {}", deployed.resource_type))
}

/// A provider's error as CloudFormation words it.
fn reason(error: &ProviderError, request_token: &str) -> String {
    let mut message = error.message.clone();
    if let Some(property) = &error.property {
        let name = property.rsplit('/').next().unwrap_or(property);
        if !message.contains(name) {
            message = format!("{message} (property {property})");
        }
    }
    let code = error.code;
    format!(
        "Resource handler returned message: \"{message}\" (RequestToken: {request_token}, HandlerErrorCode: {code})"
    )
}
