//! The `Rules` section: assertions about parameters, checked before anything is made.

use serde_json::Value;

use crate::condition::evaluate_condition;
use crate::document::Template;
use crate::error::{EvalError, TemplateError};
use crate::evaluate::{evaluate, function_call};
use crate::functions::text;
use crate::scope::Scope;

/// Checks every rule whose `RuleCondition` holds.
///
/// # Errors
/// The `AssertDescription` of the first assertion that does not hold, or a misused function.
pub fn check_rules(template: &Template, scope: &Scope) -> Result<(), TemplateError> {
    for (name, rule) in &template.rules {
        let path = crate::pointer::join("/Rules", name);
        if let Some(condition) = rule.get("RuleCondition") {
            let place = format!("{path}/RuleCondition");
            if !holds(condition, scope).map_err(|error| error.at(&place))? {
                continue;
            }
        }
        let assertions = rule.get("Assertions").and_then(Value::as_array).ok_or_else(|| {
            let message = format!("Template format error: Rule {name} must contain a list of Assertions.");
            TemplateError::new(&path, message)
        })?;
        for (index, assertion) in assertions.iter().enumerate() {
            let place = format!("{path}/Assertions/{index}");
            let asserted = assertion.get("Assert").unwrap_or(&Value::Null);
            if !holds(asserted, scope).map_err(|error| error.at(&format!("{place}/Assert")))? {
                let description = assertion.get("AssertDescription").and_then(Value::as_str);
                let message = description.map_or_else(|| format!("Assertion of rule {name} failed"), str::to_owned);
                return Err(TemplateError::new(place, message));
            }
        }
    }
    Ok(())
}

fn holds(value: &Value, scope: &Scope) -> Result<bool, EvalError> {
    match function_call(value) {
        Some(("Fn::Not", Value::Array(parts))) if parts.len() == 1 => Ok(!holds(&parts[0], scope)?),
        Some(("Fn::And", Value::Array(parts))) => all(parts, |part| holds(part, scope)),
        Some(("Fn::Or", Value::Array(parts))) => Ok(!all(parts, |part| holds(part, scope).map(|holds| !holds))?),
        Some(("Fn::Contains", argument)) => {
            let (list, one) = arguments("Fn::Contains", argument, scope)?;
            Ok(one.iter().all(|item| list.contains(item)))
        }
        Some(("Fn::EachMemberIn", argument)) => {
            let (list, among) = arguments("Fn::EachMemberIn", argument, scope)?;
            Ok(list.iter().all(|item| among.contains(item)))
        }
        Some(("Fn::EachMemberEquals", argument)) => {
            let (list, one) = arguments("Fn::EachMemberEquals", argument, scope)?;
            Ok(list.iter().all(|item| one.first() == Some(item)))
        }
        _ => evaluate_condition(value, scope),
    }
}

fn all(parts: &[Value], holds: impl Fn(&Value) -> Result<bool, EvalError>) -> Result<bool, EvalError> {
    for part in parts {
        if !holds(part)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Both arguments of a rule function as lists of text; one string is a list of one.
fn arguments(name: &str, argument: &Value, scope: &Scope) -> Result<(Vec<String>, Vec<String>), EvalError> {
    let misuse = || EvalError::new(format!("Template error: every {name} object requires two parameters"));
    let [left, right] = argument.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(misuse());
    };
    let list = |value: &Value| match evaluate(value, scope)? {
        Some(Value::Array(items)) => items.iter().map(text).collect::<Option<Vec<_>>>().ok_or_else(misuse),
        Some(one) => text(&one).map(|one| vec![one]).ok_or_else(misuse),
        None => Ok(Vec::new()),
    };
    Ok((list(left)?, list(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PseudoParameters, parameter_values};

    fn outcome(parameters: &[(&str, &str)]) -> Result<(), TemplateError> {
        let source = "
            Resources: {A: {Type: T}}
            Parameters: {Stage: {Type: String}, Zones: {Type: CommaDelimitedList, Default: 'a, b'}}
            Rules:
              Production:
                RuleCondition: !Equals [!Ref Stage, prod]
                Assertions:
                  - {Assert: !EachMemberIn [!Ref Zones, [a, b]], AssertDescription: only zones a and b}
                  - {Assert: !Not [!Contains [!Ref Zones, b]], AssertDescription: not zone b}";
        let template = Template::from_json(&crate::parse(source).expect("well-formed").to_json()).expect("valid");
        let supplied = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let values = parameter_values(&template, &supplied).expect("allowed values");
        let scope = Scope::new(&template, values, PseudoParameters::default()).expect("no conditions");
        check_rules(&template, &scope)
    }

    #[test]
    fn refuses_what_an_assertion_forbids() {
        assert_eq!(outcome(&[("Stage", "test"), ("Zones", "z")]), Ok(()));
        assert_eq!(outcome(&[("Stage", "prod"), ("Zones", "a")]), Ok(()));
        let message = |parameters: &[(&str, &str)]| outcome(parameters).expect_err("refused").message;
        assert_eq!(message(&[("Stage", "prod"), ("Zones", "a,z")]), "only zones a and b");
        assert_eq!(message(&[("Stage", "prod")]), "not zone b");
    }
}
