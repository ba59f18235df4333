use std::sync::Arc;

use base::Account;
use model_lambda::{
    AddPermissionRequest, AddPermissionResponse, GetPolicyRequest, GetPolicyResponse, RemovePermissionOutput,
    RemovePermissionRequest, errors,
};
use serde_json::{Map, Value, json};
use wire::{Call, Error};

use crate::error::{conflict, invalid, missing};
use crate::registry::{Function, FunctionName, LATEST, POLICY_BYTES_MAX, Policy};
use crate::service::{Lambda, check_revision};

/// The qualifier under which a policy is kept; it belongs to the function, a version or an alias.
fn key(name: &FunctionName, function: &Function) -> Result<String, Error> {
    match name.qualifier.as_deref() {
        None => Ok(LATEST.to_owned()),
        Some(LATEST) => Err(invalid("We currently do not support adding policies for $LATEST.")),
        Some(qualifier) if function.version(qualifier).is_some() => Ok(qualifier.to_owned()),
        Some(qualifier) if qualifier.parse::<u64>().is_ok() => Err(name.not_found()),
        Some(_) => Err(missing(format!("Cannot find alias arn: {}", name.invoked_arn()))),
    }
}

pub async fn add_permission(
    lambda: Arc<Lambda>,
    call: Call,
    input: AddPermissionRequest,
) -> Result<AddPermissionResponse, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, input.qualifier.as_deref())?;
    let key = key(&name, &function)?;
    let statement = statement(&input, &name.invoked_arn())?;
    let added = statement.clone();
    let changed = lambda.change(&name, |function| {
        check_revision(input.revision_id.as_deref(), &function.latest.revision_id, "GetPolicy")?;
        let mut policy = function.policies.get(&key).map(|policy| Policy::clone(policy)).unwrap_or_default();
        add_statement(&mut policy, &input.statement_id, added)?;
        function.policies.insert(key, Arc::new(policy));
        lambda.renew_revision(function);
        Ok(())
    });
    changed.await?;
    Ok(AddPermissionResponse { statement: Some(Value::Object(statement).to_string()) })
}

/// Adds a statement whose id is new, as long as the document fits.
pub(super) fn add_statement(policy: &mut Policy, id: &str, statement: Map<String, Value>) -> Result<(), Error> {
    if policy.position(id).is_some() {
        return Err(conflict(format!(
            "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing \
             statement."
        )));
    }
    policy.statements.push(statement);
    let bytes = policy.document().len();
    if bytes > POLICY_BYTES_MAX {
        let message = format!("The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX}).");
        return Err(errors::policy_length_exceeded_exception(message).with("Type", "User"));
    }
    Ok(())
}

pub(super) fn remove_statement(policy: &mut Policy, id: &str) -> Result<(), Error> {
    if policy.statements.is_empty() {
        return Err(no_policy());
    }
    let absent = || missing(format!("Statement {id} is not found in resource policy."));
    let at = policy.position(id).ok_or_else(absent)?;
    policy.statements.remove(at);
    Ok(())
}

pub(super) fn no_policy() -> Error {
    missing("No policy is associated with the given resource.")
}

/// The statement that a call describes, for the resource `arn`.
fn statement(input: &AddPermissionRequest, arn: &str) -> Result<Map<String, Value>, Error> {
    let principal = match input.principal.as_str() {
        "*" => json!("*"),
        account if Account::parse(account).is_some() => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        arn if arn.starts_with("arn:") => json!({ "AWS": arn }),
        service if service.contains('.') => json!({ "Service": service }),
        _ => {
            return Err(invalid("The provided principal was invalid. Please check the principal and try again."));
        }
    };
    let mut conditions = Map::new();
    let mut require = |operator: &str, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            let entry = conditions.entry(operator.to_owned()).or_insert_with(|| json!({}));
            entry[key] = value;
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::from);
    require("StringEquals", "AWS:SourceAccount", text(&input.source_account));
    require("StringEquals", "aws:PrincipalOrgID", text(&input.principal_org_id));
    require("StringEquals", "lambda:FunctionUrlAuthType", text(&input.function_url_auth_type));
    require("StringEquals", "lambda:EventSourceToken", text(&input.event_source_token));
    require(
        "Bool",
        "lambda:InvokedViaFunctionUrl",
        input.invoked_via_function_url.map(|truth| truth.to_string().into()),
    );
    require("ArnLike", "AWS:SourceArn", text(&input.source_arn));
    let mut statement = Map::new();
    statement.insert("Sid".into(), input.statement_id.clone().into());
    statement.insert("Effect".into(), "Allow".into());
    statement.insert("Principal".into(), principal);
    statement.insert("Action".into(), input.action.clone().into());
    statement.insert("Resource".into(), arn.into());
    if !conditions.is_empty() {
        statement.insert("Condition".into(), Value::Object(conditions));
    }
    Ok(statement)
}

pub async fn get_policy(lambda: Arc<Lambda>, call: Call, input: GetPolicyRequest) -> Result<GetPolicyResponse, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, input.qualifier.as_deref())?;
    let key = key(&name, &function)?;
    let policy = function.policies.get(&key).ok_or_else(|| missing("The resource you requested does not exist."))?;
    Ok(GetPolicyResponse { policy: Some(policy.document()), revision_id: Some(function.latest.revision_id.clone()) })
}

pub async fn remove_permission(
    lambda: Arc<Lambda>,
    call: Call,
    input: RemovePermissionRequest,
) -> Result<RemovePermissionOutput, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, input.qualifier.as_deref())?;
    let key = key(&name, &function)?;
    let changed = lambda.change(&name, |function| {
        check_revision(input.revision_id.as_deref(), &function.latest.revision_id, "GetPolicy")?;
        let mut policy = function.policies.get(&key).map(|policy| Policy::clone(policy)).unwrap_or_default();
        remove_statement(&mut policy, &input.statement_id)?;
        match policy.statements.is_empty() {
            true => drop(function.policies.remove(&key)),
            false => drop(function.policies.insert(key, Arc::new(policy))),
        }
        lambda.renew_revision(function);
        Ok(())
    });
    changed.await?;
    Ok(RemovePermissionOutput {})
}
