use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{GetTemplateSummaryInput, GetTemplateSummaryOutput};
use wire::Call;

use crate::document::{Document, capability_resources};
use crate::error::{no_stack, validation};
use crate::service::CloudFormation;

pub async fn get_template_summary(
    service: Arc<CloudFormation>,
    call: Call,
    input: GetTemplateSummaryInput,
) -> Result<GetTemplateSummaryOutput, wire::Error> {
    let given = service.template_text(&call, input.template_body, input.template_url.as_deref()).await?;
    let text = match (given, &input.stack_name) {
        (Some(text), None) => text,
        (None, Some(name)) => {
            let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
            let found = cell.read(|stacks| Some(stacks.find(name)?.shown()?.original.clone())).await;
            found.map_err(wire::Error::internal)?.ok_or_else(|| no_stack(name))?
        }
        _ => return Err(validation("Exactly one of StackName, TemplateBody and TemplateURL must be specified.")),
    };
    let document = read(text)?;
    let parameters =
        document.template.parameters.iter().map(|(name, parameter)| declaration(&document, name, parameter));
    let types: BTreeSet<String> =
        document.template.resources.values().map(|resource| resource.resource_type.clone()).collect();
    let capabilities: Vec<String> = document.capabilities().into_iter().map(str::to_owned).collect();
    Ok(GetTemplateSummaryOutput {
        parameters: Some(parameters.collect()),
        description: document.template.description.clone(),
        capabilities_reason: capabilities_reason(&document),
        capabilities: Some(capabilities).filter(|names| !names.is_empty()),
        resource_types: Some(types.into_iter().collect()),
        version: document.processed.get("AWSTemplateFormatVersion").and_then(|one| one.as_str()).map(str::to_owned),
        metadata: document.template.metadata.as_ref().map(ToString::to_string),
        declared_transforms: Some(document.declared_transforms.clone()).filter(|names| !names.is_empty()),
        ..GetTemplateSummaryOutput::default()
    })
}

/// Reads a template as it is written. Where a transform is still to make what it names, names are not checked.
pub fn read(text: String) -> Result<Document, wire::Error> {
    let document = Document::glance(text)?;
    if document.declared_transforms.is_empty() {
        document.template.check_references().map_err(|error| validation(error.message))?;
    }
    Ok(document)
}

fn declaration(document: &Document, name: &str, parameter: &template::Parameter) -> model::ParameterDeclaration {
    let written = &document.processed["Parameters"][name]["Type"];
    model::ParameterDeclaration {
        parameter_key: Some(name.to_owned()),
        default_value: parameter.default.clone(),
        parameter_type: written.as_str().map(str::to_owned),
        no_echo: Some(parameter.no_echo),
        description: parameter.description.clone(),
        parameter_constraints: Some(model::ParameterConstraints { allowed_values: parameter.allowed_values.clone() }),
    }
}

/// Which types of resources need the capability.
pub fn capabilities_reason(document: &Document) -> Option<String> {
    let mut types: BTreeMap<&str, ()> = BTreeMap::new();
    for (_, resource) in capability_resources(&document.template) {
        types.insert(&resource.resource_type, ());
    }
    let names = types.into_keys().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("The following resource(s) require capabilities: [{names}]"))
}
