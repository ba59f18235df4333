//! The operations of the API, one a file.

mod cancel_update_stack;
mod create_change_set;
mod create_stack;
mod delete_change_set;
mod delete_stack;
mod describe_change_set;
mod describe_events;
mod describe_stack_events;
mod describe_stack_resource;
mod describe_stack_resources;
mod describe_stacks;
mod execute_change_set;
mod get_template;
mod get_template_summary;
mod list_change_sets;
mod list_exports;
mod list_imports;
mod list_stack_resources;
mod list_stacks;
mod page;
mod update_stack;
mod update_termination_protection;
mod validate_template;

use std::sync::Arc;

use model_cloudformation as model;

use crate::service::CloudFormation;

/// The list of all operations.
pub fn api(service: Arc<CloudFormation>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::CancelUpdateStack, _, _, _>(cancel_update_stack::cancel_update_stack)
        .on::<model::CreateChangeSet, _, _, _>(create_change_set::create_change_set)
        .on::<model::CreateStack, _, _, _>(create_stack::create_stack)
        .on::<model::DeleteChangeSet, _, _, _>(delete_change_set::delete_change_set)
        .on::<model::DeleteStack, _, _, _>(delete_stack::delete_stack)
        .on::<model::DescribeChangeSet, _, _, _>(describe_change_set::describe_change_set)
        .on::<model::DescribeEvents, _, _, _>(describe_events::describe_events)
        .on::<model::DescribeStackEvents, _, _, _>(describe_stack_events::describe_stack_events)
        .on::<model::DescribeStackResource, _, _, _>(describe_stack_resource::describe_stack_resource)
        .on::<model::DescribeStackResources, _, _, _>(describe_stack_resources::describe_stack_resources)
        .on::<model::DescribeStacks, _, _, _>(describe_stacks::describe_stacks)
        .on::<model::ExecuteChangeSet, _, _, _>(execute_change_set::execute_change_set)
        .on::<model::GetTemplate, _, _, _>(get_template::get_template)
        .on::<model::GetTemplateSummary, _, _, _>(get_template_summary::get_template_summary)
        .on::<model::ListChangeSets, _, _, _>(list_change_sets::list_change_sets)
        .on::<model::ListExports, _, _, _>(list_exports::list_exports)
        .on::<model::ListImports, _, _, _>(list_imports::list_imports)
        .on::<model::ListStackResources, _, _, _>(list_stack_resources::list_stack_resources)
        .on::<model::ListStacks, _, _, _>(list_stacks::list_stacks)
        .on::<model::UpdateStack, _, _, _>(update_stack::update_stack)
        .on::<model::UpdateTerminationProtection, _, _, _>(update_termination_protection::update_termination_protection)
        .on::<model::ValidateTemplate, _, _, _>(validate_template::validate_template)
        .build()
}
