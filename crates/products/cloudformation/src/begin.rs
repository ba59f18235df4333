use std::sync::Arc;
use std::time::Duration;

use base::Scope;
use cell::Tx;
use wire::Call;

use crate::operation::{Kind, OnFailure, Operation, Phase};
use crate::service::CloudFormation;
use crate::stack::{Deployment, Past, Stack};
use crate::status::StackStatus;
use crate::story::Told;

/// What an operation is begun with, besides what it is to deploy.
pub struct Beginning {
    pub id: String,
    pub kind: Kind,
    pub token: Option<String>,
    pub trace: String,
    pub origin: String,
    pub on_failure: OnFailure,
    pub retain_except_on_create: bool,
    pub timeout_minutes: Option<i32>,
}

impl Beginning {
    pub fn new(service: &CloudFormation, call: &Call, kind: Kind, token: Option<String>) -> Beginning {
        Beginning {
            id: service.fabric.entropy.uuid(),
            kind,
            token,
            trace: call.trace.to_string(),
            origin: call.origin.clone(),
            on_failure: OnFailure::Rollback,
            retain_except_on_create: false,
            timeout_minutes: None,
        }
    }
}

impl Stack {
    /// Begins an operation. Its status is told by `User Initiated`.
    pub fn begin(&mut self, tx: &mut Tx<'_>, beginning: Beginning, goal: Option<Arc<Deployment>>) -> Told {
        let now = tx.now();
        let past = Past {
            id: beginning.id.clone(),
            kind: beginning.kind,
            token: beginning.token.clone(),
            began: now,
            ended: None,
        };
        self.facts.note_operation(past);
        let minutes = beginning.timeout_minutes.and_then(|minutes| u64::try_from(minutes).ok());
        self.operation = Some(Operation {
            id: beginning.id,
            kind: beginning.kind,
            phase: match beginning.kind {
                Kind::Create | Kind::Update => Phase::Deploy,
                Kind::Delete => Phase::Delete { rollback: false },
            },
            token: beginning.token,
            trace: beginning.trace,
            origin: beginning.origin,
            on_failure: beginning.on_failure,
            retain_except_on_create: beginning.retain_except_on_create,
            cancel: None,
            deadline: minutes.map(|minutes| now + Duration::from_secs(minutes * 60)),
            failed: Default::default(),
            reason: None,
            retain: Default::default(),
            force: false,
            doomed: Default::default(),
        });
        let status = match beginning.kind {
            Kind::Create => StackStatus::CreateInProgress,
            Kind::Update => StackStatus::UpdateInProgress,
            Kind::Delete => StackStatus::DeleteInProgress,
        };
        if beginning.kind == Kind::Update {
            self.facts.updated = Some(now);
        }
        if goal.is_some() {
            self.goal = goal;
            self.save_goal(tx);
        }
        self.save_operation(tx);
        vec![self.tell_status(tx, status, Some("User Initiated".to_owned()))]
    }
}

impl CloudFormation {
    /// A new stack of this name, with its ids.
    pub(crate) fn new_stack(&self, scope: &Scope, name: &str) -> Stack {
        let uuid = self.fabric.entropy.uuid();
        let id = scope.arn("cloudformation", &format!("stack/{name}/{uuid}"));
        Stack::new(id, uuid, name.to_owned(), self.fabric.now())
    }
}
