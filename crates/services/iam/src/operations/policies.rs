use std::sync::Arc;

use model_iam::{
    CreatePolicyRequest, CreatePolicyResponse, DeletePolicyOutput, DeletePolicyRequest, GetPolicyRequest,
    GetPolicyResponse, GetPolicyVersionRequest, GetPolicyVersionResponse, ListPoliciesRequest, ListPoliciesResponse,
    Policy as PolicyEntry, PolicyVersion, Tag, errors,
};
use wire::{Call, Error};

use super::{page, url_encode};
use crate::account::{Account, Policy, check_document, unique_id};
use crate::error;
use crate::service::Iam;

pub async fn create_policy(
    iam: Arc<Iam>,
    call: Call,
    input: CreatePolicyRequest,
) -> Result<CreatePolicyResponse, Error> {
    check_document(&input.policy_document)?;
    let path = input.path.unwrap_or_else(|| "/".into());
    let now = iam.fabric.now();
    let policy = Policy {
        arn: format!("arn:aws:iam::{}:policy{path}{}", call.scope.account, input.policy_name),
        name: input.policy_name,
        path,
        id: unique_id(&iam.fabric.entropy, "ANPA"),
        created: now,
        updated: now,
        document: input.policy_document,
        description: input.description,
        tags: input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    let cell = iam.account(&call).await?;
    let created = cell.apply(|account, tx| {
        if account.policies.values().any(|existing| existing.name == policy.name) {
            let message = format!("A policy called {} already exists. Duplicate names are not allowed.", policy.name);
            return Ok::<_, cell::Error>(Err(errors::entity_already_exists_exception(message)));
        }
        account.put_policy(tx, policy.clone());
        Ok(Ok(entry(&policy, 0)))
    });
    Ok(CreatePolicyResponse { policy: Some(created.await.map_err(Error::internal)??) })
}

pub async fn get_policy(iam: Arc<Iam>, call: Call, input: GetPolicyRequest) -> Result<GetPolicyResponse, Error> {
    let cell = iam.account(&call).await?;
    let found = cell.read(|account| {
        let policy = find(account, &input.policy_arn)?;
        Ok::<_, Error>(entry(policy, account.attachments(&policy.arn)))
    });
    Ok(GetPolicyResponse { policy: Some(found.await.map_err(Error::internal)??) })
}

pub async fn get_policy_version(
    iam: Arc<Iam>,
    call: Call,
    input: GetPolicyVersionRequest,
) -> Result<GetPolicyVersionResponse, Error> {
    let cell = iam.account(&call).await?;
    let policy = cell.read(|account| find(account, &input.policy_arn).cloned()).await.map_err(Error::internal)??;
    if input.version_id != "v1" {
        let message =
            format!("Policy {} version {} does not exist or is not attachable.", policy.arn, input.version_id);
        return Err(errors::no_such_entity_exception(message));
    }
    let version = PolicyVersion {
        document: Some(url_encode(&policy.document)),
        version_id: Some("v1".into()),
        is_default_version: Some(true),
        create_date: Some(policy.created),
    };
    Ok(GetPolicyVersionResponse { policy_version: Some(version) })
}

pub async fn delete_policy(iam: Arc<Iam>, call: Call, input: DeletePolicyRequest) -> Result<DeletePolicyOutput, Error> {
    let cell = iam.account(&call).await?;
    let deleted = cell.apply(|account, tx| {
        let free =
            find(account, &input.policy_arn).map(drop).and_then(|()| match account.attachments(&input.policy_arn) {
                0 => Ok(()),
                _ => {
                    let message = "Cannot delete a policy attached to entities.";
                    Err(errors::delete_conflict_exception(message))
                }
            });
        Ok::<_, cell::Error>(free.map(|()| account.remove_policy(tx, &input.policy_arn)))
    });
    deleted.await.map_err(Error::internal)??;
    Ok(DeletePolicyOutput {})
}

/// The account's own policies; AWS's are not listed.
pub async fn list_policies(
    iam: Arc<Iam>,
    call: Call,
    input: ListPoliciesRequest,
) -> Result<ListPoliciesResponse, Error> {
    let cell = iam.account(&call).await?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let own = input.scope.as_deref() != Some("AWS");
    let only_attached = input.only_attached.unwrap_or(false);
    let entries = cell.read(|account| {
        let wanted = account.policies.values().filter(|policy| own && policy.path.starts_with(prefix));
        let counted = wanted.map(|policy| (policy, account.attachments(&policy.arn)));
        let kept = counted.filter(|(_, count)| !only_attached || *count > 0);
        kept.map(|(policy, count)| entry(policy, count)).collect::<Vec<_>>()
    });
    let entries = entries.await.map_err(Error::internal)?;
    let (policies, marker) = page(entries, arn_of, input.marker.as_deref(), input.max_items);
    Ok(ListPoliciesResponse { policies: Some(policies), is_truncated: Some(marker.is_some()), marker })
}

fn arn_of(policy: &PolicyEntry) -> &str {
    policy.arn.as_deref().unwrap_or_default()
}

fn find<'a>(account: &'a Account, arn: &str) -> Result<&'a Policy, Error> {
    account.policies.get(arn).ok_or_else(|| error::no_policy(arn))
}

fn entry(policy: &Policy, attachments: usize) -> PolicyEntry {
    let tags: Vec<Tag> =
        policy.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
    PolicyEntry {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some("v1".into()),
        attachment_count: i32::try_from(attachments).ok(),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(policy.created),
        update_date: Some(policy.updated),
        tags: (!tags.is_empty()).then_some(tags),
    }
}
