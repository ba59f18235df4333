use base::Timestamp;
use serde_json::json;

use super::*;
use crate::operation::Phase;
use crate::resource::{Deployed, Policy, Underway};
use crate::status::ResourceStatus;

fn ids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn thing(physical_id: &str, policy: Policy) -> Deployed {
    let noted = Noted { deletion_policy: policy, update_replace_policy: policy, ..Noted::default() };
    Deployed { resource_type: "T".into(), physical_id: physical_id.into(), noted, ..Deployed::default() }
}

fn resource(id: &str, deployed: Deployed, change: Option<Underway>) -> (String, StackResource) {
    let status = ResourceStatus::CreateComplete;
    let updated = Timestamp::EPOCH;
    (id.into(), StackResource { logical_id: id.into(), deployed, status, reason: None, updated, change })
}

fn operation(kind: Kind, on_failure: OnFailure, cancel: Option<Cancel>, failed: &[&str]) -> Operation {
    Operation {
        id: String::new(),
        kind,
        phase: Phase::Deploy,
        token: None,
        trace: String::new(),
        origin: String::new(),
        on_failure,
        retain_except_on_create: false,
        cancel,
        deadline: None,
        failed: ids(failed),
        reason: None,
        retain: BTreeSet::new(),
        force: false,
        doomed: BTreeMap::new(),
    }
}

#[test]
fn a_resource_begins_when_all_that_it_needs_is_done() {
    let needs: Needs = [("A", ids(&[])), ("B", ids(&["A"])), ("C", ids(&["A", "B"])), ("D", ids(&[]))]
        .into_iter()
        .map(|(id, needs)| (id.to_owned(), needs))
        .collect();
    let cases: [(&[&str], &[&str], &[&str]); 5] = [
        (&[], &[], &["A", "D"]),
        (&[], &["A"], &["D"]),
        (&["A"], &["A", "D"], &["B"]),
        (&["A", "B"], &["A", "B", "D"], &["C"]),
        (&["A", "B", "C", "D"], &["A", "B", "C", "D"], &[]),
    ];
    for (done, begun, expected) in cases {
        assert_eq!(ready(&needs, &ids(done), &ids(begun)), expected, "{done:?} {begun:?}");
    }
}

#[test]
fn nothing_is_deleted_while_something_needs_it() {
    let doomed = |needs: &[&str]| {
        let mut deployed = thing("p", Policy::Delete);
        deployed.noted.needs = ids(needs);
        Doomed { deployed, is_retained: false, is_last: true }
    };
    let mut all: BTreeMap<String, Doomed> =
        [("A", doomed(&[])), ("B", doomed(&["A"])), ("C", doomed(&["A", "B"])), ("D", doomed(&[]))]
            .into_iter()
            .map(|(id, one)| (id.to_owned(), one))
            .collect();
    assert_eq!(ready_to_delete(&all, &ids(&[])), ["C", "D"]);
    assert_eq!(ready_to_delete(&all, &ids(&["C", "D"])), [""; 0]);
    all.remove("C");
    assert_eq!(ready_to_delete(&all, &ids(&["D"])), ["B"]);
}

#[test]
fn a_resource_gets_what_its_change_takes() {
    let mut deployed = thing("p", Policy::Delete);
    deployed.properties = json!({"Key": 1, "Size": 1}).as_object().cloned().unwrap();
    let noted = deployed.noted.clone();
    let retained = Noted { deletion_policy: Policy::Retain, ..noted.clone() };
    let (_, existing) = resource("A", deployed, None);
    let (_, unmade) = resource("A", thing("", Policy::Delete), None);
    let cases = [
        (None, "T", json!({"Key": 1}), &noted, Some(Action::Create)),
        (Some(&unmade), "T", json!({"Key": 1}), &noted, Some(Action::Create)),
        (Some(&existing), "T", json!({"Key": 1, "Size": 1}), &noted, None),
        (Some(&existing), "T", json!({"Key": 1, "Size": 1}), &retained, Some(Action::Note)),
        (Some(&existing), "T", json!({"Key": 1, "Size": 2}), &noted, Some(Action::Update)),
        (Some(&existing), "T", json!({"Key": 2, "Size": 1}), &noted, Some(Action::Replace)),
        (Some(&existing), "U", json!({"Key": 1, "Size": 1}), &noted, Some(Action::Replace)),
    ];
    for (existing, kind, properties, noted, expected) in cases {
        let properties = properties.as_object().cloned().unwrap();
        let judge = |old: &Map<String, Value>, new: &Map<String, Value>| Change::between(old, new, &["Key"]);
        assert_eq!(decide(existing, kind, &properties, noted, judge), expected, "{kind} {properties:?}");
    }
}

