use std::collections::BTreeMap;
use std::sync::Arc;

use model_iam::{
    AttachedPermissionsBoundary, CreateRoleRequest, CreateRoleResponse, DeleteRoleOutput, DeleteRoleRequest,
    GetRoleRequest, GetRoleResponse, ListInstanceProfilesForRoleRequest, ListInstanceProfilesForRoleResponse,
    ListRolesRequest, ListRolesResponse, Role as RoleEntry, Tag, UpdateAssumeRolePolicyOutput,
    UpdateAssumeRolePolicyRequest, UpdateRoleRequest, UpdateRoleResponse, errors,
};
use wire::{Call, Error};

use super::{page, url_encode};
use crate::account::{Account, Role, check_document, unique_id};
use crate::service::Iam;

pub async fn create_role(iam: Arc<Iam>, call: Call, input: CreateRoleRequest) -> Result<CreateRoleResponse, Error> {
    let role = create(&iam, call.scope.account.as_str(), input).await?;
    Ok(CreateRoleResponse { role: entry(&role) })
}

/// Creates the role in an account.
pub(crate) async fn create(iam: &Iam, account: &str, input: CreateRoleRequest) -> Result<Role, Error> {
    check_document(&input.assume_role_policy_document)?;
    let path = input.path.unwrap_or_else(|| "/".into());
    let role = Role {
        arn: format!("arn:aws:iam::{account}:role{path}{}", input.role_name),
        name: input.role_name,
        path,
        id: unique_id(&iam.fabric.entropy, "AROA"),
        created: iam.fabric.now(),
        trust_policy: input.assume_role_policy_document,
        description: input.description,
        max_session_s: input.max_session_duration.unwrap_or(3_600),
        permissions_boundary: input.permissions_boundary,
        inline: BTreeMap::new(),
        attached: Vec::new(),
        tags: input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    let cell = iam.account_of(account).await?;
    let created = cell.apply(|account, tx| {
        if account.roles.contains_key(&role.name) {
            let message = format!("Role with name {} already exists.", role.name);
            return Ok::<_, cell::Error>(Err(errors::entity_already_exists_exception(message)));
        }
        account.put_role(tx, role.clone());
        Ok(Ok(role))
    });
    created.await.map_err(Error::internal)?
}

pub async fn get_role(iam: Arc<Iam>, call: Call, input: GetRoleRequest) -> Result<GetRoleResponse, Error> {
    let cell = iam.account(&call).await?;
    let role = cell.read(|account| account.role(&input.role_name).map(entry)).await.map_err(Error::internal)??;
    Ok(GetRoleResponse { role })
}

pub async fn update_role(iam: Arc<Iam>, call: Call, input: UpdateRoleRequest) -> Result<UpdateRoleResponse, Error> {
    change(&iam, &call, &input.role_name, |role| {
        if let Some(description) = input.description {
            role.description = Some(description);
        }
        role.max_session_s = input.max_session_duration.unwrap_or(role.max_session_s);
        Ok(())
    })
    .await?;
    Ok(UpdateRoleResponse {})
}

pub async fn update_assume_role_policy(
    iam: Arc<Iam>,
    call: Call,
    input: UpdateAssumeRolePolicyRequest,
) -> Result<UpdateAssumeRolePolicyOutput, Error> {
    check_document(&input.policy_document)?;
    change(&iam, &call, &input.role_name, |role| {
        role.trust_policy = input.policy_document;
        Ok(())
    })
    .await?;
    Ok(UpdateAssumeRolePolicyOutput {})
}

/// Changes a role of the caller's account.
pub(super) async fn change(
    iam: &Iam,
    call: &Call,
    name: &str,
    change: impl FnOnce(&mut Role) -> Result<(), Error>,
) -> Result<(), Error> {
    let cell = iam.account(call).await?;
    let changed = cell.apply(|account, tx| {
        let role = account.role(name).cloned().and_then(|mut role| change(&mut role).map(|()| role));
        Ok::<_, cell::Error>(role.map(|role| account.put_role(tx, role)))
    });
    changed.await.map_err(Error::internal)?
}

pub async fn delete_role(iam: Arc<Iam>, call: Call, input: DeleteRoleRequest) -> Result<DeleteRoleOutput, Error> {
    let cell = iam.account(&call).await?;
    let deleted = cell.apply(|account, tx| {
        let empty = account.role(&input.role_name).and_then(|role| {
            if !role.attached.is_empty() {
                let message = "Cannot delete entity, must detach all policies first.";
                return Err(errors::delete_conflict_exception(message));
            }
            if !role.inline.is_empty() {
                let message = "Cannot delete entity, must delete policies first.";
                return Err(errors::delete_conflict_exception(message));
            }
            Ok(())
        });
        Ok::<_, cell::Error>(empty.map(|()| account.remove_role(tx, &input.role_name)))
    });
    deleted.await.map_err(Error::internal)??;
    Ok(DeleteRoleOutput {})
}

/// Deletes a role with all its policies; one that is gone is deleted.
pub(crate) async fn delete(iam: &Iam, account: &str, name: &str) -> Result<(), Error> {
    let cell = iam.account_of(account).await?;
    let deleted = cell.apply(|account: &mut Account, tx| {
        account.remove_role(tx, name);
        Ok::<_, cell::Error>(())
    });
    deleted.await.map_err(Error::internal)
}

pub async fn list_roles(iam: Arc<Iam>, call: Call, input: ListRolesRequest) -> Result<ListRolesResponse, Error> {
    let cell = iam.account(&call).await?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let roles = cell.read(|account| {
        let wanted = account.roles.values().filter(|role| role.path.starts_with(prefix));
        wanted.cloned().collect::<Vec<_>>()
    });
    let roles = roles.await.map_err(Error::internal)?;
    let (roles, marker) = page(roles, |role| &role.name, input.marker.as_deref(), input.max_items);
    Ok(ListRolesResponse { roles: roles.iter().map(entry).collect(), is_truncated: Some(marker.is_some()), marker })
}

/// Kobel has no instance profiles: the list is empty for a role that exists.
pub async fn list_instance_profiles_for_role(
    iam: Arc<Iam>,
    call: Call,
    input: ListInstanceProfilesForRoleRequest,
) -> Result<ListInstanceProfilesForRoleResponse, Error> {
    let cell = iam.account(&call).await?;
    cell.read(|account| account.role(&input.role_name).map(drop)).await.map_err(Error::internal)??;
    Ok(ListInstanceProfilesForRoleResponse { is_truncated: Some(false), ..Default::default() })
}

fn entry(role: &Role) -> RoleEntry {
    let boundary = role.permissions_boundary.clone().map(|arn| AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn),
    });
    let tags: Vec<Tag> = role.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
    RoleEntry {
        path: role.path.clone(),
        role_name: role.name.clone(),
        role_id: role.id.clone(),
        arn: role.arn.clone(),
        create_date: role.created,
        assume_role_policy_document: Some(url_encode(&role.trust_policy)),
        description: role.description.clone(),
        max_session_duration: Some(role.max_session_s),
        permissions_boundary: boundary,
        tags: (!tags.is_empty()).then_some(tags),
        role_last_used: None,
    }
}
