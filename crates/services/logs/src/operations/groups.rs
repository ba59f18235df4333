use std::sync::Arc;

use base::Scope;
use model_logs::{
    CreateLogGroupOutput, CreateLogGroupRequest, DeleteLogGroupOutput, DeleteLogGroupRequest,
    DeleteRetentionPolicyOutput, DeleteRetentionPolicyRequest, DescribeLogGroupsRequest, DescribeLogGroupsResponse,
    LogGroup, PutRetentionPolicyOutput, PutRetentionPolicyRequest,
};
use wire::{Call, Error};

use crate::error;
use crate::groups::{Group, Groups};
use crate::service::{Logs, group_of_arn};

const RETENTION_DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub async fn create_log_group(
    logs: Arc<Logs>,
    call: Call,
    input: CreateLogGroupRequest,
) -> Result<CreateLogGroupOutput, Error> {
    let group = Group {
        name: input.log_group_name,
        number: 0,
        created_ms: logs.fabric.now().millis(),
        class: input.log_group_class.unwrap_or_else(|| "STANDARD".into()),
        retention_days: None,
        kms_key: input.kms_key_id,
        tags: input.tags.unwrap_or_default(),
    };
    create(&logs, &call.scope, group).await?;
    Ok(CreateLogGroupOutput {})
}

/// Creates the group with a number of its own.
pub(crate) async fn create(logs: &Logs, scope: &Scope, mut group: Group) -> Result<(), Error> {
    if group.name.starts_with("aws/") {
        return Err(error::invalid("Log groups starting with 'aws/' are reserved for AWS."));
    }
    let cell = logs.groups_of(scope).await?;
    let created = cell.apply(|groups, tx| {
        if groups.group(&group.name).is_ok() {
            return Ok::<_, cell::Error>(Err(error::group_exists()));
        }
        group.number = groups.next_number(tx);
        groups.put_group(tx, group);
        Ok(Ok(()))
    });
    created.await.map_err(Error::internal)?
}

pub async fn delete_log_group(
    logs: Arc<Logs>,
    call: Call,
    input: DeleteLogGroupRequest,
) -> Result<DeleteLogGroupOutput, Error> {
    let cell = logs.groups(&call).await?;
    let deleted = cell.apply(|groups, tx| Ok::<_, cell::Error>(groups.remove_group(tx, &input.log_group_name)));
    deleted.await.map_err(Error::internal)??;
    Ok(DeleteLogGroupOutput {})
}

pub async fn describe_log_groups(
    logs: Arc<Logs>,
    call: Call,
    input: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, Error> {
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(error::invalid(message));
    }
    let max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
    let named: Option<Vec<String>> =
        input.log_group_identifiers.map(|ids| ids.into_iter().map(|id| group_of_arn(&id).unwrap_or(id)).collect());
    let wanted = |group: &&Group| {
        input.log_group_name_prefix.as_ref().is_none_or(|prefix| group.name.starts_with(prefix.as_str()))
            && input.log_group_name_pattern.as_ref().is_none_or(|pattern| contains(&group.name, pattern))
            && input.log_group_class.as_ref().is_none_or(|class| group.class == *class)
            && named.as_ref().is_none_or(|names| names.contains(&group.name))
            && input.next_token.as_ref().is_none_or(|token| group.name > *token)
    };
    let scope = call.scope.clone();
    let cell = logs.groups(&call).await?;
    let found = cell.read(|groups| {
        let entries = groups.groups().filter(wanted).take(max + 1);
        entries.map(|group| entry(groups, group, &scope)).collect::<Vec<_>>()
    });
    let mut found = found.await.map_err(Error::internal)?;
    let more = found.len() > max;
    found.truncate(max);
    let next_token = more.then(|| found.last().and_then(|group| group.log_group_name.clone())).flatten();
    Ok(DescribeLogGroupsResponse { log_groups: Some(found), next_token })
}

fn contains(name: &str, pattern: &str) -> bool {
    name.to_lowercase().contains(&pattern.to_lowercase())
}

fn entry(groups: &Groups, group: &Group, scope: &Scope) -> LogGroup {
    let arn = scope.arn("logs", &format!("log-group:{}", group.name));
    LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(group.created_ms),
        retention_in_days: group.retention_days,
        metric_filter_count: Some(0),
        arn: Some(format!("{arn}:*")),
        stored_bytes: Some(groups.stored_bytes(&group.name)),
        kms_key_id: group.kms_key.clone(),
        log_group_class: Some(group.class.clone()),
        log_group_arn: Some(arn),
        ..LogGroup::default()
    }
}

pub async fn put_retention_policy(
    logs: Arc<Logs>,
    call: Call,
    input: PutRetentionPolicyRequest,
) -> Result<PutRetentionPolicyOutput, Error> {
    check_retention(input.retention_in_days)?;
    change(&logs, &call, &input.log_group_name, |group| group.retention_days = Some(input.retention_in_days)).await?;
    Ok(PutRetentionPolicyOutput {})
}

/// Only some numbers of days may be chosen.
pub(crate) fn check_retention(days: i32) -> Result<(), Error> {
    if RETENTION_DAYS.contains(&days) {
        return Ok(());
    }
    let message = format!(
        "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must \
         satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, \
         2557, 2922, 3288, 3653]"
    );
    Err(error::invalid(message))
}

pub async fn delete_retention_policy(
    logs: Arc<Logs>,
    call: Call,
    input: DeleteRetentionPolicyRequest,
) -> Result<DeleteRetentionPolicyOutput, Error> {
    change(&logs, &call, &input.log_group_name, |group| group.retention_days = None).await?;
    Ok(DeleteRetentionPolicyOutput {})
}

/// Changes a group of the caller's.
pub(super) async fn change(logs: &Logs, call: &Call, name: &str, change: impl FnOnce(&mut Group)) -> Result<(), Error> {
    let cell = logs.groups(call).await?;
    let changed = cell.apply(|groups, tx| {
        let group = groups.group(name).cloned().map(|mut group| {
            change(&mut group);
            group
        });
        Ok::<_, cell::Error>(group.map(|group| groups.put_group(tx, group)))
    });
    changed.await.map_err(Error::internal)?
}
