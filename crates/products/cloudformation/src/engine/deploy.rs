use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Timestamp;
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::{STEPS_AT_ONCE_MAX, Task};
use crate::document::Prepared;
use crate::plan;
use crate::resolver::{Known, StackResolver};
use crate::resource::{Action, Deployed, Noted, StackResource, Underway};
use crate::service::CloudFormation;
use crate::stack::Stack;
use crate::status::ResourceStatus;
use crate::story::Told;

/// What a deployment is worked out from.
struct Stage {
    prepared: Prepared,
    needs: plan::Needs,
    exports: BTreeMap<String, String>,
}

/// What a step has to do, once its beginning is durable.
enum Begun {
    /// Nothing: the resource is as it should be.
    Done(Known),
    Make(Box<Deployed>),
    /// From what is there to what is wanted.
    Alter(Box<Deployed>, Box<Deployed>),
    Failed,
}

/// How a step ended: the resource as others may refer to it, unless it failed.
type Ended = Result<(String, Option<Known>), cell::Error>;

impl CloudFormation {
    /// Brings all resources to the goal, each as soon as those that it needs are there. Returns when all are done,
    /// or something has failed and what had begun has ended.
    pub(super) async fn deploy(self: &Arc<Self>, task: &Arc<Task>) -> Result<(), cell::Error> {
        let Some(stage) = self.stage(task).await? else { return Ok(()) };
        let stage = Arc::new(stage);
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let mut done = BTreeSet::new();
        let mut begun = BTreeSet::new();
        let mut running: JoinSet<Ended> = JoinSet::new();
        loop {
            let goes_on = task.current().await?.is_some_and(|operation| !operation.is_failing());
            let room = STEPS_AT_ONCE_MAX - running.len();
            let next = if goes_on { plan::ready(&stage.needs, &done, &begun) } else { Vec::new() };
            for logical_id in next.into_iter().take(room) {
                begun.insert(logical_id.clone());
                let needed = &stage.needs[&logical_id];
                let known = known.iter().filter(|(id, _)| needed.contains(*id));
                let known = known.map(|(id, known)| (id.clone(), known.clone())).collect();
                running.spawn(self.clone().deploy_step(task.clone(), stage.clone(), known, logical_id));
            }
            let Some(ended) = self.next(task, &mut running).await? else { break };
            if let (logical_id, Some(resource)) = ended {
                known.insert(logical_id.clone(), resource);
                done.insert(logical_id);
            }
        }
        Ok(())
    }

    /// The next step to end. When the operation's time is over, no further step begins.
    async fn next(
        &self,
        task: &Task,
        running: &mut JoinSet<Ended>,
    ) -> Result<Option<(String, Option<Known>)>, cell::Error> {
        let deadline = task.operation.deadline.unwrap_or(Timestamp::NEVER);
        let joined = tokio::select! {
            joined = running.join_next() => joined,
            () = self.fabric.clock.passed(deadline) => {
                self.give_up(task, "Stack creation timed out.").await?;
                running.join_next().await
            }
        };
        match joined {
            None => Ok(None),
            Some(Ok(ended)) => ended.map(Some),
            Some(Err(panicked)) => {
                self.give_up(task, "A resource provider failed inside Kobel.").await?;
                tracing::error!(%panicked, "a step of a stack's operation ended by a panic");
                Ok(Some((String::new(), None)))
            }
        }
    }

    async fn give_up(&self, task: &Task, reason: &str) -> Result<(), cell::Error> {
        self.change(task, |stack, tx| {
            if let Some(operation) = &mut stack.operation {
                operation.reason.get_or_insert(reason.to_owned());
            }
            stack.save_operation(tx);
            ((), Told::new())
        })
        .await
    }

    async fn stage(&self, task: &Task) -> Result<Option<Stage>, cell::Error> {
        let (goal, exports) = task
            .cell
            .read(|stacks| {
                let stack = stacks.stacks.get(&task.uuid)?;
                Some((stack.goal.clone()?, stacks.exports_of_others(&task.uuid)))
            })
            .await?
            .expect("a deployment has a goal");
        match Prepared::new(&goal, &task.scope, &task.stack_id, &task.stack_name) {
            Ok(prepared) => {
                let needs = template::dependencies(&prepared.template, Some(&prepared.scope.conditions));
                Ok(Some(Stage { prepared, needs, exports }))
            }
            Err(error) => {
                self.give_up(task, &error.to_string()).await?;
                Ok(None)
            }
        }
    }

