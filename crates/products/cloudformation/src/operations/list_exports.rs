use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{ListExportsInput, ListExportsOutput};
use wire::Call;

use super::page::page;
use crate::service::CloudFormation;

/// How many exports a page has.
const PAGE_EXPORTS_MAX: usize = 100;

pub async fn list_exports(
    service: Arc<CloudFormation>,
    call: Call,
    input: ListExportsInput,
) -> Result<ListExportsOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let mut all: Vec<model::Export> = stacks
            .exports()
            .map(|(name, value, stack)| model::Export {
                exporting_stack_id: Some(stack.facts.id.clone()),
                name: Some(name.to_owned()),
                value: Some(value.to_owned()),
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let (exports, next_token) = page(all, input.next_token.as_deref(), PAGE_EXPORTS_MAX)?;
        Ok(ListExportsOutput { exports: Some(exports), next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}
