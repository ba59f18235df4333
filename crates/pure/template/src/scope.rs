//! What a template knows by itself: parameters, pseudo parameters, mappings, conditions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::condition::evaluate_conditions;
use crate::document::Template;
use crate::error::{EvalError, TemplateError};
use crate::resolver::{Resolved, Resolver};

/// The values of the pseudo parameters (`AWS::Region`, …).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PseudoParameters {
    /// `AWS::AccountId`, twelve digits.
    pub account_id: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::Partition`: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// `AWS::URLSuffix`: `amazonaws.com` or `amazonaws.com.cn`.
    pub url_suffix: String,
    /// `AWS::StackId`; `None` while there is no stack.
    pub stack_id: Option<String>,
    /// `AWS::StackName`; `None` while there is no stack.
    pub stack_name: Option<String>,
    /// `AWS::NotificationARNs`.
    pub notification_arns: Vec<String>,
}

impl PseudoParameters {
    /// The values for an account and region; partition and URL suffix follow from the region.
    pub fn new(account_id: &str, region: &str) -> PseudoParameters {
        let (partition, url_suffix) = partition_of(region);
        PseudoParameters {
            account_id: account_id.to_owned(),
            region: region.to_owned(),
            partition: partition.to_owned(),
            url_suffix: url_suffix.to_owned(),
            ..PseudoParameters::default()
        }
    }

    /// The value of a pseudo parameter; `None` when `name` is not one.
    pub fn get(&self, name: &str) -> Option<Resolved> {
        let optional = |text: &Option<String>| text.as_deref().map_or(Resolved::Unknown, Resolved::text);
        Some(match name {
            "AWS::AccountId" => Resolved::text(&self.account_id),
            "AWS::Region" => Resolved::text(&self.region),
            "AWS::Partition" => Resolved::text(&self.partition),
            "AWS::URLSuffix" => Resolved::text(&self.url_suffix),
            "AWS::StackId" => optional(&self.stack_id),
            "AWS::StackName" => optional(&self.stack_name),
            "AWS::NotificationARNs" => {
                Resolved::Value(self.notification_arns.iter().map(|arn| Value::String(arn.clone())).collect())
            }
            "AWS::NoValue" => Resolved::NoValue,
            _ => return None,
        })
    }
}

/// The names of the pseudo parameters.
pub const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// Partition and URL suffix of a region.
pub fn partition_of(region: &str) -> (&'static str, &'static str) {
    match region {
        _ if region.starts_with("cn-") => ("aws-cn", "amazonaws.com.cn"),
        _ if region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com"),
        _ => ("aws", "amazonaws.com"),
    }
}

/// All that a template says by itself under given parameter values. As a [`Resolver`] it answers
/// [`Resolved::Unknown`] for resources and imports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// The parameters' values: a string, or a list of strings for list types.
    pub parameters: BTreeMap<String, Value>,
    /// The pseudo parameters.
    pub pseudo: PseudoParameters,
    /// The `Mappings` section.
    pub mappings: BTreeMap<String, Value>,
    /// The conditions' outcomes.
    pub conditions: BTreeMap<String, bool>,
}

impl Scope {
    /// The scope of a template under parameter values (from [`crate::parameter_values`]).
    ///
    /// # Errors
    /// A condition cannot be computed.
    pub fn new(
        template: &Template,
        parameters: BTreeMap<String, Value>,
        pseudo: PseudoParameters,
    ) -> Result<Scope, TemplateError> {
        let mappings = template.mappings.iter().map(|(name, map)| (name.clone(), map.clone())).collect();
        let mut scope = Scope { parameters, pseudo, mappings, conditions: BTreeMap::new() };
        scope.conditions = evaluate_conditions(&template.conditions, &scope)?;
        Ok(scope)
    }

    /// Whether something with this `Condition` attribute exists: true without one.
    pub fn holds(&self, condition: Option<&str>) -> bool {
        condition.is_none_or(|name| self.conditions.get(name).copied().unwrap_or(false))
    }
}

impl Resolver for Scope {
    fn reference(&self, name: &str) -> Result<Resolved, EvalError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(Resolved::Value(value.clone()));
        }
        Ok(self.pseudo.get(name).unwrap_or(Resolved::Unknown))
    }

    fn attribute(&self, _logical_id: &str, _attribute: &str) -> Result<Resolved, EvalError> {
        Ok(Resolved::Unknown)
    }

    fn import(&self, _export_name: &str) -> Result<Resolved, EvalError> {
        Ok(Resolved::Unknown)
    }

    fn mapping(&self, map: &str, first_key: &str, second_key: &str) -> Option<Value> {
        self.mappings.get(map)?.get(first_key)?.get(second_key).cloned()
    }

    fn condition(&self, name: &str) -> Option<bool> {
        self.conditions.get(name).copied()
    }

    fn availability_zones(&self, region: &str) -> Vec<String> {
        let region = if region.is_empty() { &self.pseudo.region } else { region };
        ["a", "b", "c"].iter().map(|zone| format!("{region}{zone}")).collect()
    }
}