    async fn deploy_step(
        self: Arc<Self>,
        task: Arc<Task>,
        stage: Arc<Stage>,
        known: BTreeMap<String, Known>,
        logical_id: String,
    ) -> Ended {
        let id = logical_id.as_str();
        let wanted = wanted(&stage, &known, id);
        let begun = self.change(&task, |stack, tx| match wanted {
            Ok((resource_type, properties, noted)) => self.begin(stack, tx, id, resource_type, properties, noted),
            Err(reason) => {
                let told = fail_unresolved(stack, tx, id, &stage, reason);
                (Begun::Failed, told)
            }
        });
        let made = match begun.await? {
            Begun::Done(known) => return Ok((logical_id, Some(known))),
            Begun::Failed => return Ok((logical_id, None)),
            Begun::Make(deployed) => self.make(&task, id, &deployed).await,
            Begun::Alter(old, new) => self.alter(&task, id, &old, &new).await,
        };
        let known = match made {
            Ok(resource) => Some(self.change(&task, |stack, tx| end(stack, tx, id, resource)).await?),
            Err(reason) => {
                self.change(&task, |stack, tx| ((), fail(stack, tx, id, &reason))).await?;
                None
            }
        };
        Ok((logical_id, known))
    }

    /// Writes that a step begins. What an earlier run has begun is repeated as it was.
    fn begin(
        &self,
        stack: &mut Stack,
        tx: &mut cell::Tx<'_>,
        id: &str,
        resource_type: String,
        properties: Map<String, Value>,
        noted: Noted,
    ) -> (Begun, Told) {
        let existing = stack.resources.get(id);
        if let Some((resource, change)) = existing.and_then(|resource| Some((resource, resource.change.as_ref()?))) {
            return (again(resource, change), Told::new());
        }
        let judge = |old: &Map<String, Value>, new: &Map<String, Value>| self.judge(&resource_type, old, new);
        let action = plan::decide(existing, &resource_type, &properties, &noted, judge);
        let before = existing.filter(|existing| existing.exists()).map(|existing| existing.deployed.clone());
        match (action, before) {
            (None, Some(before)) => (Begun::Done(before.known()), Told::new()),
            (Some(Action::Note), Some(before)) => {
                let known = before.known();
                note(stack, tx, id, Deployed { properties, noted, ..before });
                (Begun::Done(known), Told::new())
            }
            (Some(Action::Update), Some(before)) => {
                let new = Deployed { properties, noted, ..before.clone() };
                set_out(stack, tx, id, new.clone(), Action::Update, Some(before.clone()));
                let told = stack.tell_resource_status(tx, id, ResourceStatus::UpdateInProgress, None);
                (Begun::Alter(Box::new(before), Box::new(new)), told.into_iter().collect())
            }
            (Some(Action::Replace), Some(before)) => {
                let name = custom_name(&before, &resource_type, &properties);
                stack.facts.replacements += 1;
                stack.save_facts(tx);
                let new = fresh(stack, resource_type, properties, noted);
                set_out(stack, tx, id, new.clone(), Action::Replace, Some(before));
                if let Some(name) = name {
                    let reason = format!(
                        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename \
                         {name} and update the stack again."
                    );
                    return (Begun::Failed, fail(stack, tx, id, &reason));
                }
                const REASON: &str =
                    "Requested update requires the creation of a new physical resource; hence creating one.";
                let told = stack.tell_resource_status(tx, id, ResourceStatus::UpdateInProgress, Some(REASON));
                (Begun::Make(Box::new(new)), told.into_iter().collect())
            }
            _ => {
                let new = fresh(stack, resource_type, properties, noted);
                set_out(stack, tx, id, new.clone(), Action::Create, None);
                let told = stack.tell_resource_status(tx, id, ResourceStatus::CreateInProgress, None);
                (Begun::Make(Box::new(new)), told.into_iter().collect())
            }
        }
    }
}

