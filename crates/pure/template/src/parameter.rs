//! The `Parameters` section: declarations, and the values that a caller supplies.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use serde_json::Value;

use crate::document::Template;
use crate::error::TemplateError;
use crate::functions::text;
use crate::limits::PARAMETER_VALUE_BYTES_MAX;
use crate::validate;

/// A member of `Parameters`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// `Type`.
    pub parameter_type: ParameterType,
    /// `Default`, as text.
    pub default: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `NoEcho`: the value is shown as `****`.
    pub no_echo: bool,
    /// `AllowedValues`, as text.
    pub allowed_values: Option<Vec<String>>,
    /// `AllowedPattern`: a regular expression for the whole value.
    pub allowed_pattern: Option<String>,
    /// `MinLength` in characters.
    pub min_length: Option<u64>,
    /// `MaxLength` in characters.
    pub max_length: Option<u64>,
    /// `MinValue`.
    pub min_value: Option<f64>,
    /// `MaxValue`.
    pub max_value: Option<f64>,
    /// `ConstraintDescription`: what the error says instead of the constraint.
    pub constraint_description: Option<String>,
}

/// A parameter's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// `String`.
    String,
    /// `Number`.
    Number,
    /// `List<Number>`.
    NumberList,
    /// `CommaDelimitedList`.
    CommaDelimitedList,
    /// An AWS type such as `AWS::EC2::VPC::Id`: a string.
    Aws(String),
    /// A list of an AWS type such as `List<AWS::EC2::Subnet::Id>`.
    AwsList(String),
    /// `AWS::SSM::Parameter::Name`.
    SsmName,
    /// `AWS::SSM::Parameter::Value<…>`: the value names an SSM parameter, whose value is used.
    SsmValue {
        /// What stands between the angle brackets.
        value_type: String,
        /// Whether that is a list.
        is_list: bool,
    },
}

impl ParameterType {
    /// Reads a type's name; `None` when there is no such type.
    pub fn parse(name: &str) -> Option<ParameterType> {
        let within = |prefix: &str| name.strip_prefix(prefix)?.strip_suffix('>');
        if let Some(value_type) = within("AWS::SSM::Parameter::Value<") {
            let is_list = value_type == "CommaDelimitedList" || value_type.starts_with("List<");
            return Some(ParameterType::SsmValue { value_type: value_type.to_owned(), is_list });
        }
        Some(match name {
            "String" => ParameterType::String,
            "Number" => ParameterType::Number,
            "List<Number>" => ParameterType::NumberList,
            "CommaDelimitedList" | "List<String>" => ParameterType::CommaDelimitedList,
            "AWS::SSM::Parameter::Name" => ParameterType::SsmName,
            _ if name.starts_with("AWS::") => ParameterType::Aws(name.to_owned()),
            _ => ParameterType::AwsList(within("List<").filter(|inner| inner.starts_with("AWS::"))?.to_owned()),
        })
    }

    /// Whether `Ref` gives a list.
    pub fn is_list(&self) -> bool {
        match self {
            ParameterType::NumberList | ParameterType::CommaDelimitedList | ParameterType::AwsList(_) => true,
            ParameterType::SsmValue { is_list, .. } => *is_list,
            _ => false,
        }
    }

    /// What `Ref` gives for a parameter's text.
    pub fn value(&self, text: &str) -> Value {
        match self.is_list() {
            true => text.split(',').map(|item| Value::String(item.trim().to_owned())).collect(),
            false => Value::String(text.to_owned()),
        }
    }
}

impl Parameter {
    pub(crate) fn from_json(name: &str, value: &Value) -> Result<Parameter, TemplateError> {
        let path = crate::pointer::join("/Parameters", name);
        validate::logical_id("Parameter", name, &path)?;
        if !value.is_object() {
            return Err(TemplateError::new(path, "Template format error: Any Parameters member must be an object."));
        }
        let type_name = value.get("Type").and_then(Value::as_str).ok_or_else(|| {
            TemplateError::new(&path, "Template format error: Every Parameters object must contain a Type member.")
        })?;
        let parameter_type = ParameterType::parse(type_name).ok_or_else(|| {
            let message = format!("Template format error: Unrecognized parameter type: {type_name}");
            TemplateError::new(format!("{path}/Type"), message)
        })?;
        let string = |key: &str| value.get(key).and_then(text);
        let default = match value.get("Default") {
            None => None,
            Some(default) => Some(text(default).ok_or_else(|| {
                let message = "Template format error: Every Default member must be a string.";
                TemplateError::new(format!("{path}/Default"), message)
            })?),
        };
        Ok(Parameter {
            parameter_type,
            default,
            description: string("Description"),
            no_echo: string("NoEcho").is_some_and(|text| text == "true"),
            allowed_values: value
                .get("AllowedValues")
                .and_then(Value::as_array)
                .map(|values| values.iter().filter_map(text).collect()),
            allowed_pattern: string("AllowedPattern"),
            min_length: string("MinLength").and_then(|text| text.parse().ok()),
            max_length: string("MaxLength").and_then(|text| text.parse().ok()),
            min_value: string("MinValue").and_then(|text| text.parse().ok()),
            max_value: string("MaxValue").and_then(|text| text.parse().ok()),
            constraint_description: string("ConstraintDescription"),
        })
    }

