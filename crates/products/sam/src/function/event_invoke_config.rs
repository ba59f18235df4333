//! `EventInvokeConfig`: retries and destinations of asynchronous invocations. A destination of type SQS or SNS without
//! `Destination` gets a queue or topic of its own.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::function::version::Published;
use crate::iam;
use crate::logical_id;
use crate::resource::{Generated, SamResource};
use crate::transform::Scope;
use crate::value::{Properties, attribute, conditional, if_arguments, if_parts, is_no_value, reference, shown};

/// Characters of a condition's name.
const CONDITION_NAME_CHARS_MAX: usize = 255;

/// What an `EventInvokeConfig` becomes.
#[derive(Default)]
pub struct Invocation {
    /// The configuration and the queues and topics made for it.
    pub resources: Vec<Generated>,
    /// What the function's role must be allowed.
    pub policies: Vec<Value>,
}

/// The configuration of asynchronous invocations.
///
/// # Errors
/// A destination's type is unknown, or it names no destination where it must.
pub fn generate(
    source: &SamResource,
    published: Option<&Published>,
    scope: &mut Scope<'_>,
) -> Result<Invocation, TransformError> {
    let Some(config) = source.truthy("EventInvokeConfig") else { return Ok(Invocation::default()) };
    let config = scope.parameters.resolve(config);
    let id = format!("{}EventInvokeConfig", source.logical_id);
    let mut out = Invocation::default();
    let mut destinations = Properties::new();
    if let Some(wanted) = config.get("DestinationConfig").filter(|wanted| crate::value::is_truthy(wanted)) {
        if !wanted.is_object() {
            return Err(source.error("Property 'EventInvokeConfig.DestinationConfig' should be a map."));
        }
        for outcome in ["OnSuccess", "OnFailure"] {
            let Some(wanted) = wanted.get(outcome).filter(|wanted| !wanted.is_null()) else { continue };
            if !wanted.is_object() {
                let path = format!("EventInvokeConfig.DestinationConfig.{outcome}");
                return Err(source.error(format!("Property '{path}' should be a map.")));
            }
            let destination = Wanted { source, wanted, config_id: &id, outcome }.generate(scope, &mut out)?;
            destinations.insert(outcome.to_owned(), json!({"Destination": destination}));
        }
    }
    out.resources.push(configuration(source, id, published, destinations, &config));
    Ok(out)
}

fn configuration(
    source: &SamResource,
    id: String,
    published: Option<&Published>,
    destinations: Properties,
    config: &Value,
) -> Generated {
    let mut resource = Generated::new(id, "AWS::Lambda::EventInvokeConfig", source.attributes.clone());
    resource.depends_on = published.map(|published| json!([published.alias.logical_id]));
    resource.set("DestinationConfig", destinations);
    resource.set("FunctionName", reference(&source.logical_id));
    resource.set_some("MaximumEventAgeInSeconds", config.get("MaximumEventAgeInSeconds"));
    resource.set_some("MaximumRetryAttempts", config.get("MaximumRetryAttempts"));
    resource.set("Qualifier", published.map_or("$LATEST", |published| published.alias_name.as_str()));
    resource
}

/// A destination as the template wants it.
struct Wanted<'a> {
    source: &'a SamResource,
    wanted: &'a Value,
    config_id: &'a str,
    outcome: &'a str,
}

impl Wanted<'_> {
    /// The destination's ARN; adds the resource made for it and the policy that it needs.
    fn generate(&self, scope: &mut Scope<'_>, out: &mut Invocation) -> Result<Value, TransformError> {
        let destination_type = self.destination_type()?;
        let given = self.wanted.get("Destination").filter(|given| !given.is_null());
        let under_condition = match given {
            Some(given) => self.condition_to_make(given, scope)?,
            None => None,
        };
        let id = format!("{}{}", self.config_id, self.outcome);
        let arn = match given {
            Some(given) if under_condition.is_none() => given.clone(),
            _ => {
                let mut made = self.made(destination_type, &id)?;
                let arn = match made.resource_type {
                    "AWS::SQS::Queue" => attribute(&made.logical_id, "Arn"),
                    _ => reference(&made.logical_id),
                };
                let condition = under_condition.as_ref().map(|(condition, _)| condition.as_str());
                if let Some(condition) = self.combined_condition(condition, scope) {
                    made.attributes.insert("Condition".to_owned(), json!(condition));
                }
                out.resources.push(made);
                match under_condition {
                    Some((condition, otherwise)) => conditional(&condition, arn, otherwise),
                    None => arn,
                }
            }
        };
        out.policies.extend(iam::destination(destination_type, &arn, &id));
        Ok(arn)
    }

    fn destination_type(&self) -> Result<&'static str, TransformError> {
        let types = ["SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"];
        let wanted = self.wanted.get("Type");
        types.into_iter().find(|name| wanted.and_then(Value::as_str) == Some(name)).ok_or_else(|| {
            let sentence =
                format!("'Type: {}' must be one of ['SQS', 'SNS', 'EventBridge', 'Lambda', 'S3Bucket']", shown(wanted));
            self.source.error(sentence)
        })
    }

    fn made(&self, destination_type: &str, id: &str) -> Result<Generated, TransformError> {
        match destination_type {
            "SQS" => Ok(Generated::new(format!("{id}Queue"), "AWS::SQS::Queue", self.source.passed_on())),
            "SNS" => Ok(Generated::new(format!("{id}Topic"), "AWS::SNS::Topic", self.source.passed_on())),
            _ => Err(self.source.error("Destination is required if Type is not ['SQS', 'SNS']")),
        }
    }

    /// When `Destination` is an `Fn::If` of which one branch is `AWS::NoValue`: the condition under which a resource is
    /// made, and the ARN otherwise.
    fn condition_to_make(
        &self,
        given: &Value,
        scope: &mut Scope<'_>,
    ) -> Result<Option<(String, Value)>, TransformError> {
        let Some(arguments) = if_arguments(given) else { return Ok(None) };
        let (condition, yes, no) = if_parts(arguments).map_err(|fault| {
            TransformError::resource(self.config_id, format!("Malformed 'Destination' property: {fault}."))
        })?;
        match (is_no_value(yes), is_no_value(no)) {
            (true, false) => Ok(Some((condition.to_owned(), no.clone()))),
            (false, true) => {
                let negated = condition_name(&format!("NOT{condition}"), self.config_id);
                scope.conditions.insert(negated.clone(), json!({"Fn::Not": [{"Condition": condition}]}));
                Ok(Some((negated, yes.clone())))
            }
            (true, true) | (false, false) => Ok(None),
        }
    }

    /// The function's condition and that of the destination, both.
    fn combined_condition(&self, of_destination: Option<&str>, scope: &mut Scope<'_>) -> Option<String> {
        let of_function = self.source.attributes.get("Condition").and_then(Value::as_str);
        match (of_function, of_destination) {
            (Some(first), Some(second)) => {
                let name = condition_name(&format!("{first}AND{second}"), &self.source.logical_id);
                let both = json!({"Fn::And": [{"Condition": first}, {"Condition": second}]});
                scope.conditions.insert(name.clone(), both);
                Some(name)
            }
            (first, second) => first.or(second).map(str::to_owned),
        }
    }
}

fn condition_name(name: &str, hashed: &str) -> String {
    let full = format!("{name}{}", logical_id::hash(&json!(hashed)));
    full.chars().take(CONDITION_NAME_CHARS_MAX).collect()
}
