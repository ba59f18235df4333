use std::sync::Arc;

use base::Scope;
use cell::{Cell, Family};
use fabric::Fabric;
use wire::{Call, Error};

use crate::groups::Groups;
use crate::{error, operations, resource};

pub struct Logs {
    pub(crate) fabric: Fabric,
    scopes: Family<Groups>,
}

impl Logs {
    pub fn open(fabric: Fabric) -> Arc<Logs> {
        let scopes = Family::new(&fabric.cells, "logs/");
        Arc::new(Logs { fabric, scopes })
    }

    /// Hangs the service in.
    pub fn plug(self: &Arc<Self>) {
        self.fabric.plugs.add_api(operations::api(self.clone()));
        self.fabric.plugs.add_provider(Arc::new(resource::Provider::new(self.clone())));
    }

    /// The groups of the caller's account and region.
    pub(crate) async fn groups(&self, call: &Call) -> Result<Cell<Groups>, Error> {
        self.groups_of(&call.scope).await
    }

    pub(crate) async fn groups_of(&self, scope: &Scope) -> Result<Cell<Groups>, Error> {
        self.scopes.get(&scope.to_string()).await.map_err(Error::internal)
    }
}

/// A group's name, given as name or as identifier (a name or an ARN).
pub(crate) fn group_name(name: Option<String>, identifier: Option<String>) -> Result<String, Error> {
    match (name, identifier) {
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => Ok(group_of_arn(&identifier).unwrap_or(identifier)),
        (None, None) => Err(error::invalid("Log group name or identifier must be specified.")),
        (Some(_), Some(_)) => {
            Err(error::invalid("Log group name and log group identifier are mutually exclusive parameters."))
        }
    }
}

/// The name in `arn:aws:logs:<region>:<account>:log-group:<name>[:*]`.
pub(crate) fn group_of_arn(arn: &str) -> Option<String> {
    let arn: base::Arn = arn.parse().ok()?;
    let name = arn.resource.strip_prefix("log-group:")?;
    Some(name.strip_suffix(":*").unwrap_or(name).to_owned())
}
