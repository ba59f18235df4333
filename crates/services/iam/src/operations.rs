//! The operations of IAM, registered once.

mod managed_policies;
mod policies;
mod role_policies;
mod roles;
mod tags;

pub(crate) use roles::{create, delete};

use std::sync::Arc;

use model_iam as model;

use crate::service::Iam;

pub(crate) fn api(service: Arc<Iam>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::CreateRole, _, _, _>(roles::create_role)
        .on::<model::GetRole, _, _, _>(roles::get_role)
        .on::<model::UpdateRole, _, _, _>(roles::update_role)
        .on::<model::UpdateAssumeRolePolicy, _, _, _>(roles::update_assume_role_policy)
        .on::<model::DeleteRole, _, _, _>(roles::delete_role)
        .on::<model::ListRoles, _, _, _>(roles::list_roles)
        .on::<model::ListInstanceProfilesForRole, _, _, _>(roles::list_instance_profiles_for_role)
        .on::<model::PutRolePolicy, _, _, _>(role_policies::put_role_policy)
        .on::<model::GetRolePolicy, _, _, _>(role_policies::get_role_policy)
        .on::<model::DeleteRolePolicy, _, _, _>(role_policies::delete_role_policy)
        .on::<model::ListRolePolicies, _, _, _>(role_policies::list_role_policies)
        .on::<model::AttachRolePolicy, _, _, _>(managed_policies::attach_role_policy)
        .on::<model::DetachRolePolicy, _, _, _>(managed_policies::detach_role_policy)
        .on::<model::ListAttachedRolePolicies, _, _, _>(managed_policies::list_attached_role_policies)
        .on::<model::CreatePolicy, _, _, _>(policies::create_policy)
        .on::<model::GetPolicy, _, _, _>(policies::get_policy)
        .on::<model::GetPolicyVersion, _, _, _>(policies::get_policy_version)
        .on::<model::DeletePolicy, _, _, _>(policies::delete_policy)
        .on::<model::ListPolicies, _, _, _>(policies::list_policies)
        .on::<model::TagRole, _, _, _>(tags::tag_role)
        .on::<model::UntagRole, _, _, _>(tags::untag_role)
        .on::<model::ListRoleTags, _, _, _>(tags::list_role_tags)
        .build()
}

/// One page of a list: those after `marker`, at most `max_items` (100 by default), and the next marker.
pub(crate) fn page<T>(
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> (Vec<T>, Option<String>) {
    let max = max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(100).clamp(1, 1_000);
    wire::page_after(all, name, marker, max)
}

/// Documents travel URL-encoded in replies.
pub(crate) fn url_encode(document: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(document, KEPT).to_string()
}
