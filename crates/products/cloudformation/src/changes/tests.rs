use std::collections::BTreeSet;

use base::{Scope, Timestamp};
use serde_json::json;

use super::*;
use crate::resource::{Deployed, Noted, StackResource};
use crate::stack::Deployment;
use crate::status::ResourceStatus;

fn prepared(resources: Value, outputs: Value) -> Prepared {
    let deployment = Deployment {
        original: String::new(),
        processed: json!({ "Resources": resources, "Outputs": outputs }),
        was_transformed: false,
        parameters: BTreeMap::new(),
        description: None,
        capabilities: Vec::new(),
        tags: Vec::new(),
        notification_arns: Vec::new(),
        role_arn: None,
    };
    Prepared::new(&deployment, &Scope::default(), "arn:s", "s").expect("a sound template")
}

fn deployed(id: &str, properties: Value) -> (String, StackResource) {
    let deployed = Deployed {
        resource_type: "Test::Fake::Thing".into(),
        physical_id: format!("p-{id}"),
        reference: format!("p-{id}"),
        properties: properties.as_object().cloned().unwrap_or_default(),
        noted: Noted { needs: BTreeSet::new(), ..Noted::default() },
        ..Deployed::default()
    };
    let status = ResourceStatus::CreateComplete;
    let updated = Timestamp::EPOCH;
    (id.into(), StackResource { logical_id: id.into(), deployed, status, reason: None, updated, change: None })
}

/// The changes as `id Kind`, and whether outputs change.
fn shown(resources: Value, outputs: Value, there: StackResources, before: &[Output]) -> (Vec<String>, bool) {
    let judge = |_: &str, old: &Map<String, Value>, new: &Map<String, Value>| Change::between(old, new, &["Key"]);
    let changes = compare(&prepared(resources, outputs), &there, before, &BTreeMap::new(), &judge).expect("compared");
    let text = |change: ResourceChange| match change.kind {
        ChangeKind::Add { .. } => format!("{} Add", change.logical_id),
        ChangeKind::Remove { .. } => format!("{} Remove", change.logical_id),
        ChangeKind::Modify { replacement, .. } => format!("{} {replacement:?}", change.logical_id),
    };
    (changes.resources.into_iter().map(text).collect(), changes.are_outputs_changed)
}

#[test]
fn a_replacement_reaches_what_refers_to_it() {
    let thing = |properties: Value| json!({"Type": "Test::Fake::Thing", "Properties": properties});
    let there = || -> StackResources {
        [
            deployed("A", json!({"Key": 1})),
            deployed("B", json!({"Of": "p-A"})),
            deployed("C", json!({"Key": "p-A"})),
            deployed("D", json!({})),
        ]
        .into()
    };
    let template = |key: u32| {
        json!({
            "A": thing(json!({"Key": key})),
            "B": thing(json!({"Of": {"Ref": "A"}})),
            "C": thing(json!({"Key": {"Ref": "A"}})),
            "E": thing(json!({})),
        })
    };
    let output = Output { key: "O".into(), value: "p-A".into(), description: None, export: None };
    let outputs = json!({"O": {"Value": {"Ref": "A"}}});
    let same = shown(template(1), outputs.clone(), there(), std::slice::from_ref(&output));
    assert_eq!(same, (vec!["E Add".to_owned(), "D Remove".to_owned()], false));
    let (changes, are_outputs_changed) = shown(template(2), outputs, there(), &[output]);
    assert_eq!(changes, ["A True", "B False", "C Conditional", "E Add", "D Remove"]);
    assert!(are_outputs_changed);
}
