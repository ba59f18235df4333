use std::sync::Arc;

use model_iam::{
    DeleteRolePolicyOutput, DeleteRolePolicyRequest, GetRolePolicyRequest, GetRolePolicyResponse,
    ListRolePoliciesRequest, ListRolePoliciesResponse, PutRolePolicyOutput, PutRolePolicyRequest,
};
use wire::{Call, Error};

use super::roles::change;
use super::{page, url_encode};
use crate::account::check_document;
use crate::error;
use crate::service::Iam;

pub async fn put_role_policy(
    iam: Arc<Iam>,
    call: Call,
    input: PutRolePolicyRequest,
) -> Result<PutRolePolicyOutput, Error> {
    check_document(&input.policy_document)?;
    change(&iam, &call, &input.role_name, |role| {
        role.inline.insert(input.policy_name, input.policy_document);
        Ok(())
    })
    .await?;
    Ok(PutRolePolicyOutput {})
}

pub async fn get_role_policy(
    iam: Arc<Iam>,
    call: Call,
    input: GetRolePolicyRequest,
) -> Result<GetRolePolicyResponse, Error> {
    let cell = iam.account(&call).await?;
    let document = cell.read(|account| {
        let document = account.role(&input.role_name)?.inline.get(&input.policy_name);
        document.cloned().ok_or_else(|| error::no_role_policy(&input.policy_name))
    });
    let document = document.await.map_err(Error::internal)??;
    Ok(GetRolePolicyResponse {
        role_name: input.role_name,
        policy_name: input.policy_name,
        policy_document: url_encode(&document),
    })
}

pub async fn delete_role_policy(
    iam: Arc<Iam>,
    call: Call,
    input: DeleteRolePolicyRequest,
) -> Result<DeleteRolePolicyOutput, Error> {
    change(&iam, &call, &input.role_name, |role| match role.inline.remove(&input.policy_name) {
        Some(_) => Ok(()),
        None => Err(error::no_role_policy(&input.policy_name)),
    })
    .await?;
    Ok(DeleteRolePolicyOutput {})
}

pub async fn list_role_policies(
    iam: Arc<Iam>,
    call: Call,
    input: ListRolePoliciesRequest,
) -> Result<ListRolePoliciesResponse, Error> {
    let cell = iam.account(&call).await?;
    let names = cell.read(|account| {
        account.role(&input.role_name).map(|role| role.inline.keys().cloned().collect::<Vec<String>>())
    });
    let names = names.await.map_err(Error::internal)??;
    let (policy_names, marker) = page(names, |name| name, input.marker.as_deref(), input.max_items);
    Ok(ListRolePoliciesResponse { policy_names, is_truncated: Some(marker.is_some()), marker })
}
