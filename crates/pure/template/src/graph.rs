//! Which resource must exist before which.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::Template;
use crate::error::TemplateError;
use crate::references::references_under;

/// For each resource those that it needs: by `Ref`, `Fn::GetAtt`, `Fn::Sub` and `DependsOn`. With `conditions`, what
/// they leave out does not count, neither resources nor branches of `Fn::If`.
pub fn dependencies(
    template: &Template,
    conditions: Option<&BTreeMap<String, bool>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let exists = |id: &str| {
        template.resources.get(id).is_some_and(|resource| match (&resource.condition, conditions) {
            (Some(name), Some(conditions)) => conditions.get(name).copied().unwrap_or(false),
            _ => true,
        })
    };
    let needs = |id: &String| {
        let resource = &template.resources[id.as_str()];
        let implicit = references_under(&resource.properties, conditions).into_iter().map(|reference| reference.name);
        let explicit = resource.depends_on.iter().cloned();
        implicit.chain(explicit).filter(|name| exists(name)).collect()
    };
    template.resources.keys().filter(|id| exists(id)).map(|id| (id.clone(), needs(id))).collect()
}

/// The resources in an order in which each comes after those that it needs; otherwise in the order of the text.
///
/// # Errors
/// Resources need each other: `Circular dependency between resources: [A, B]`.
pub fn creation_order(
    template: &Template,
    conditions: Option<&BTreeMap<String, bool>>,
) -> Result<Vec<String>, TemplateError> {
    let graph = dependencies(template, conditions);
    let mut waiting: Vec<&String> = template.resources.keys().filter(|id| graph.contains_key(*id)).collect();
    let mut made: BTreeSet<&String> = BTreeSet::new();
    let mut order = Vec::with_capacity(waiting.len());
    // Each round makes at least one, else the rest need each other.
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|id| {
            let is_ready = graph[*id].iter().all(|need| made.contains(need));
            if is_ready {
                made.insert(id);
                order.push((*id).clone());
            }
            !is_ready
        });
        if waiting.len() == before {
            return Err(circular(&graph, waiting));
        }
    }
    Ok(order)
}

fn circular(graph: &BTreeMap<String, BTreeSet<String>>, mut left: Vec<&String>) -> TemplateError {
    // What only needs the circle is not part of it: drop what nobody left needs, until nothing changes.
    loop {
        let before = left.len();
        let needed: BTreeSet<&String> = left.iter().flat_map(|id| &graph[*id]).collect();
        left.retain(|id| needed.contains(id));
        if left.len() == before {
            break;
        }
    }
    let names = left.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    let path = left.first().map_or_else(String::new, |id| format!("/Resources/{id}"));
    TemplateError::new(path, format!("Circular dependency between resources: [{names}]"))
}
