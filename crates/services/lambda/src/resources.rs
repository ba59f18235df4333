//! How a template makes functions, versions, aliases, permissions, event-invoke configurations, event source mappings
//! and layers: by the service's own operations.

mod alias;
mod caller;
mod event_invoke_config;
mod event_source_mapping;
mod function;
mod layer_version;
mod layer_version_permission;
mod permission;
mod properties;
mod version;

use std::sync::Arc;

use fabric::{Change, Fabric, ProviderError, Resource, ResourceContext, ResourceProvider, Updated, check_known};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use caller::Caller;

use crate::service::Lambda;

const FUNCTION: &str = "AWS::Lambda::Function";
const VERSION: &str = "AWS::Lambda::Version";
const ALIAS: &str = "AWS::Lambda::Alias";
const PERMISSION: &str = "AWS::Lambda::Permission";
const EVENT_INVOKE_CONFIG: &str = "AWS::Lambda::EventInvokeConfig";
const LAYER_VERSION: &str = "AWS::Lambda::LayerVersion";
const LAYER_VERSION_PERMISSION: &str = "AWS::Lambda::LayerVersionPermission";
const EVENT_SOURCE_MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// The provider of all of Lambda's resource types.
pub struct Provider {
    fabric: Fabric,
    lambda: Arc<Lambda>,
}

type Properties = Map<String, Value>;

impl Provider {
    pub(crate) fn new(lambda: Arc<Lambda>) -> Provider {
        Provider { fabric: lambda.fabric.clone(), lambda }
    }

    fn caller<'a>(&'a self, context: &'a ResourceContext) -> Caller<'a> {
        Caller::new(&self.fabric, context)
    }
}

/// The properties of a type that Kobel honours, and those of which a change demands a new resource.
fn tables(resource_type: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match resource_type {
        FUNCTION => (function::PROPERTIES, function::REPLACING),
        VERSION => (version::PROPERTIES, version::PROPERTIES),
        ALIAS => (alias::PROPERTIES, alias::REPLACING),
        PERMISSION => (permission::PROPERTIES, permission::PROPERTIES),
        LAYER_VERSION => (layer_version::PROPERTIES, layer_version::PROPERTIES),
        LAYER_VERSION_PERMISSION => (layer_version_permission::PROPERTIES, layer_version_permission::PROPERTIES),
        EVENT_INVOKE_CONFIG => (event_invoke_config::PROPERTIES, event_invoke_config::REPLACING),
        _ => (event_source_mapping::PROPERTIES, event_source_mapping::REPLACING),
    }
}

impl ResourceProvider for Provider {
    fn types(&self) -> &'static [&'static str] {
        &[
            FUNCTION,
            VERSION,
            ALIAS,
            PERMISSION,
            EVENT_INVOKE_CONFIG,
            EVENT_SOURCE_MAPPING,
            LAYER_VERSION,
            LAYER_VERSION_PERMISSION,
        ]
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Result<(), ProviderError> {
        check_known(resource_type, properties, tables(resource_type).0)
    }

    fn change(&self, resource_type: &str, old: &Properties, new: &Properties) -> Change {
        Change::between(old, new, tables(resource_type).1)
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Properties,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        async move {
            self.check(&context.resource_type, properties)?;
            let caller = self.caller(context);
            match context.resource_type.as_str() {
                FUNCTION => function::create(&caller, properties).await,
                VERSION => version::create(&self.lambda, &caller, properties).await,
                ALIAS => alias::create(&caller, properties).await,
                PERMISSION => permission::create(&caller, properties).await,
                LAYER_VERSION => layer_version::create(&self.lambda, &caller, properties).await,
                LAYER_VERSION_PERMISSION => layer_version_permission::create(&caller, properties).await,
                EVENT_INVOKE_CONFIG => event_invoke_config::put(&caller, properties).await,
                _ => event_source_mapping::create(&caller, properties).await,
            }
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        old: &'a Properties,
        new: &'a Properties,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>> {
        async move {
            self.check(&context.resource_type, new)?;
            let caller = self.caller(context);
            let resource = match context.resource_type.as_str() {
                FUNCTION => function::update(&caller, physical_id, old, new).await?,
                ALIAS => alias::put(&caller, new).await?,
                EVENT_INVOKE_CONFIG => event_invoke_config::put(&caller, new).await?,
                EVENT_SOURCE_MAPPING => event_source_mapping::update(&caller, physical_id, new).await?,
                // All properties of the others demand a new resource.
                _ => Resource::new(physical_id),
            };
            Ok(Updated { resource })
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        properties: &'a Properties,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let caller = self.caller(context);
            let deleted = match context.resource_type.as_str() {
                FUNCTION => function::delete(&caller, physical_id).await,
                VERSION => version::delete(&caller, physical_id).await,
                ALIAS => alias::delete(&caller, physical_id).await,
                PERMISSION => permission::delete(&caller, physical_id, properties).await,
                LAYER_VERSION => layer_version::delete(&caller, physical_id).await,
                LAYER_VERSION_PERMISSION => layer_version_permission::delete(&caller, physical_id).await,
                EVENT_INVOKE_CONFIG => event_invoke_config::delete(&caller, properties).await,
                _ => event_source_mapping::delete(&caller, physical_id).await,
            };
            match deleted {
                // What is gone already is deleted.
                Err(error) if error.status == 404 => Ok(()),
                deleted => Ok(deleted?),
            }
        }
        .boxed()
    }
}