#[test]
fn what_follows_a_deployment_depends_on_its_outcome() {
    use {Cancel as C, Kind as K, OnFailure as F, StackStatus as S};
    let cases = [
        (K::Create, F::Rollback, None, false, AfterDeploy::End(S::CreateComplete)),
        (K::Create, F::Rollback, None, true, AfterDeploy::Delete { rollback: true }),
        (K::Create, F::Delete, None, true, AfterDeploy::Delete { rollback: false }),
        (K::Create, F::DoNothing, None, true, AfterDeploy::End(S::CreateFailed)),
        (K::Create, F::Rollback, Some(C::Delete), false, AfterDeploy::Delete { rollback: false }),
        (K::Update, F::Rollback, None, false, AfterDeploy::Cleanup),
        (K::Update, F::Rollback, None, true, AfterDeploy::Restore),
        (K::Update, F::DoNothing, None, true, AfterDeploy::End(S::UpdateFailed)),
        (K::Update, F::DoNothing, Some(C::Rollback), false, AfterDeploy::Restore),
    ];
    for (kind, on_failure, cancel, fails, expected) in cases {
        let failed: &[&str] = if fails { &["A"] } else { &[] };
        let operation = operation(kind, on_failure, cancel, failed);
        assert_eq!(after_deploy(&operation), expected, "{kind:?} {on_failure:?} {cancel:?} {fails}");
    }
}

#[test]
fn an_update_leaves_over_what_it_replaced_or_what_it_made() {
    let replaced = |new: &str, policy| {
        let before = Some(Box::new(thing("old", policy)));
        (thing(new, policy), Some(Underway { action: Action::Replace, is_done: true, before }))
    };
    let created = Some(Underway { action: Action::Create, is_done: true, before: None });
    let (replacement, change) = replaced("new", Policy::Delete);
    let (kept, kept_change) = replaced("new", Policy::Retain);
    let (same, same_change) = replaced("old", Policy::Delete);
    let resources: StackResources = [
        resource("Added", thing("added", Policy::Delete), created),
        resource("Kept", kept, kept_change),
        resource("Removed", thing("removed", Policy::Retain), None),
        resource("Replaced", replacement, change),
        resource("Same", same, same_change),
    ]
    .into();
    let shown = |doomed: BTreeMap<String, Doomed>| -> Vec<(String, String, bool, bool)> {
        let one = |(id, one): (String, Doomed)| (id, one.deployed.physical_id, one.is_retained, one.is_last);
        doomed.into_iter().map(one).collect()
    };
    let row = |id: &str, physical: &str, kept, last| (id.to_owned(), physical.to_owned(), kept, last);
    let wanted = ids(&["Added", "Kept", "Replaced", "Same"]);
    assert_eq!(
        shown(superseded(&resources, &wanted)),
        [row("Kept", "old", true, false), row("Removed", "removed", true, true), row("Replaced", "old", false, false),]
    );
    let operation = operation(Kind::Update, OnFailure::Rollback, None, &["X"]);
    assert_eq!(
        shown(abandoned(&resources, &operation)),
        [row("Added", "added", false, true), row("Kept", "new", false, false), row("Replaced", "new", false, false),]
    );
}