/// Type, properties and notes of a resource as the template wants it; or why they cannot be computed.
fn wanted(
    stage: &Stage,
    known: &BTreeMap<String, Known>,
    id: &str,
) -> Result<(String, Map<String, Value>, Noted), String> {
    let resource = &stage.prepared.template.resources[id];
    let resolver = StackResolver::new(&stage.prepared.scope, known, &stage.exports);
    let properties = template::evaluate(&resource.properties, &resolver).map_err(|error| error.message)?;
    let properties = match properties {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let noted = Noted::new(resource, stage.needs[id].clone(), resolver.take_imports());
    Ok((resource.resource_type.clone(), properties, noted))
}

/// What an interrupted run had begun with a resource.
fn again(resource: &StackResource, change: &Underway) -> Begun {
    match (change.is_done, &change.before) {
        (true, _) => Begun::Done(resource.deployed.known()),
        (false, Some(before)) if change.action == Action::Update => {
            Begun::Alter(before.clone(), Box::new(resource.deployed.clone()))
        }
        (false, _) => Begun::Make(Box::new(resource.deployed.clone())),
    }
}

fn fresh(stack: &Stack, resource_type: String, properties: Map<String, Value>, noted: Noted) -> Deployed {
    let generation = stack.facts.replacements;
    Deployed { resource_type, properties, noted, generation, ..Deployed::default() }
}

/// Puts the resource as it is to become into the stack.
fn set_out(
    stack: &mut Stack,
    tx: &mut cell::Tx<'_>,
    id: &str,
    deployed: Deployed,
    action: Action,
    before: Option<Deployed>,
) {
    let resource = StackResource {
        logical_id: id.to_owned(),
        deployed,
        status: ResourceStatus::CreateInProgress,
        reason: None,
        updated: tx.now(),
        change: Some(Underway { action, is_done: false, before: before.map(Box::new) }),
    };
    stack.resources.insert(id.to_owned(), resource);
}

/// A change that concerns no provider.
fn note(stack: &mut Stack, tx: &mut cell::Tx<'_>, id: &str, new: Deployed) {
    if let Some(resource) = stack.resources.get_mut(id) {
        let before = std::mem::replace(&mut resource.deployed, new);
        resource.change = Some(Underway { action: Action::Note, is_done: true, before: Some(Box::new(before)) });
    }
    stack.save_resource(tx, id);
}

/// Writes that a step has ended well.
fn end(stack: &mut Stack, tx: &mut cell::Tx<'_>, id: &str, made: fabric::Resource) -> (Known, Told) {
    let mut told = Told::new();
    let resource = stack.resources.get_mut(id).expect("a step's resource is in the stack");
    resource.deployed.physical_id = made.physical_id;
    resource.deployed.reference = made.reference;
    resource.deployed.attributes = made.attributes;
    let known = resource.deployed.known();
    let action = resource.change.as_mut().map(|change| {
        change.is_done = true;
        change.action
    });
    let (initiated, complete) = match action {
        Some(Action::Create) => (Some(ResourceStatus::CreateInProgress), ResourceStatus::CreateComplete),
        Some(Action::Replace) => (Some(ResourceStatus::UpdateInProgress), ResourceStatus::UpdateComplete),
        _ => (None, ResourceStatus::UpdateComplete),
    };
    let initiated = initiated.map(|status| (status, Some("Resource creation Initiated")));
    for (status, reason) in initiated.into_iter().chain([(complete, None)]) {
        told.extend(stack.tell_resource_status(tx, id, status, reason));
    }
    (known, told)
}

/// Writes that a step has failed.
pub(super) fn fail(stack: &mut Stack, tx: &mut cell::Tx<'_>, id: &str, reason: &str) -> Told {
    let change = stack.resources.get(id).and_then(|resource| resource.change.as_ref());
    let status = match change.map(|change| change.action) {
        Some(Action::Create) | None => ResourceStatus::CreateFailed,
        Some(_) => ResourceStatus::UpdateFailed,
    };
    if let Some(operation) = &mut stack.operation {
        operation.failed.insert(id.to_owned());
    }
    stack.save_operation(tx);
    stack.tell_resource_status(tx, id, status, Some(reason)).into_iter().collect()
}

/// Writes that a resource's properties cannot be computed.
fn fail_unresolved(stack: &mut Stack, tx: &mut cell::Tx<'_>, id: &str, stage: &Stage, reason: String) -> Told {
    if reason.starts_with("No export named") {
        if let Some(operation) = &mut stack.operation {
            operation.reason.get_or_insert(reason);
        }
        stack.save_operation(tx);
        return Told::new();
    }
    let existing = stack.resources.get(id).filter(|existing| existing.exists()).map(|one| one.deployed.clone());
    match existing {
        // Nothing of it is changed: the failed change is one that goes from what is there to what is there.
        Some(deployed) => set_out(stack, tx, id, deployed.clone(), Action::Note, Some(deployed)),
        None => {
            let resource = &stage.prepared.template.resources[id];
            let new = fresh(stack, resource.resource_type.clone(), Map::new(), Noted::default());
            set_out(stack, tx, id, new, Action::Create, None);
        }
    }
    fail(stack, tx, id, &reason)
}

/// The name that the template gives the resource before and after, so that both can't exist at a time.
fn custom_name(before: &Deployed, resource_type: &str, properties: &Map<String, Value>) -> Option<String> {
    let kind = resource_type.rsplit("::").next().unwrap_or_default();
    let name = properties.get(&format!("{kind}Name"))?.as_str()?;
    let same = before.resource_type == resource_type
        && before.properties.get(&format!("{kind}Name")).and_then(Value::as_str) == Some(name);
    same.then(|| name.to_owned())
}
