use std::sync::Arc;

use cell::Tx;
use sha2::{Digest, Sha256};

use crate::event::{STACK_TYPE, StackEvent};
use crate::resource::Deployed;
use crate::stack::Stack;
use crate::status::{ResourceStatus, StackStatus};

/// Events that a command wrote, to be told to followers once they are durable.
pub type Told = Vec<Arc<StackEvent>>;

impl Stack {
    /// Gives the stack a status and tells it. Writes the facts.
    pub fn tell_status(&mut self, tx: &mut Tx<'_>, status: StackStatus, reason: Option<String>) -> Arc<StackEvent> {
        self.facts.status = status;
        self.facts.reason.clone_from(&reason);
        self.save_facts(tx);
        let (name, id) = (self.facts.name.clone(), self.facts.id.clone());
        self.tell(tx, name, id, STACK_TYPE.to_owned(), status.as_str(), reason, None)
    }

    /// Tells a resource's status without changing the resource.
    pub fn tell_resource(
        &mut self,
        tx: &mut Tx<'_>,
        logical_id: &str,
        deployed: &Deployed,
        status: ResourceStatus,
        reason: Option<&str>,
    ) -> Arc<StackEvent> {
        let properties = serde_json::Value::Object(deployed.properties.clone()).to_string();
        let (physical_id, resource_type) = (deployed.physical_id.clone(), deployed.resource_type.clone());
        let reason = reason.map(str::to_owned);
        self.tell(tx, logical_id.to_owned(), physical_id, resource_type, status.as_str(), reason, Some(properties))
    }

    /// Gives a resource a status and tells it. Writes the resource.
    pub fn tell_resource_status(
        &mut self,
        tx: &mut Tx<'_>,
        logical_id: &str,
        status: ResourceStatus,
        reason: Option<&str>,
    ) -> Option<Arc<StackEvent>> {
        let resource = self.resources.get_mut(logical_id)?;
        resource.status = status;
        resource.reason = reason.map(str::to_owned);
        resource.updated = tx.now();
        let deployed = resource.deployed.clone();
        self.save_resource(tx, logical_id);
        Some(self.tell_resource(tx, logical_id, &deployed, status, reason))
    }

    #[expect(clippy::too_many_arguments, reason = "an event has that many members")]
    fn tell(
        &mut self,
        tx: &mut Tx<'_>,
        logical_id: String,
        physical_id: String,
        resource_type: String,
        status: &str,
        reason: Option<String>,
        properties: Option<String>,
    ) -> Arc<StackEvent> {
        let number = self.events.last().map_or(0, |last| last.number + 1);
        let event_id = match properties {
            Some(_) => format!("{logical_id}-{status}-{}-{number}", tx.now().iso8601()),
            None => uuid_of(&self.facts.id, number),
        };
        let operation = self.facts.operations.first();
        let event = StackEvent {
            number,
            stack_id: self.facts.id.clone(),
            stack_name: self.facts.name.clone(),
            event_id,
            operation_id: operation.map(|past| past.id.clone()).unwrap_or_default(),
            logical_id,
            physical_id,
            resource_type,
            at: tx.now(),
            status: status.to_owned(),
            reason,
            properties,
            token: operation.and_then(|past| past.token.clone()),
        };
        self.push_event(tx, event)
    }
}

/// A UUID for an event of a stack, the same whenever it is made.
fn uuid_of(stack_id: &str, number: u64) -> String {
    let digest = Sha256::digest(format!("{stack_id}\n{number}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
