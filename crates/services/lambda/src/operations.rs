//! The operations of the API, registered once.

mod account_settings;
mod aliases;
mod concurrency;
mod create_function;
mod delete_function;
mod event_invoke_configs;
mod event_source_mappings;
mod invoke;
mod invoke_async;
mod invoke_with_response_stream;
mod layer_policy;
mod layers;
mod policy;
mod read_functions;
mod tags;
mod update_function;
mod versions;

use std::sync::Arc;

use model_lambda as model;

use crate::service::Lambda;
pub(crate) use layers::publish as publish_layer;

pub(crate) fn api(service: Arc<Lambda>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::CreateFunction, _, _, _>(create_function::create_function)
        .on::<model::GetFunction, _, _, _>(read_functions::get_function)
        .on::<model::GetFunctionConfiguration, _, _, _>(read_functions::get_function_configuration)
        .on::<model::ListFunctions, _, _, _>(read_functions::list_functions)
        .on::<model::UpdateFunctionCode, _, _, _>(update_function::update_function_code)
        .on::<model::UpdateFunctionConfiguration, _, _, _>(update_function::update_function_configuration)
        .on::<model::DeleteFunction, _, _, _>(delete_function::delete_function)
        .on::<model::Invoke, _, _, _>(invoke::invoke)
        .on::<model::InvokeAsync, _, _, _>(invoke_async::invoke_async)
        .on::<model::InvokeWithResponseStream, _, _, _>(invoke_with_response_stream::invoke_with_response_stream)
        .on::<model::PublishVersion, _, _, _>(versions::publish_version)
        .on::<model::ListVersionsByFunction, _, _, _>(versions::list_versions_by_function)
        .on::<model::CreateAlias, _, _, _>(aliases::create_alias)
        .on::<model::GetAlias, _, _, _>(aliases::get_alias)
        .on::<model::UpdateAlias, _, _, _>(aliases::update_alias)
        .on::<model::DeleteAlias, _, _, _>(aliases::delete_alias)
        .on::<model::ListAliases, _, _, _>(aliases::list_aliases)
        .on::<model::PutFunctionEventInvokeConfig, _, _, _>(event_invoke_configs::put)
        .on::<model::UpdateFunctionEventInvokeConfig, _, _, _>(event_invoke_configs::update)
        .on::<model::GetFunctionEventInvokeConfig, _, _, _>(event_invoke_configs::get)
        .on::<model::DeleteFunctionEventInvokeConfig, _, _, _>(event_invoke_configs::delete)
        .on::<model::ListFunctionEventInvokeConfigs, _, _, _>(event_invoke_configs::list)
        .on::<model::PutFunctionConcurrency, _, _, _>(concurrency::put_function_concurrency)
        .on::<model::GetFunctionConcurrency, _, _, _>(concurrency::get_function_concurrency)
        .on::<model::DeleteFunctionConcurrency, _, _, _>(concurrency::delete_function_concurrency)
        .on::<model::AddPermission, _, _, _>(policy::add_permission)
        .on::<model::GetPolicy, _, _, _>(policy::get_policy)
        .on::<model::RemovePermission, _, _, _>(policy::remove_permission)
        .on::<model::CreateEventSourceMapping, _, _, _>(event_source_mappings::create)
        .on::<model::GetEventSourceMapping, _, _, _>(event_source_mappings::get)
        .on::<model::ListEventSourceMappings, _, _, _>(event_source_mappings::list)
        .on::<model::UpdateEventSourceMapping, _, _, _>(event_source_mappings::update)
        .on::<model::DeleteEventSourceMapping, _, _, _>(event_source_mappings::delete)
        .on::<model::TagResource, _, _, _>(tags::tag_resource)
        .on::<model::UntagResource, _, _, _>(tags::untag_resource)
        .on::<model::ListTags, _, _, _>(tags::list_tags)
        .on::<model::GetAccountSettings, _, _, _>(account_settings::get_account_settings)
        .on::<model::PublishLayerVersion, _, _, _>(layers::publish_layer_version)
        .on::<model::GetLayerVersion, _, _, _>(layers::get_layer_version)
        .on::<model::GetLayerVersionByArn, _, _, _>(layers::get_layer_version_by_arn)
        .on::<model::ListLayerVersions, _, _, _>(layers::list_layer_versions)
        .on::<model::ListLayers, _, _, _>(layers::list_layers)
        .on::<model::DeleteLayerVersion, _, _, _>(layers::delete_layer_version)
        .on::<model::AddLayerVersionPermission, _, _, _>(layer_policy::add_layer_version_permission)
        .on::<model::GetLayerVersionPolicy, _, _, _>(layer_policy::get_layer_version_policy)
        .on::<model::RemoveLayerVersionPermission, _, _, _>(layer_policy::remove_layer_version_permission)
        .build()
}

#[cfg(test)]
mod tests;
