//! How a template makes roles and policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric::{Change, ProviderError, Resource, ResourceContext, ResourceProvider, Updated};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model_iam::{CreateRoleRequest, Tag};
use serde::Deserialize;
use serde_json::{Map, Value};
use wire::Error;

use crate::account::{Account, Policy, Role, unique_id};
use crate::operations;
use crate::service::Iam;

const ROLE: &str = "AWS::IAM::Role";
const POLICY: &str = "AWS::IAM::Policy";
const MANAGED_POLICY: &str = "AWS::IAM::ManagedPolicy";

pub(crate) struct Provider {
    iam: Arc<Iam>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RoleProperties {
    assume_role_policy_document: Value,
    #[serde(default)]
    role_name: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    managed_policy_arns: Vec<String>,
    #[serde(default)]
    policies: Vec<InlinePolicy>,
    #[serde(default)]
    max_session_duration: Option<Value>,
    #[serde(default)]
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<KeyValue>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct InlinePolicy {
    policy_name: String,
    policy_document: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct KeyValue {
    key: String,
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PolicyProperties {
    policy_name: String,
    policy_document: Value,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ManagedPolicyProperties {
    policy_document: Value,
    #[serde(default)]
    managed_policy_name: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

impl Provider {
    pub(crate) fn new(iam: Arc<Iam>) -> Provider {
        Provider { iam }
    }

    async fn make_role(
        &self,
        context: &ResourceContext,
        properties: RoleProperties,
    ) -> Result<Resource, ProviderError> {
        let name = properties.role_name.clone().unwrap_or_else(|| context.generated_name(64));
        let account = context.scope.account.as_str();
        let own = context.own_tag();
        let input = CreateRoleRequest {
            path: properties.path.clone(),
            role_name: name.clone(),
            assume_role_policy_document: properties.assume_role_policy_document.to_string(),
            tags: Some(vec![Tag { key: own.0, value: own.1 }]),
            ..CreateRoleRequest::default()
        };
        match operations::create(&self.iam, account, input).await {
            Err(error) if error.status == 409 && self.is_own(context, &name).await? => {}
            created => drop(created?),
        }
        self.fill_role(context, &name, properties).await
    }

    /// Whether this very resource made the role, before a crash.
    async fn is_own(&self, context: &ResourceContext, name: &str) -> Result<bool, ProviderError> {
        let cell = self.iam.account_of(context.scope.account.as_str()).await?;
        let own = context.own_tag();
        let is = cell.read(|account| account.roles.get(name).is_some_and(|r| r.tags.get(&own.0) == Some(&own.1)));
        Ok(is.await.map_err(Error::internal)?)
    }

    async fn fill_role(
        &self,
        context: &ResourceContext,
        name: &str,
        properties: RoleProperties,
    ) -> Result<Resource, ProviderError> {
        let own = context.own_tag();
        let role = self
            .change_role(context, name, move |role| {
                role.trust_policy = properties.assume_role_policy_document.to_string();
                role.description = properties.description;
                role.max_session_s = number(properties.max_session_duration.as_ref()).unwrap_or(3_600);
                role.permissions_boundary = properties.permissions_boundary;
                role.attached = properties.managed_policy_arns;
                let inline = properties.policies.into_iter();
                role.inline.extend(inline.map(|policy| (policy.policy_name, policy.policy_document.to_string())));
                role.tags = properties.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
                role.tags.extend([own]);
            })
            .await?;
        Ok(Resource::new(role.name).with("Arn", role.arn).with("RoleId", role.id))
    }

    async fn change_role(
        &self,
        context: &ResourceContext,
        name: &str,
        change: impl FnOnce(&mut Role),
    ) -> Result<Role, ProviderError> {
        let cell = self.iam.account_of(context.scope.account.as_str()).await?;
        let changed = cell.apply(|account, tx| {
            let role = account.role(name).cloned().map(|mut role| {
                change(&mut role);
                account.put_role(tx, role.clone());
                role
            });
            Ok::<_, cell::Error>(role)
        });
        Ok(changed.await.map_err(Error::internal)??)
    }

    /// Puts an inline policy into the roles it names.
    async fn put_inline(&self, context: &ResourceContext, policy: PolicyProperties) -> Result<Resource, ProviderError> {
        let document = policy.policy_document.to_string();
        for role in &policy.roles {
            self.change_role(context, role, |role| {
                role.inline.insert(policy.policy_name.clone(), document.clone());
            })
            .await?;
        }
        Ok(Resource::new(format!("{}-{}", policy.policy_name, context.suffix)))
    }

    async fn make_managed(
        &self,
        context: &ResourceContext,
        properties: ManagedPolicyProperties,
    ) -> Result<Resource, ProviderError> {
        let name = properties.managed_policy_name.unwrap_or_else(|| context.generated_name(128));
        let path = properties.path.unwrap_or_else(|| "/".into());
        let arn = format!("arn:aws:iam::{}:policy{path}{name}", context.scope.account);
        let now = self.iam.fabric.now();
        let policy = Policy {
            name,
            path,
            id: unique_id(&self.iam.fabric.entropy, "ANPA"),
            arn: arn.clone(),
            created: now,
            updated: now,
            document: properties.policy_document.to_string(),
            description: properties.description,
            tags: BTreeMap::new(),
        };
        let cell = self.iam.account_of(context.scope.account.as_str()).await?;
        let put = cell.apply(|account: &mut Account, tx| {
            account.put_policy(tx, policy);
            Ok::<_, cell::Error>(())
        });
        put.await.map_err(Error::internal)?;
        for role in &properties.roles {
            self.change_role(context, role, |role| {
                if !role.attached.contains(&arn) {
                    role.attached.push(arn.clone());
                }
            })
            .await?;
        }
        Ok(Resource::new(arn.clone()).with("PolicyArn", arn))
    }

    async fn put(&self, context: &ResourceContext, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
        match context.resource_type.as_str() {
            ROLE => self.make_role(context, read(properties)?).await,
            POLICY => self.put_inline(context, read(properties)?).await,
            _ => self.make_managed(context, read(properties)?).await,
        }
    }

    /// Takes a policy out of the roles that the properties name; roles that are gone have it no more.
    async fn detach(
        &self,
        context: &ResourceContext,
        roles: &[String],
        change: impl Fn(&mut Role),
    ) -> Result<(), ProviderError> {
        for role in roles {
            match self.change_role(context, role, &change).await {
                Err(error) if error.code == "NotFound" => {}
                changed => drop(changed?),
            }
        }
        Ok(())
    }
}

impl ResourceProvider for Provider {
    fn types(&self) -> &'static [&'static str] {
        &[ROLE, POLICY, MANAGED_POLICY]
    }

    fn check(&self, resource_type: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
        match resource_type {
            ROLE => read::<RoleProperties>(properties).map(drop),
            POLICY => read::<PolicyProperties>(properties).map(drop),
            _ => read::<ManagedPolicyProperties>(properties).map(drop),
        }
    }

    fn change(&self, resource_type: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        let replacing: &[&str] = match resource_type {
            ROLE => &["RoleName", "Path"],
            POLICY => &["PolicyName"],
            _ => &["ManagedPolicyName", "Path", "Description"],
        };
        Change::between(old, new, replacing)
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        self.put(context, properties).boxed()
    }

    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>> {
        async move {
            let resource = match context.resource_type.as_str() {
                ROLE => {
                    let before: RoleProperties = read(old)?;
                    self.change_role(context, physical_id, |role| {
                        before.policies.iter().for_each(|policy| drop(role.inline.remove(&policy.policy_name)));
                    })
                    .await?;
                    self.fill_role(context, physical_id, read(new)?).await?
                }
                _ => {
                    self.delete(context, physical_id, old).await?;
                    let made = self.put(context, new).await?;
                    Resource { physical_id: physical_id.to_owned(), reference: physical_id.to_owned(), ..made }
                }
            };
            Ok(Updated { resource })
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let account = context.scope.account.as_str();
            match context.resource_type.as_str() {
                ROLE => Ok(operations::delete(&self.iam, account, physical_id).await?),
                POLICY => {
                    let policy: PolicyProperties = read(properties)?;
                    let take = |role: &mut Role| drop(role.inline.remove(&policy.policy_name));
                    self.detach(context, &policy.roles, take).await
                }
                _ => {
                    let policy: ManagedPolicyProperties = read(properties)?;
                    let take = |role: &mut Role| role.attached.retain(|arn| arn != physical_id);
                    self.detach(context, &policy.roles, take).await?;
                    let cell = self.iam.account_of(account).await?;
                    let removed = cell.apply(|account: &mut Account, tx| {
                        account.remove_policy(tx, physical_id);
                        Ok::<_, cell::Error>(())
                    });
                    Ok(removed.await.map_err(Error::internal)?)
                }
            }
        }
        .boxed()
    }
}

fn read<T: serde::de::DeserializeOwned>(properties: &Map<String, Value>) -> Result<T, ProviderError> {
    serde_json::from_value(Value::Object(properties.clone())).map_err(|error| ProviderError {
        code: "InvalidRequest",
        message: format!("Properties validation failed: {error}"),
        property: None,
    })
}

/// A number, or one written as text, as a reference to a parameter gives it.
fn number(value: Option<&Value>) -> Option<i32> {
    match value? {
        Value::Number(number) => i32::try_from(number.as_i64()?).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
