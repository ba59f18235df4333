use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Scope;
use model_cloudformation as model;

use crate::document::{Document, DocumentError, Prepared};
use crate::error::{capabilities_lacking, validation};
use crate::service::CloudFormation;
use crate::stack::Deployment;

/// How many tags a stack has at most.
const TAGS_MAX: usize = 50;

/// What a caller asks to deploy.
#[derive(Debug, Default)]
pub struct Request {
    /// The template's text; `None` to use the previous one.
    pub text: Option<String>,
    pub parameters: Vec<model::Parameter>,
    pub capabilities: Vec<String>,
    /// `None` to keep the previous ones.
    pub tags: Option<Vec<model::Tag>>,
    pub notification_arns: Option<Vec<String>>,
    pub role_arn: Option<String>,
    /// A change set need not acknowledge transforms.
    pub allows_transform: bool,
}

/// The stack for which it is asked.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    pub scope: &'a Scope,
    pub stack_id: &'a str,
    pub stack_name: &'a str,
    pub previous: Option<&'a Deployment>,
}

impl CloudFormation {
    /// Reads and checks a request; nothing is changed by it.
    ///
    /// # Errors
    /// All that CloudFormation refuses before it begins.
    pub(crate) fn intake(&self, request: Request, stack: For<'_>) -> Result<Arc<Deployment>, DocumentError> {
        let text = match (request.text, stack.previous) {
            (Some(text), _) => text,
            (None, Some(previous)) => previous.original.clone(),
            (None, None) => {
                return Err(validation("Either Template URL or Template Body must be specified.").into());
            }
        };
        let glance = Document::glance(text)?;
        let supplied = supplied(request.parameters, stack.previous)?;
        let has = |name: &str| request.capabilities.iter().any(|one| one == name);
        if !glance.declared_transforms.is_empty() && !request.allows_transform && !has("CAPABILITY_AUTO_EXPAND") {
            return Err(capabilities_lacking(&["CAPABILITY_AUTO_EXPAND"]).into());
        }
        let document = glance.transformed(&supplied, stack.scope.region.as_str())?;
        let needed = document.capabilities();
        let is_given = |name: &&str| has(name) || (*name == "CAPABILITY_IAM" && has("CAPABILITY_NAMED_IAM"));
        if !needed.iter().all(is_given) {
            return Err(capabilities_lacking(&needed).into());
        }
        template::parameter_values(&document.template, &supplied)?;
        let default = |(name, parameter): (&String, &template::Parameter)| {
            Some((name.clone(), supplied.get(name).or(parameter.default.as_ref())?.clone()))
        };
        let deployment = Deployment {
            parameters: document.template.parameters.iter().filter_map(default).collect(),
            description: document.template.description.clone(),
            original: document.original,
            processed: document.processed,
            was_transformed: document.was_transformed,
            capabilities: request.capabilities,
            tags: tags(request.tags, stack.previous)?,
            notification_arns: request
                .notification_arns
                .or_else(|| stack.previous.map(|previous| previous.notification_arns.clone()))
                .unwrap_or_default(),
            role_arn: request.role_arn.or_else(|| stack.previous.and_then(|previous| previous.role_arn.clone())),
        };
        let prepared = Prepared::new(&deployment, stack.scope, stack.stack_id, stack.stack_name)?;
        self.check_types(&prepared)?;
        Ok(Arc::new(deployment))
    }

    /// Every resource that is to exist has a provider.
    fn check_types(&self, prepared: &Prepared) -> Result<(), wire::Error> {
        let lacking: Vec<(&String, &str)> = prepared
            .resources()
            .filter(|(_, resource)| self.fabric.plugs.provider(&resource.resource_type).is_none())
            .map(|(id, resource)| (id, resource.resource_type.as_str()))
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let types: BTreeSet<&str> = lacking.iter().map(|(_, name)| *name).collect();
        let types = types.into_iter().collect::<Vec<_>>().join(", ");
        let ids = lacking.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
        Err(validation(format!(
            "Template format error: Unrecognized resource types: [{types}] (Kobel does not have them; used by: {ids})"
        )))
    }
}

/// The values that a caller supplies, with those that it takes over from before.
pub fn supplied(
    parameters: Vec<model::Parameter>,
    previous: Option<&Deployment>,
) -> Result<BTreeMap<String, String>, wire::Error> {
    let mut values = BTreeMap::new();
    for parameter in parameters {
        let name = parameter.parameter_key.unwrap_or_default();
        let uses_previous = parameter.use_previous_value == Some(true);
        let value = match (parameter.parameter_value, uses_previous) {
            (Some(_), true) => {
                return Err(validation(format!(
                    "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true and non empty \
                     value for a parameter"
                )));
            }
            (Some(value), false) => value,
            (None, true) => match previous.and_then(|previous| previous.parameters.get(&name)) {
                Some(value) => value.clone(),
                None => {
                    return Err(validation(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a \
                         parameter key not in the previous template"
                    )));
                }
            },
            (None, false) => String::new(),
        };
        if values.insert(name.clone(), value).is_some() {
            return Err(validation(format!("Duplicate Parameter key(s): [{name}]")));
        }
    }
    Ok(values)
}

fn tags(tags: Option<Vec<model::Tag>>, previous: Option<&Deployment>) -> Result<Vec<(String, String)>, wire::Error> {
    let Some(tags) = tags else { return Ok(previous.map(|previous| previous.tags.clone()).unwrap_or_default()) };
    if tags.len() > TAGS_MAX {
        return Err(validation(format!("A stack can have no more than {TAGS_MAX} tags.")));
    }
    let mut keys = BTreeSet::new();
    for tag in &tags {
        if tag.key.starts_with("aws:") {
            return Err(validation("Tag keys that begin with aws: are reserved for AWS."));
        }
        if !keys.insert(&tag.key) {
            return Err(validation(format!("Duplicate tag key: {}", tag.key)));
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}
