use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell::{Rows, Tx, json};
use serde::{Deserialize, Serialize};

use crate::change_set::{ChangeSet, ChangeSetFacts};
use crate::changes::Changes;
use crate::error::{no_stack, validation};
use crate::event::StackEvent;
use crate::stack::{Deployment, Facts, Stack};

/// How long a deleted stack can still be described by its id.
const DELETED_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How many events a stack keeps; older ones go.
const EVENTS_KEPT_MAX: usize = 10_000;

/// The stacks of an account in a region, by the last part of their ids.
///
/// Rows: `stack/<uuid>`, `current/<uuid>`, `goal/<uuid>`, `operation/<uuid>`, `resource/<uuid>/<logical id>`,
/// `event/<uuid>/<number>`, `change_set/<uuid>/<change set's uuid>`.
#[derive(Debug, Default)]
pub struct Stacks {
    pub stacks: BTreeMap<String, Stack>,
}

/// A change set as it is stored.
#[derive(Serialize, Deserialize)]
struct ChangeSetRow {
    facts: ChangeSetFacts,
    goal: Option<Deployment>,
    changes: Changes,
}

impl cell::State for Stacks {
    fn load(rows: &Rows) -> Result<Stacks, String> {
        let mut stacks = Stacks::default();
        for (uuid, value) in rows.under("stack/") {
            let facts: Facts = json::read(value)?;
            let mut stack = Stack::new(facts.id.clone(), facts.uuid.clone(), facts.name.clone(), facts.created);
            stack.facts = facts;
            stacks.stacks.insert(text(uuid), stack);
        }
        for (uuid, value) in rows.under("current/") {
            stacks.owner(uuid)?.current = Some(Arc::new(json::read(value)?));
        }
        for (uuid, value) in rows.under("goal/") {
            stacks.owner(uuid)?.goal = Some(Arc::new(json::read(value)?));
        }
        for (uuid, value) in rows.under("operation/") {
            stacks.owner(uuid)?.operation = Some(json::read(value)?);
        }
        for (key, value) in rows.under("resource/") {
            let (uuid, logical_id) = halves(key);
            stacks.owner(uuid)?.resources.insert(text(logical_id), json::read(value)?);
        }
        for (key, value) in rows.under("event/") {
            stacks.owner(halves(key).0)?.events.push(Arc::new(json::read(value)?));
        }
        for (key, value) in rows.under("change_set/") {
            let (uuid, id) = halves(key);
            let row: ChangeSetRow = json::read(value)?;
            let change_set = ChangeSet { facts: row.facts, goal: row.goal.map(Arc::new), changes: row.changes };
            stacks.owner(uuid)?.change_sets.insert(text(id), change_set);
        }
        Ok(stacks)
    }
}

impl Stacks {
    /// The stack of this name that is not deleted, or of this id, deleted or not.
    pub fn find(&self, name_or_id: &str) -> Option<&Stack> {
        match name_or_id.starts_with("arn:") {
            true => self.stacks.values().find(|stack| stack.facts.id == name_or_id),
            false => self.stacks.values().find(|stack| stack.facts.name == name_or_id && !stack.is_deleted()),
        }
    }

    pub fn find_mut(&mut self, name_or_id: &str) -> Option<&mut Stack> {
        let uuid = self.find(name_or_id)?.facts.uuid.clone();
        self.stacks.get_mut(&uuid)
    }

    /// A change set by its ARN, or by its name and its stack.
    ///
    /// # Errors
    /// It is named without its stack, or the stack does not exist.
    pub fn find_change_set(
        &self,
        name: &str,
        stack_name: Option<&str>,
    ) -> Result<Option<(&Stack, &ChangeSet)>, wire::Error> {
        if name.starts_with("arn:") {
            let found = self.stacks.values().find_map(|stack| {
                let change_set = stack.change_sets.values().find(|one| one.facts.id == name)?;
                Some((stack, change_set))
            });
            return Ok(found);
        }
        let stack_name = stack_name
            .ok_or_else(|| validation("StackName must be specified if ChangeSetName is not specified as an ARN."))?;
        let stack = self.find(stack_name).ok_or_else(|| no_stack(stack_name))?;
        Ok(stack.change_sets.values().find(|one| one.facts.name == name).map(|change_set| (stack, change_set)))
    }

    /// What all stacks but `uuid` export: values by name.
    pub fn exports_of_others(&self, uuid: &str) -> BTreeMap<String, String> {
        let others = self.exports().filter(|(_, _, exporter)| exporter.facts.uuid != uuid);
        others.map(|(name, value, _)| (name.to_owned(), value.to_owned())).collect()
    }

