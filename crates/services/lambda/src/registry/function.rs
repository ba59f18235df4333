use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Scope, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::version::{Image, LATEST, Package, Version};

/// The tag by which a function says what its environments reach: `none`, `kobel` or `host`.
pub const NETWORK_TAG: &str = "kobel:network";

/// A function with all that belongs to it. Immutable: a change makes another one, which shares what stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub scope: Scope,
    pub name: String,
    /// Without a qualifier.
    pub arn: String,
    pub latest: Arc<Version>,
    /// The published versions by number.
    pub versions: BTreeMap<u64, Arc<Version>>,
    pub aliases: BTreeMap<String, Arc<Alias>>,
    pub settings: Arc<FunctionSettings>,
    /// By qualifier: `$LATEST`, a number or an alias.
    pub event_invoke_configs: BTreeMap<String, Arc<EventInvokeConfig>>,
    /// By qualifier; the function's own is under `$LATEST`.
    pub policies: BTreeMap<String, Arc<Policy>>,
}

/// What holds for a function as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionSettings {
    /// Reserved concurrency; 0 throttles the function wholly.
    pub reserved_concurrency: Option<u32>,
    /// Among them may be [`NETWORK_TAG`].
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The newest published version's number; numbers are never used again.
    #[serde(default)]
    pub last_version: u64,
}

/// A name for a version, or for a weighted pair of versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    pub description: String,
    pub revision_id: String,
    /// Another version and its share of the invocations, 0.0 to 1.0.
    pub additional: Option<(String, f64)>,
}

/// How asynchronous invocations by one qualifier are retried, and where their records go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// 0 to 2.
    pub maximum_retry_attempts: Option<u32>,
    /// 60 to 21600.
    pub maximum_event_age_s: Option<u32>,
    /// The destination's ARN.
    pub on_success: Option<String>,
    /// The destination's ARN.
    pub on_failure: Option<String>,
    pub last_modified: Timestamp,
}

/// What an invocation by name and qualifier means at the moment.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub version: Arc<Version>,
    /// As invoked: an alias, a number, `$LATEST`; absent where none was given.
    pub qualifier: Option<String>,
    /// The function's ARN, with the qualifier if one was given.
    pub invoked_arn: String,
    pub function: Arc<FunctionSettings>,
    /// The one of the invoked qualifier.
    pub event_invoke_config: Option<Arc<EventInvokeConfig>>,
}

impl Function {
    /// The version that `qualifier` names, for reading: the base version of an alias.
    pub fn version(&self, qualifier: &str) -> Option<&Arc<Version>> {
        if qualifier == LATEST {
            return Some(&self.latest);
        }
        if let Ok(number) = qualifier.parse() {
            return self.versions.get(&number);
        }
        let alias = self.aliases.get(qualifier)?;
        self.version_of(&alias.version)
    }

    /// The version that an alias names.
    pub fn version_of(&self, version: &str) -> Option<&Arc<Version>> {
        if version == LATEST { Some(&self.latest) } else { self.versions.get(&version.parse().ok()?) }
    }

    /// All packages of all versions and of their layers.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.all_versions().flat_map(|version| version.packages())
    }

    /// All images of all versions.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.all_versions().filter_map(|version| version.code.image())
    }

    /// All versions, `$LATEST` first.
    pub fn all_versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }
}

impl Alias {
    /// The version for one invocation, where `chance` is drawn from 0.0..1.0.
    pub fn pick(&self, chance: f64) -> &str {
        match &self.additional {
            Some((version, weight)) if chance < *weight => version,
            _ => &self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_splits_by_weight() {
        let mut alias = Alias {
            name: "live".into(),
            version: "1".into(),
            description: String::new(),
            revision_id: String::new(),
            additional: Some(("2".into(), 0.25)),
        };
        let picked = [0.0, 0.24, 0.25, 0.99].map(|chance| alias.pick(chance).to_owned());
        assert_eq!(picked, ["2", "2", "1", "1"]);
        alias.additional = None;
        assert_eq!(alias.pick(0.0), "1");
    }
}
