use base::{Scope, Trace};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

/// A plug: how a template makes, changes and deletes resources of some types.
///
/// Properties arrive resolved: no intrinsic functions, no absent values. Each call may be repeated after a
/// crash with the same context and must then come to the same end.
pub trait ResourceProvider: Send + Sync {
    /// `AWS::SQS::Queue`, …
    fn types(&self) -> &'static [&'static str];

    /// What is wrong with the properties, as far as can be told before anything changes.
    fn check(&self, resource_type: &str, properties: &Map<String, Value>) -> Result<(), ProviderError>;

    /// What changing from `old` to `new` takes.
    fn change(&self, resource_type: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change;

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>>;

    /// Changes the resource `physical_id` in place.
    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>>;

    /// Deletes it; a resource that is gone already is deleted.
    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<(), ProviderError>>;
}

/// On whose behalf a resource is made.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceContext {
    pub scope: Scope,
    pub stack_name: String,
    pub stack_id: String,
    pub logical_id: String,
    pub resource_type: String,
    /// Twelve or more upper-case letters and digits that are the same whenever this very creation is
    /// repeated: the random part of a generated name.
    pub suffix: String,
    /// The stack's tags.
    pub tags: Vec<(String, String)>,
    /// The origin of Kobel's endpoint, as the deploying client knows it.
    pub origin: String,
    pub trace: Trace,
}

/// A resource that was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// `PhysicalResourceId`.
    pub physical_id: String,
    /// What `Ref` gives; usually the physical id.
    pub reference: String,
    /// What `Fn::GetAtt` gives, by attribute name (`Arn`, `QueueName`).
    pub attributes: Map<String, Value>,
}

/// What an update in place left: attributes may have changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Updated {
    pub resource: Resource,
}

/// What a change of properties takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// In place; the properties that differ.
    Update(Vec<String>),
    /// A new resource, then the old one is deleted; the properties that demand it.
    Replace(Vec<String>),
}

/// Why a resource could not be made, changed or deleted: the `ResourceStatusReason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// `InvalidRequest`, `NotFound`, `AlreadyExists`, `InternalFailure`, …
    pub code: &'static str,
    pub message: String,
    /// The property at fault, as a path: `Properties/Timeout`.
    pub property: Option<String>,
}

impl ResourceContext {
    /// A name as CloudFormation generates one: `<stack>-<logical id>-<suffix>`, cut so that it has at most
    /// `length_max` characters with its suffix whole.
    pub fn generated_name(&self, length_max: usize) -> String {
        let suffix = &self.suffix[..self.suffix.len().min(12)];
        let room = length_max.saturating_sub(suffix.len() + 2);
        let logical: String = self.logical_id.chars().take(room / 2).collect();
        let stack: String = self.stack_name.chars().take(room - logical.len()).collect();
        format!("{stack}-{logical}-{suffix}")
    }

    /// The tag that tells what this very resource made, before a crash, from another of the same name.
    pub fn own_tag(&self) -> (String, String) {
        ("aws:cloudformation:logical-id".to_owned(), format!("{}/{}", self.stack_id, self.logical_id))
    }
}

/// Refuses the first property that is not among `known`, before anything changes.
pub fn check_known(resource_type: &str, properties: &Map<String, Value>, known: &[&str]) -> Result<(), ProviderError> {
    match properties.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ProviderError::not_implemented(resource_type, name)),
    }
}

impl Resource {
    /// A resource whose `Ref` is its physical id.
    pub fn new(physical_id: impl Into<String>) -> Resource {
        let physical_id = physical_id.into();
        Resource { reference: physical_id.clone(), physical_id, attributes: Map::new() }
    }

    pub fn with(mut self, attribute: &str, value: impl Into<Value>) -> Resource {
        self.attributes.insert(attribute.to_owned(), value.into());
        self
    }
}

impl Change {
    /// Compares property by property; those in `replacing` demand a new resource.
    pub fn between(old: &Map<String, Value>, new: &Map<String, Value>, replacing: &[&str]) -> Change {
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        let differing: Vec<String> = names.filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
        if differing.is_empty() {
            return Change::None;
        }
        let demanding: Vec<String> =
            differing.iter().filter(|name| replacing.contains(&name.as_str())).cloned().collect();
        if demanding.is_empty() { Change::Update(differing) } else { Change::Replace(demanding) }
    }
}

impl ProviderError {
    pub fn invalid(property: &str, message: impl Into<String>) -> ProviderError {
        ProviderError { code: "InvalidRequest", message: message.into(), property: Some(property.to_owned()) }
    }

    /// A property that Kobel does not honour.
    pub fn not_implemented(resource_type: &str, property: &str) -> ProviderError {
        let message = format!("Kobel does not implement the property {property} of {resource_type}");
        ProviderError::invalid(property, message)
    }

    pub fn failed(message: impl Into<String>) -> ProviderError {
        ProviderError { code: "GeneralServiceException", message: message.into(), property: None }
    }
}

impl From<wire::Error> for ProviderError {
    fn from(error: wire::Error) -> ProviderError {
        let code = match error.status {
            404 => "NotFound",
            409 => "AlreadyExists",
            status if status >= 500 => "InternalFailure",
            _ => "InvalidRequest",
        };
        ProviderError { code, message: error.message, property: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn replacement_outweighs_update() {
        let old = map(json!({"Name": "a", "Size": 1}));
        let cases = [
            (json!({"Name": "a", "Size": 1}), Change::None),
            (json!({"Name": "a", "Size": 2}), Change::Update(vec!["Size".into()])),
            (json!({"Name": "b", "Size": 2}), Change::Replace(vec!["Name".into()])),
            (json!({"Name": "a"}), Change::Update(vec!["Size".into()])),
        ];
        for (new, expected) in cases {
            assert_eq!(Change::between(&old, &map(new), &["Name"]), expected);
        }
    }

    #[test]
    fn generated_names_keep_their_suffix() {
        let context = ResourceContext {
            scope: Scope::default(),
            stack_name: "s".repeat(100),
            stack_id: String::new(),
            logical_id: "Logical".into(),
            resource_type: String::new(),
            suffix: "ABCDEFGHIJKL".into(),
            tags: Vec::new(),
            origin: String::new(),
            trace: Trace::begin(&base::Entropy::seeded(1), base::Timestamp::EPOCH),
        };
        let name = context.generated_name(64);
        assert_eq!(name.len(), 64);
        assert!(name.ends_with("-Logical-ABCDEFGHIJKL"));
    }
}