    /// What the account's stacks export: name, value, the exporting stack.
    pub fn exports(&self) -> impl Iterator<Item = (&str, &str, &Stack)> {
        self.stacks.values().filter(|stack| !stack.is_deleted()).flat_map(|stack| {
            let exported = |output: &'_ crate::stack::Output| output.export.is_some();
            stack
                .facts
                .outputs
                .iter()
                .filter(move |output| exported(output))
                .map(move |output| (output.export.as_deref().unwrap_or_default(), output.value.as_str(), stack))
        })
    }

    /// The stacks that use an export.
    pub fn importers<'a>(&'a self, export: &'a str) -> impl Iterator<Item = &'a Stack> {
        self.stacks.values().filter(move |stack| !stack.is_deleted() && stack.facts.imports.contains(export))
    }

    /// Forgets stacks that were deleted long ago.
    pub fn expire(&mut self, tx: &mut Tx<'_>) {
        let now = tx.now();
        let is_old = |stack: &Stack| stack.facts.deleted.is_some_and(|deleted| deleted + DELETED_KEPT <= now);
        let old: Vec<String> =
            self.stacks.iter().filter(|(_, stack)| is_old(stack)).map(|(uuid, _)| uuid.clone()).collect();
        for uuid in old {
            if let Some(stack) = self.stacks.remove(&uuid) {
                stack.erase(tx);
            }
        }
    }

    fn owner(&mut self, uuid: &[u8]) -> Result<&mut Stack, String> {
        let uuid = text(uuid);
        self.stacks.get_mut(&uuid).ok_or_else(|| format!("a row belongs to the stack {uuid}, which is not there"))
    }
}

/// Writing rows. Each writes what the stack holds at that moment.
impl Stack {
    pub fn save_facts(&self, tx: &mut Tx<'_>) {
        json::put(tx, format!("stack/{}", self.facts.uuid), &self.facts);
    }

    pub fn save_operation(&self, tx: &mut Tx<'_>) {
        let row = format!("operation/{}", self.facts.uuid);
        match &self.operation {
            Some(operation) => json::put(tx, row, operation),
            None => tx.delete(row),
        }
    }

    pub fn save_current(&self, tx: &mut Tx<'_>) {
        save_deployment(tx, format!("current/{}", self.facts.uuid), self.current.as_deref());
    }

    pub fn save_goal(&self, tx: &mut Tx<'_>) {
        save_deployment(tx, format!("goal/{}", self.facts.uuid), self.goal.as_deref());
    }

    /// Writes the resource, or deletes its row if there is none.
    pub fn save_resource(&self, tx: &mut Tx<'_>, logical_id: &str) {
        let row = format!("resource/{}/{logical_id}", self.facts.uuid);
        match self.resources.get(logical_id) {
            Some(resource) => json::put(tx, row, resource),
            None => tx.delete(row),
        }
    }

    /// Writes the change set, or deletes its row if there is none.
    pub fn save_change_set(&self, tx: &mut Tx<'_>, uuid: &str) {
        let row = format!("change_set/{}/{uuid}", self.facts.uuid);
        match self.change_sets.get(uuid) {
            None => tx.delete(row),
            Some(ChangeSet { facts, goal, changes }) => {
                let goal = goal.as_deref().cloned();
                json::put(tx, row, &ChangeSetRow { facts: facts.clone(), goal, changes: changes.clone() });
            }
        }
    }

    /// Appends an event.
    pub fn push_event(&mut self, tx: &mut Tx<'_>, event: StackEvent) -> Arc<StackEvent> {
        let number = self.events.last().map_or(0, |last| last.number + 1);
        let event = Arc::new(StackEvent { number, ..event });
        json::put(tx, self.event_row(number), &*event);
        self.events.push(event.clone());
        if self.events.len() > EVENTS_KEPT_MAX {
            let oldest = self.events.remove(0);
            tx.delete(self.event_row(oldest.number));
        }
        event
    }

    /// Deletes all rows of the stack.
    pub fn erase(&self, tx: &mut Tx<'_>) {
        let uuid = &self.facts.uuid;
        for row in ["stack", "current", "goal", "operation"] {
            tx.delete(format!("{row}/{uuid}"));
        }
        for rows in ["resource", "event", "change_set"] {
            tx.delete_prefix(format!("{rows}/{uuid}/"));
        }
    }

    fn event_row(&self, number: u64) -> String {
        format!("event/{}/{number:012}", self.facts.uuid)
    }
}

fn save_deployment(tx: &mut Tx<'_>, row: String, deployment: Option<&Deployment>) {
    match deployment {
        Some(deployment) => json::put(tx, row, deployment),
        None => tx.delete(row),
    }
}

/// `<uuid>/<rest>`.
fn halves(key: &[u8]) -> (&[u8], &[u8]) {
    let at = key.iter().position(|byte| *byte == b'/').unwrap_or(key.len());
    (&key[..at], key.get(at + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
