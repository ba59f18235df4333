use std::sync::Arc;

use model_iam::{
    AttachRolePolicyOutput, AttachRolePolicyRequest, AttachedPolicy, DetachRolePolicyOutput, DetachRolePolicyRequest,
    ListAttachedRolePoliciesRequest, ListAttachedRolePoliciesResponse, errors,
};
use wire::{Call, Error};

use super::page;
use super::roles::change;
use crate::account::Account;
use crate::error;
use crate::service::Iam;

pub async fn attach_role_policy(
    iam: Arc<Iam>,
    call: Call,
    input: AttachRolePolicyRequest,
) -> Result<AttachRolePolicyOutput, Error> {
    let cell = iam.account(&call).await?;
    let exists = cell.read(|account| is_policy(account, &input.policy_arn)).await.map_err(Error::internal)?;
    if !exists {
        return Err(error::not_attachable(&input.policy_arn));
    }
    change(&iam, &call, &input.role_name, |role| {
        if !role.attached.contains(&input.policy_arn) {
            role.attached.push(input.policy_arn);
        }
        Ok(())
    })
    .await?;
    Ok(AttachRolePolicyOutput {})
}

/// AWS's own managed policies are taken by their form; Kobel does not hold their documents.
pub(crate) fn is_policy(account: &Account, arn: &str) -> bool {
    arn.starts_with("arn:aws:iam::aws:policy/") || account.policies.contains_key(arn)
}

pub async fn detach_role_policy(
    iam: Arc<Iam>,
    call: Call,
    input: DetachRolePolicyRequest,
) -> Result<DetachRolePolicyOutput, Error> {
    change(&iam, &call, &input.role_name, |role| {
        let before = role.attached.len();
        role.attached.retain(|attached| *attached != input.policy_arn);
        if role.attached.len() == before {
            return Err(errors::no_such_entity_exception(format!("Policy {} was not found.", input.policy_arn)));
        }
        Ok(())
    })
    .await?;
    Ok(DetachRolePolicyOutput {})
}

pub async fn list_attached_role_policies(
    iam: Arc<Iam>,
    call: Call,
    input: ListAttachedRolePoliciesRequest,
) -> Result<ListAttachedRolePoliciesResponse, Error> {
    let cell = iam.account(&call).await?;
    let arns = cell.read(|account| account.role(&input.role_name).map(|role| role.attached.clone()));
    let mut arns = arns.await.map_err(Error::internal)??;
    arns.sort();
    let (arns, marker) = page(arns, |arn| arn, input.marker.as_deref(), input.max_items);
    let entry =
        |arn: String| AttachedPolicy { policy_name: arn.rsplit('/').next().map(str::to_owned), policy_arn: Some(arn) };
    Ok(ListAttachedRolePoliciesResponse {
        attached_policies: Some(arns.into_iter().map(entry).collect()),
        is_truncated: Some(marker.is_some()),
        marker,
    })
}
