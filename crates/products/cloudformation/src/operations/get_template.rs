use std::sync::Arc;

use model_cloudformation::{GetTemplateInput, GetTemplateOutput};
use wire::Call;

use crate::error::{no_change_set, no_stack, no_stack_with_id, validation};
use crate::service::CloudFormation;
use crate::stack::Deployment;
use crate::state::Stacks;

pub async fn get_template(
    service: Arc<CloudFormation>,
    call: Call,
    input: GetTemplateInput,
) -> Result<GetTemplateOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let deployment = cell.read(|stacks| find(stacks, &input)).await.map_err(wire::Error::internal)??;
    let is_processed = input.template_stage.as_deref() == Some("Processed");
    let template_body = match is_processed && deployment.was_transformed {
        true => deployment.processed.to_string(),
        false => deployment.original.clone(),
    };
    let stages = ["Original", "Processed"].map(str::to_owned).to_vec();
    Ok(GetTemplateOutput { template_body: Some(template_body), stages_available: Some(stages) })
}

fn find(stacks: &Stacks, input: &GetTemplateInput) -> Result<Arc<Deployment>, wire::Error> {
    if let Some(name) = &input.change_set_name {
        let (_, change_set) =
            stacks.find_change_set(name, input.stack_name.as_deref())?.ok_or_else(|| no_change_set(name))?;
        return change_set.goal.clone().ok_or_else(|| validation(format!("ChangeSet [{name}] has no template")));
    }
    let name = input.stack_name.as_deref().unwrap_or_default();
    let stack = stacks.find(name).ok_or_else(|| no_stack_with_id(name))?;
    stack.shown().cloned().ok_or_else(|| no_stack(name))
}
