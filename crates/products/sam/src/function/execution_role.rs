//! The role that a function without `Role` gets.

use serde_json::{Value, json};

use crate::arn;
use crate::error::TransformError;
use crate::function::configuration::is_traced;
use crate::iam;
use crate::policies;
use crate::resource::{Generated, SamResource};
use crate::role::Role;
use crate::tags;
use crate::transform::Scope;
use crate::value::{attribute, conditional, if_arguments, if_parts, is_no_value};

/// The role with the function's policies; events may still add theirs.
///
/// # Errors
/// An entry of `Policies` is invalid.
pub fn generate(
    source: &SamResource,
    destination_policies: Vec<Value>,
    scope: &Scope<'_>,
) -> Result<Role, TransformError> {
    let trust = source.get("AssumeRolePolicyDocument").cloned().unwrap_or_else(|| iam::trust("lambda.amazonaws.com"));
    let mut managed = vec!["service-role/AWSLambdaBasicExecutionRole"];
    if is_traced(source, scope) {
        // Regions outside `aws` know only the policy's newer name.
        managed.push(if scope.partition == "aws" { "AWSXrayWriteOnlyAccess" } else { "AWSXRayDaemonWriteAccess" });
    }
    if source.truthy("VpcConfig").is_some() {
        managed.push("service-role/AWSLambdaVPCAccessExecutionRole");
    }
    let managed = managed.into_iter().map(|path| arn::managed_policy(scope.partition, path)).collect();
    let mut inline = Vec::new();
    if let Some(queue) = source.truthy("DeadLetterQueue") {
        let action = if queue["Type"] == "SNS" { "sns:Publish" } else { "sqs:SendMessage" };
        inline.push(iam::dead_letter_queue(action, &queue["TargetArn"]));
    }
    inline.extend(destination_policies);
    let mut role = Role::new(source, trust, managed, inline);
    let own = policies::read(&source.logical_id, source.get("Policies"))?;
    role.add_policies(source, &own, scope.partition)?;
    role.resource.set_some("Path", source.get("RolePath"));
    role.resource.set_some("PermissionsBoundary", source.get("PermissionsBoundary"));
    let own_tags = source.get("Tags").and_then(Value::as_object);
    role.resource.set("Tags", tags::created_by_sam(&source.logical_id, own_tags)?);
    Ok(role)
}

/// Sets the function's `Role`. The role that was made is returned where the function uses it: when it has none of its
/// own, or only under a condition.
///
/// # Errors
/// `Role` is a malformed `Fn::If`.
pub fn attach(
    source: &SamResource,
    mut role: Generated,
    function: &mut Generated,
    scope: &mut Scope<'_>,
) -> Result<Option<Generated>, TransformError> {
    let made = attribute(&role.logical_id, "Arn");
    let Some(own) = source.get("Role") else {
        function.set("Role", made);
        return Ok(Some(role));
    };
    let Some(_) = if_arguments(own) else { return Ok(None) };
    let resolved = scope.parameters.resolve(own);
    let arguments = if_arguments(&resolved).cloned().unwrap_or_default();
    let (condition, yes, no) =
        if_parts(&arguments).map_err(|fault| source.error(format!("Malformed 'Role' property: {fault}.")))?;
    match (is_no_value(yes), is_no_value(no)) {
        (true, true) => function.set("Role", made),
        (true, false) => {
            role.attributes.insert("Condition".to_owned(), json!(condition));
            function.set("Role", conditional(condition, made, no.clone()));
        }
        (false, true) => {
            let negated = format!("NOT{condition}");
            role.attributes.insert("Condition".to_owned(), json!(negated));
            scope.conditions.insert(negated, json!({"Fn::Not": [{"Condition": condition}]}));
            function.set("Role", conditional(condition, yes.clone(), made));
        }
        (false, false) => {
            function.set("Role", resolved);
            return Ok(None);
        }
    }
    Ok(Some(role))
}
