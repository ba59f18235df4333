use std::sync::Arc;

use model_cloudformation::{ListImportsInput, ListImportsOutput};
use wire::Call;

use super::page::page;
use crate::error::validation;
use crate::service::CloudFormation;

/// How many stacks a page has.
const PAGE_STACKS_MAX: usize = 100;

/// The names of the stacks that use an export.
pub async fn list_imports(
    service: Arc<CloudFormation>,
    call: Call,
    input: ListImportsInput,
) -> Result<ListImportsOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let export = &input.export_name;
        let mut names: Vec<String> = stacks.importers(export).map(|stack| stack.facts.name.clone()).collect();
        if names.is_empty() {
            return Err(validation(format!("Export '{export}' is not imported by any stack.")));
        }
        names.sort();
        let (names, next_token) = page(names, input.next_token.as_deref(), PAGE_STACKS_MAX)?;
        Ok(ListImportsOutput { imports: Some(names), next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}
