//! `operations.toml`: what of a model Kobel has.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// A service's `operations.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of the model in botocore's data: `lambda/2015-03-31`.
    pub model: String,
    /// Kobel's short name of the service.
    pub id: String,
    /// The name of the service's Smithy shape.
    pub shape_name: String,
    pub error_namespace: String,
    /// In place of those of the model: `json-1.0`, `query`.
    pub protocols: Option<Vec<String>>,
    /// Where the model has none.
    pub xml_namespace: Option<String>,
    /// The operations that Kobel answers. All other operations of the model are listed as missing.
    pub operations: Vec<String>,
    /// By structure, the members that Kobel does not honour.
    #[serde(default)]
    pub ignored: BTreeMap<String, Vec<String>>,
    /// By structure, the name of the root element where it is not the structure's.
    #[serde(default)]
    pub xml_names: BTreeMap<String, String>,
    /// By structure and member, the name in the query protocol where the model has lost it.
    #[serde(default)]
    pub query_names: BTreeMap<String, BTreeMap<String, String>>,
    /// By map, the names of key and value in the query protocol where the model has lost them.
    #[serde(default)]
    pub map_names: BTreeMap<String, (String, String)>,
    /// Enumerations of which the service knows newer values than the model, and which it checks by itself.
    #[serde(default)]
    pub open: Vec<String>,
    /// By exception, what the model has lost.
    #[serde(default)]
    pub errors: BTreeMap<String, ErrorTraits>,
}

/// The query code and the status of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorTraits {
    pub query_code: Option<String>,
    pub status: Option<u16>,
}

impl Config {
    pub fn read(path: &Path) -> Result<Config, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("failed to read `{}`: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("`{}`: {error}", path.display()))
    }

    /// Whether Kobel honours that member.
    pub fn honours(&self, structure: &str, member: &str) -> bool {
        !self.ignored.get(structure).is_some_and(|members| members.iter().any(|ignored| ignored == member))
    }

    pub fn query_name(&self, structure: &str, member: &str) -> Option<&str> {
        self.query_names.get(structure).and_then(|members| members.get(member)).map(String::as_str)
    }
}
