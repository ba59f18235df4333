use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{ValidateTemplateInput, ValidateTemplateOutput};
use wire::Call;

use super::get_template_summary::{capabilities_reason, read};
use crate::service::CloudFormation;

pub async fn validate_template(
    service: Arc<CloudFormation>,
    call: Call,
    input: ValidateTemplateInput,
) -> Result<ValidateTemplateOutput, wire::Error> {
    let text = service.required_template_text(&call, input.template_body, input.template_url.as_deref()).await?;
    let document = read(text)?;
    let parameters = document.template.parameters.iter().map(|(name, parameter)| model::TemplateParameter {
        parameter_key: Some(name.clone()),
        default_value: parameter.default.clone(),
        no_echo: Some(parameter.no_echo),
        description: parameter.description.clone(),
    });
    let capabilities: Vec<String> = document.capabilities().into_iter().map(str::to_owned).collect();
    Ok(ValidateTemplateOutput {
        parameters: Some(parameters.collect()),
        description: document.template.description.clone(),
        capabilities_reason: capabilities_reason(&document),
        capabilities: Some(capabilities).filter(|names| !names.is_empty()),
        declared_transforms: Some(document.declared_transforms).filter(|names| !names.is_empty()),
    })
}
