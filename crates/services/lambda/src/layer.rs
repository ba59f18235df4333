//! Which layer versions a function may have: the rules for them one by one, and together with its code.

use base::Scope;
use serde_json::{Map, Value};
use wire::Error;

use crate::error::{denied, invalid};
use crate::package::UNPACKED_BYTES_MAX;
use crate::registry::{Layer, LayerReference, LayerVersion, Policy, Registry, Version};

/// The only action of a layer version's policy.
const ACTION: &str = "lambda:GetLayerVersion";

/// The layers that a function of `scope` would have by `arns`, at the wish of `principal`.
///
/// Called inside a change of the registry, it sees all layers as they are: while one change is made there is no other.
pub fn resolve(registry: &Registry, scope: &Scope, principal: &str, arns: &[String]) -> Result<Vec<Layer>, Error> {
    let mut references: Vec<LayerReference> = Vec::with_capacity(arns.len());
    let mut layers = Vec::with_capacity(arns.len());
    for arn in arns {
        let reference = LayerReference::parse(arn)?;
        if reference.layer.scope.region != scope.region {
            return Err(invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                scope.region
            )));
        }
        if let Some(same) = references.iter().find(|other| other.layer == reference.layer) {
            return Err(invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {} and \
                 {arn} are versions of the same layer.",
                same.arn()
            )));
        }
        let version = registry.layer_version(&reference);
        check_access(version.as_deref(), scope, principal, &reference)?;
        let version = version.ok_or_else(|| invalid(format!("Layer version {arn} does not exist.")))?;
        layers.push(Layer { arn: arn.clone(), package: version.package.clone() });
        references.push(reference);
    }
    Ok(layers)
}

/// Whether a caller of `scope` may have the layer version. Somebody else's that is not there looks like one that is
/// forbidden.
pub fn check_access(
    version: Option<&LayerVersion>,
    scope: &Scope,
    principal: &str,
    reference: &LayerReference,
) -> Result<(), Error> {
    let own = reference.layer.scope.account == scope.account;
    if own || version.is_some_and(|version| permits(&version.policy, scope)) {
        return Ok(());
    }
    Err(denied(principal, ACTION, &reference.arn()))
}

/// The code and all layers together must fit.
pub fn check_size(version: &Version) -> Result<(), Error> {
    let bytes: u64 = version.packages().map(|package| package.unpacked).sum();
    if bytes > UNPACKED_BYTES_MAX && !version.layers.is_empty() {
        return Err(invalid(format!(
            "Function code combined with layers exceeds the maximum allowed size of {UNPACKED_BYTES_MAX} bytes. The \
             actual size is {bytes} bytes."
        )));
    }
    Ok(())
}

/// Whether a statement lets the account in. Kobel knows no organizations: a statement for one lets nobody in.
fn permits(policy: &Policy, scope: &Scope) -> bool {
    let root = format!("arn:{}:iam::{}:root", scope.region.partition(), scope.account);
    let names = |principal: &Value| match principal {
        Value::String(all) => all == "*",
        Value::Object(kinds) => kinds.get("AWS").and_then(Value::as_str) == Some(root.as_str()),
        _ => false,
    };
    let lets_in = |statement: &Map<String, Value>| {
        !statement.contains_key("Condition") && statement.get("Principal").is_some_and(names)
    };
    policy.statements.iter().any(lets_in)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statements_let_in_the_accounts_that_they_name() {
        let statement = |value: Value| value.as_object().cloned().unwrap_or_default();
        let cases = [
            (json!({ "Principal": "*" }), true),
            (json!({ "Principal": { "AWS": "arn:aws:iam::000000000000:root" } }), true),
            (json!({ "Principal": { "AWS": "arn:aws:iam::111111111111:root" } }), false),
            (json!({ "Principal": "*", "Condition": { "StringEquals": { "aws:PrincipalOrgID": "o-abc" } } }), false),
        ];
        for (value, expected) in cases {
            let policy = Policy { statements: vec![statement(value.clone())] };
            assert_eq!(permits(&policy, &Scope::default()), expected, "{value}");
        }
        assert!(!permits(&Policy::default(), &Scope::default()));
    }
}
