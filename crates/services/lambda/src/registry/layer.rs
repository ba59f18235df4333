use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Account, Arn, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use wire::Error;

use super::policy::Policy;
use super::version::Package;
use crate::error;

/// A layer with its versions. Immutable: a change makes another one, which shares what stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishedLayer {
    pub name: String,
    /// The newest version's number; numbers are never used again, even if all versions are deleted.
    pub last_version: Arc<u64>,
    pub versions: BTreeMap<u64, Arc<LayerVersion>>,
}

/// What was published once; only its policy changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerVersion {
    /// The layer version's ARN.
    #[serde(skip)]
    pub arn: String,
    pub number: u64,
    pub package: Package,
    pub description: String,
    pub created: Timestamp,
    /// Absent if they were not given.
    pub runtimes: Option<Vec<String>>,
    /// Absent if they were not given.
    pub architectures: Option<Vec<String>>,
    pub license: Option<String>,
    /// Which other accounts may use it.
    #[serde(default)]
    pub policy: Policy,
    /// Changes with the policy.
    pub policy_revision: String,
    /// Which creation of a stack's resource made it, so that the same one makes no second.
    pub creation: Option<String>,
}

/// A layer as a caller names it: by name or ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerName {
    /// The caller's, but the account that an ARN names.
    pub scope: Scope,
    pub name: String,
}

/// A layer version as a function names it, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerReference {
    pub layer: LayerName,
    pub number: u64,
}

impl PublishedLayer {
    /// The newest version that `matches`.
    pub fn newest(&self, matches: impl Fn(&LayerVersion) -> bool) -> Option<&Arc<LayerVersion>> {
        self.versions.values().rev().find(|version| matches(version))
    }
}

impl LayerVersion {
    /// Whether it says that it is for the runtime and the architecture, where they are asked for.
    pub fn is_compatible(&self, runtime: Option<&str>, architecture: Option<&str>) -> bool {
        let holds = |said: &Option<Vec<String>>, asked: Option<&str>| {
            asked.is_none_or(|asked| said.as_ref().is_some_and(|said| said.iter().any(|one| one == asked)))
        };
        holds(&self.runtimes, runtime) && holds(&self.architectures, architecture)
    }
}

impl LayerName {
    /// Reads the parameter `LayerName`, whose form the model has checked.
    pub fn parse(scope: &Scope, text: &str) -> Result<LayerName, Error> {
        let Ok(arn) = text.parse::<Arn>() else {
            return Ok(LayerName { scope: scope.clone(), name: text.to_owned() });
        };
        let layer = LayerName::of_arn(&arn).ok_or_else(|| error::invalid(format!("Invalid layer ARN: {text}")))?;
        if layer.scope.region != scope.region {
            let (given, own) = (&layer.scope.region, &scope.region);
            return Err(error::missing(format!("Layers from '{given}' are not reachable in this region ('{own}')")));
        }
        Ok(layer)
    }

    fn of_arn(arn: &Arn) -> Option<LayerName> {
        let name = arn.resource.strip_prefix("layer:")?.split(':').next()?.to_owned();
        let scope = Scope { account: Account::parse(&arn.account)?, region: base::Region::parse(&arn.region)? };
        Some(LayerName { scope, name })
    }

    pub fn arn(&self) -> String {
        self.scope.arn("lambda", &format!("layer:{}", self.name))
    }

    pub fn version_arn(&self, number: impl std::fmt::Display) -> String {
        format!("{}:{number}", self.arn())
    }
}

impl LayerReference {
    /// Reads a layer version's ARN, whose form the model has checked.
    pub fn parse(text: &str) -> Result<LayerReference, Error> {
        let invalid = || error::invalid(format!("Invalid layer version ARN: {text}"));
        let arn: Arn = text.parse().map_err(|_| invalid())?;
        let layer = LayerName::of_arn(&arn).ok_or_else(invalid)?;
        let number = text.rsplit(':').next().and_then(|number| number.parse().ok()).ok_or_else(invalid)?;
        check_number(number)?;
        Ok(LayerReference { layer, number: number.unsigned_abs() })
    }

    /// Reads the parameters `LayerName` and `VersionNumber`.
    pub fn of(scope: &Scope, name: &str, number: i64) -> Result<LayerReference, Error> {
        check_number(number)?;
        Ok(LayerReference { layer: LayerName::parse(scope, name)?, number: number.unsigned_abs() })
    }

    pub fn arn(&self) -> String {
        self.layer.version_arn(self.number)
    }
}

fn check_number(number: i64) -> Result<(), Error> {
    if number < 1 { Err(error::invalid("Layer Version Cannot be less than 1")) } else { Ok(()) }
}
