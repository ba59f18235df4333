//! How a template makes log groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric::{Change, ProviderError, Resource, ResourceContext, ResourceProvider, Updated};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use wire::Error;

use crate::groups::Group;
use crate::operations::{check_retention, create};
use crate::service::Logs;

const GROUP: &str = "AWS::Logs::LogGroup";

pub(crate) struct Provider {
    logs: Arc<Logs>,
}

#[derive(Debug, Default)]
struct Properties {
    name: Option<String>,
    retention_days: Option<i32>,
    class: Option<String>,
    kms_key: Option<String>,
    tags: BTreeMap<String, String>,
}

impl Properties {
    fn read(properties: &Map<String, Value>) -> Result<Properties, ProviderError> {
        let mut read = Properties::default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        for (name, value) in properties {
            match name.as_str() {
                "LogGroupName" => read.name = text(value),
                "LogGroupClass" => read.class = text(value),
                "KmsKeyId" => read.kms_key = text(value),
                "RetentionInDays" => {
                    let days = value.as_i64().or_else(|| value.as_str()?.parse().ok());
                    let days = days.and_then(|days| i32::try_from(days).ok()).unwrap_or(-1);
                    check_retention(days).map_err(|error| ProviderError::invalid(name, error.message))?;
                    read.retention_days = Some(days);
                }
                "Tags" => {
                    let tag = |tag: &Value| Some((text(tag.get("Key")?)?, text(tag.get("Value")?)?));
                    read.tags = value.as_array().into_iter().flatten().filter_map(tag).collect();
                }
                _ => return Err(ProviderError::not_implemented(GROUP, name)),
            }
        }
        Ok(read)
    }
}

impl Provider {
    pub(crate) fn new(logs: Arc<Logs>) -> Provider {
        Provider { logs }
    }

    fn resource(context: &ResourceContext, name: &str) -> Resource {
        Resource::new(name).with("Arn", context.scope.arn("logs", &format!("log-group:{name}:*")))
    }
}

impl ResourceProvider for Provider {
    fn types(&self) -> &'static [&'static str] {
        &[GROUP]
    }

    fn check(&self, _: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
        Properties::read(properties).map(drop)
    }

    fn change(&self, _: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        Change::between(old, new, &["LogGroupName"])
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        async move {
            let read = Properties::read(properties)?;
            let name = read.name.unwrap_or_else(|| context.generated_name(512));
            let own = context.own_tag();
            let mut tags = read.tags;
            tags.insert(own.0.clone(), own.1.clone());
            let group = Group {
                name: name.clone(),
                number: 0,
                created_ms: self.logs.fabric.now().millis(),
                class: read.class.unwrap_or_else(|| "STANDARD".into()),
                retention_days: read.retention_days,
                kms_key: read.kms_key,
                tags,
            };
            if let Err(exists) = create(&self.logs, &context.scope, group).await {
                // It may be this very resource, made before a crash.
                let cell = self.logs.groups_of(&context.scope).await?;
                let is_own = cell.read(|groups| groups.group(&name).is_ok_and(|g| g.tags.get(&own.0) == Some(&own.1)));
                if !is_own.await.map_err(Error::internal)? {
                    return Err(exists.into());
                }
            }
            Ok(Provider::resource(context, &name))
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        _: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>> {
        async move {
            let read = Properties::read(new)?;
            let cell = self.logs.groups_of(&context.scope).await?;
            let changed = cell.apply(|groups, tx| {
                let group = groups.group(physical_id).cloned().map(|group| Group {
                    retention_days: read.retention_days,
                    kms_key: read.kms_key,
                    tags: group.tags.into_iter().filter(|(key, _)| key.starts_with("aws:")).chain(read.tags).collect(),
                    ..group
                });
                Ok::<_, cell::Error>(group.map(|group| groups.put_group(tx, group)))
            });
            changed.await.map_err(Error::internal)??;
            Ok(Updated { resource: Provider::resource(context, physical_id) })
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        _: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let cell = self.logs.groups_of(&context.scope).await?;
            let deleted = cell.apply(|groups, tx| {
                // One that is gone already is deleted.
                let _ = groups.remove_group(tx, physical_id);
                Ok::<_, cell::Error>(())
            });
            deleted.await.map_err(Error::internal)?;
            Ok(())
        }
        .boxed()
    }
}
