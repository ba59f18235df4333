//! The execution role that is made for a function.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::managed_policies;
use crate::policies::Policy;
use crate::resource::{Generated, SamResource};
use crate::value::{conditional, if_arguments, if_parts, is_no_value};

/// A role under construction: events add what they need.
#[derive(Debug, Clone)]
pub struct Role {
    /// The resource, complete but for the policies.
    pub resource: Generated,
    managed: Vec<Value>,
    inline: Vec<Value>,
}

impl Role {
    /// A role `<id>Role` for a SAM resource.
    pub fn new(owner: &SamResource, trust: Value, managed: Vec<String>, inline: Vec<Value>) -> Role {
        let mut resource = Generated::new(format!("{}Role", owner.logical_id), "AWS::IAM::Role", owner.passed_on());
        resource.set("AssumeRolePolicyDocument", trust);
        Role { resource, managed: managed.into_iter().map(Value::String).collect(), inline }
    }

    /// Adds the resource's own policies.
    ///
    /// # Errors
    /// An entry is no policy.
    pub fn add_policies(
        &mut self,
        owner: &SamResource,
        policies: &[Policy],
        partition: &str,
    ) -> Result<(), TransformError> {
        for (index, policy) in policies.iter().enumerate() {
            match policy {
                Policy::Managed(entry) => self.add_managed(managed(entry, partition)),
                Policy::Document(document) => {
                    let name = format!("{}Policy{index}", self.resource.logical_id);
                    self.inline.push(named(document, &name));
                }
                Policy::Unknown => {
                    let sentence = format!("Policy at index {index} in the 'Policies' property is not valid");
                    return Err(owner.error(sentence));
                }
            }
        }
        Ok(())
    }

    /// Adds a managed policy once.
    pub fn add_managed(&mut self, policy: Value) {
        if !self.managed.contains(&policy) {
            self.managed.push(policy);
        }
    }

    /// Adds an inline policy unless one with the same document is there.
    pub fn add_inline(&mut self, policy: Value) {
        if !self.inline.iter().any(|known| known.get("PolicyDocument") == policy.get("PolicyDocument")) {
            self.inline.push(policy);
        }
    }

    /// The role with all its policies.
    pub fn finish(mut self) -> Generated {
        self.resource.set("ManagedPolicyArns", self.managed);
        if !self.inline.is_empty() {
            self.resource.set("Policies", self.inline);
        }
        self.resource
    }
}

/// A managed policy's ARN, also in the branches of an `Fn::If`.
fn managed(entry: &Value, partition: &str) -> Value {
    if let Some(Ok((condition, yes, no))) = if_arguments(entry).map(if_parts) {
        let branch =
            |value: &Value| value.as_str().map_or(value.clone(), |name| managed_policies::arn(name, partition).into());
        return conditional(condition, branch(yes), branch(no));
    }
    entry.as_str().map_or(entry.clone(), |name| managed_policies::arn(name, partition).into())
}

/// A document under a name, also in the branches of an `Fn::If`.
fn named(document: &Value, name: &str) -> Value {
    let policy = |document: &Value| json!({"PolicyName": name, "PolicyDocument": document});
    if let Some(Ok((condition, yes, no))) = if_arguments(document).map(if_parts) {
        let branch = |value: &Value| if is_no_value(value) { value.clone() } else { policy(value) };
        return conditional(condition, branch(yes), branch(no));
    }
    policy(document)
}
