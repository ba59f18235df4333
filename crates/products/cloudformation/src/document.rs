use std::collections::BTreeMap;

use base::Scope as Place;
use serde_json::Value;
use template::{ParameterType, PseudoParameters, Scope, Template};

use crate::error::{Error, validation};
use crate::stack::Deployment;

/// Transforms besides SAM's are not there.
const SAM: &str = sam::TRANSFORM_NAME;

/// A template that was read, transformed and checked.
#[derive(Debug)]
pub struct Document {
    pub original: String,
    pub processed: Value,
    pub template: Template,
    pub was_transformed: bool,
    pub declared_transforms: Vec<String>,
}

/// A document whose transform failed: a change set tells so by its status.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("{0}")]
    Invalid(Box<Error>),
    /// `Transform AWS::Serverless-2016-10-31 failed with: …`
    #[error("{0}")]
    Transform(String),
}

impl<E: Into<Error>> From<E> for DocumentError {
    fn from(error: E) -> DocumentError {
        DocumentError::Invalid(Box::new(error.into()))
    }
}

impl From<DocumentError> for wire::Error {
    fn from(error: DocumentError) -> wire::Error {
        match error {
            DocumentError::Invalid(error) => (*error).into(),
            DocumentError::Transform(message) => validation(message),
        }
    }
}

impl Document {
    /// Applies the transform that the template declares, and checks its names.
    pub fn transformed(
        mut self,
        parameters: &BTreeMap<String, String>,
        region: &str,
    ) -> Result<Document, DocumentError> {
        refuse_transforms(&self.declared_transforms)?;
        if self.declared_transforms.iter().any(|name| name == SAM) {
            let parameters = parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            let context = sam::Context { parameters, region: region.to_owned() };
            let failed = |errors: Vec<sam::TransformError>| {
                DocumentError::Transform(format!("Transform {SAM} failed with: {}", sam::document_message(&errors)))
            };
            self.processed = sam::transform(&self.processed, &context).map_err(failed)?;
            self.template = Template::from_json(&self.processed)?;
            self.was_transformed = true;
        }
        self.template.check_references()?;
        Ok(self)
    }

    /// Reads a template without its transform: for what it declares.
    pub fn glance(original: String) -> Result<Document, Error> {
        let processed = template::parse(&original)?.to_json();
        let template = Template::from_json(&processed)?;
        let name = |transform: &Value| {
            transform.as_str().or_else(|| transform.get("Name")?.as_str()).unwrap_or_default().to_owned()
        };
        let declared_transforms = template.transforms.iter().map(name).collect();
        Ok(Document { original, processed, template, was_transformed: false, declared_transforms })
    }

    /// What the template needs the caller to acknowledge, beside a transform.
    pub fn capabilities(&self) -> Vec<&'static str> {
        capabilities(&self.template)
    }
}

fn refuse_transforms(declared: &[String]) -> Result<(), Error> {
    match declared.iter().find(|name| *name != SAM) {
        None => Ok(()),
        Some(name) => Err(validation(format!("No transform named {name} found. Kobel has only {SAM}.")).into()),
    }
}

/// What is deployed, ready to be evaluated: the processed template with the values of its parameters.
#[derive(Debug)]
pub struct Prepared {
    pub template: Template,
    pub scope: Scope,
}

impl Prepared {
    /// Reads a deployment of the stack `name`.
    ///
    /// # Errors
    /// Parameters that are absent or break a constraint, rules that do not hold, what Kobel does not support.
    pub fn new(deployment: &Deployment, place: &Place, stack_id: &str, name: &str) -> Result<Prepared, Error> {
        let template = Template::from_json(&deployment.processed)?;
        let values = template::parameter_values(&template, &deployment.parameters)?;
        refuse_ssm(&template)?;
        refuse_dynamic_references(&deployment.processed)?;
        let mut pseudo = PseudoParameters::new(place.account.as_str(), place.region.as_str());
        pseudo.stack_id = Some(stack_id.to_owned());
        pseudo.stack_name = Some(name.to_owned());
        pseudo.notification_arns = deployment.notification_arns.clone();
        let scope = Scope::new(&template, values, pseudo)?;
        template::check_rules(&template, &scope)?;
        Ok(Prepared { template, scope })
    }

    /// The resources that the conditions let exist, with their templates.
    pub fn resources(&self) -> impl Iterator<Item = (&String, &template::Resource)> {
        self.template.resources.iter().filter(|(_, resource)| self.scope.holds(resource.condition.as_deref()))
    }
}

fn refuse_ssm(template: &Template) -> Result<(), Error> {
    let of_ssm = |kind: &ParameterType| matches!(kind, ParameterType::SsmValue { .. } | ParameterType::SsmName);
    match template.parameters.iter().find(|(_, parameter)| of_ssm(&parameter.parameter_type)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("Parameter '{name}' has a type of Systems Manager, which Kobel does not have yet.");
            Err(validation(message).into())
        }
    }
}

fn refuse_dynamic_references(processed: &Value) -> Result<(), Error> {
    match template::dynamic_references(processed).first() {
        None => Ok(()),
        Some(found) => {
            let message = format!("Kobel does not resolve dynamic references yet: {} at {}", found.text, found.path);
            Err(validation(message).into())
        }
    }
}

/// The property by which a resource of IAM gets a name of the author's choice.
fn name_property(resource_type: &str) -> Option<&'static str> {
    Some(match resource_type {
        "AWS::IAM::Role" => "RoleName",
        "AWS::IAM::User" => "UserName",
        "AWS::IAM::Group" => "GroupName",
        "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
        "AWS::IAM::InstanceProfile" => "InstanceProfileName",
        _ => return None,
    })
}

/// The resources for which a capability is needed, by logical id.
pub fn capability_resources(template: &Template) -> Vec<(&String, &template::Resource)> {
    const TYPES: [&str; 8] = [
        "AWS::IAM::AccessKey",
        "AWS::IAM::Group",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::User",
        "AWS::IAM::UserToGroupAddition",
    ];
    template.resources.iter().filter(|(_, resource)| TYPES.contains(&resource.resource_type.as_str())).collect()
}

fn capabilities(template: &Template) -> Vec<&'static str> {
    let concerned = capability_resources(template);
    let is_named = |resource: &template::Resource| {
        name_property(&resource.resource_type).is_some_and(|name| resource.properties.get(name).is_some())
    };
    match concerned.iter().any(|(_, resource)| is_named(resource)) {
        true => vec!["CAPABILITY_NAMED_IAM"],
        false if concerned.is_empty() => Vec::new(),
        false => vec!["CAPABILITY_IAM"],
    }
}