    /// Checks a value against the declaration.
    ///
    /// # Errors
    /// CloudFormation's sentence about the first constraint that the value breaks.
    pub fn check(&self, name: &str, value: &str) -> Result<(), TemplateError> {
        let path = crate::pointer::join("/Parameters", name);
        if value.len() > PARAMETER_VALUE_BYTES_MAX {
            let message = format!("Parameter '{name}' must not be longer than {PARAMETER_VALUE_BYTES_MAX} bytes");
            return Err(TemplateError::new(path, message));
        }
        let Some(broken) = self.broken_constraint(value) else { return Ok(()) };
        let message = match (&self.constraint_description, broken) {
            (_, Broken::NotANumber) => format!("Parameter '{name}' must be a number."),
            (Some(description), _) => format!("Parameter {name} failed to satisfy constraint: {description}"),
            (None, Broken::Other(sentence)) => format!("Parameter '{name}' {sentence}"),
        };
        Err(TemplateError::new(path, message))
    }

    fn broken_constraint(&self, value: &str) -> Option<Broken> {
        let items: Vec<&str> = match self.parameter_type.is_list() {
            true => value.split(',').map(str::trim).collect(),
            false => vec![value],
        };
        if matches!(self.parameter_type, ParameterType::Number | ParameterType::NumberList) {
            let numbers: Option<Vec<f64>> = items.iter().map(|item| item.parse().ok()).collect();
            let Some(numbers) = numbers else { return Some(Broken::NotANumber) };
            if let Some(sentence) = numbers.into_iter().find_map(|number| self.out_of_range(number)) {
                return Some(Broken::Other(sentence));
            }
        }
        items.into_iter().find_map(|item| self.broken_by(item)).map(Broken::Other)
    }

    fn out_of_range(&self, number: f64) -> Option<String> {
        match (self.min_value, self.max_value) {
            (Some(min), _) if number < min => Some(format!("must be a number not less than {min}")),
            (_, Some(max)) if number > max => Some(format!("must be a number not greater than {max}")),
            _ => None,
        }
    }

    fn broken_by(&self, item: &str) -> Option<String> {
        if self.allowed_values.as_ref().is_some_and(|allowed| !allowed.iter().any(|value| value == item)) {
            return Some("must be one of AllowedValues".to_owned());
        }
        let length = item.chars().count() as u64;
        match (self.min_length, self.max_length) {
            (Some(min), _) if length < min => return Some(format!("must contain at least {min} characters")),
            (_, Some(max)) if length > max => return Some(format!("must contain at most {max} characters")),
            _ => {}
        }
        let pattern = self.allowed_pattern.as_ref()?;
        let Ok(regex) = Regex::new(&format!(r"\A(?:{pattern})\z")) else {
            return Some(format!("has an AllowedPattern that is not a regular expression: {pattern}"));
        };
        let matches = regex.is_match(item).unwrap_or(false);
        (!matches).then(|| format!("must match pattern {pattern}"))
    }
}

enum Broken {
    NotANumber,
    /// What comes after the parameter's name.
    Other(String),
}

/// The values that `Ref` gives for each parameter: supplied or default, checked. A value of an SSM type is the SSM
/// parameter's name; who can read SSM puts the value in its place with [`ParameterType::value`].
///
/// # Errors
/// `Parameters: [A] do not exist in the template`, `Parameters: [A, B] must have values`, or a broken constraint.
pub fn parameter_values(
    template: &Template,
    supplied: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    let strangers: Vec<&str> =
        supplied.keys().filter(|name| !template.parameters.contains_key(*name)).map(String::as_str).collect();
    if !strangers.is_empty() {
        let message = format!("Parameters: [{}] do not exist in the template", strangers.join(", "));
        return Err(TemplateError::new("/Parameters", message));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, parameter) in &template.parameters {
        match supplied.get(name).or(parameter.default.as_ref()) {
            None => missing.push(name.as_str()),
            Some(value) => {
                parameter.check(name, value)?;
                values.insert(name.clone(), parameter.parameter_type.value(value));
            }
        }
    }
    match missing.is_empty() {
        true => Ok(values),
        false => {
            let message = format!("Parameters: [{}] must have values", missing.join(", "));
            Err(TemplateError::new(format!("/Parameters/{}", missing[0]), message))
        }
    }
}

#[cfg(test)]
mod tests;
