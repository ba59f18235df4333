mod world;

use model_cloudformation as model;
use serde_json::json;
use store::Memory;

use world::{Site, TYPE, World, ended, template};

#[tokio::test]
async fn a_stack_is_created_in_order_and_tells_its_story() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let body = json!({
        "Resources": {
            "B": {"Type": TYPE, "Properties": {"Of": {"Fn::GetAtt": ["A", "Arn"]}}},
            "A": {"Type": TYPE}
        },
        "Outputs": {"B": {"Value": {"Ref": "B"}}}
    });
    assert_eq!(site.create("s", &body.to_string()).await.unwrap(), "CREATE_COMPLETE");
    assert_eq!(world.log(), ["create A", "create B"]);
    let made = site.output("s", "B").await.unwrap();
    assert!(made.starts_with("s-B-"), "{made}");
    let a = world.names().remove(0);
    assert_eq!(world.things.lock().unwrap()[&made]["Of"], format!("arn:{a}"));
    let expected = [
        "s CREATE_IN_PROGRESS User Initiated",
        "A CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS Resource creation Initiated",
        "A CREATE_COMPLETE",
        "B CREATE_IN_PROGRESS",
        "B CREATE_IN_PROGRESS Resource creation Initiated",
        "B CREATE_COMPLETE",
        "s CREATE_COMPLETE",
    ];
    assert_eq!(site.events("s").await, expected);
    assert_eq!(site.create("s", &body.to_string()).await.unwrap_err().message, "Stack [s] already exists");
    assert_eq!(site.delete("s").await.unwrap(), "DELETE_COMPLETE");
    assert_eq!(world.log(), ["delete B", "delete A"]);
    assert!(world.names().is_empty());
}

#[tokio::test]
async fn what_does_not_depend_on_each_other_is_made_at_once() {
    let world = World::new(20);
    let site = Site::open(Memory::new(), &world).await;
    let ids: Vec<String> = (0..20).map(|number| format!("T{number}")).collect();
    let things: Vec<_> = ids.iter().map(|id| (id.as_str(), json!({"Meet": true}))).collect();
    // Each waits for all the others: this ends only if all are under way at a time.
    assert_eq!(site.create("s", &template(&things)).await.unwrap(), "CREATE_COMPLETE");
    assert_eq!(world.names().len(), 20);
}

#[tokio::test]
async fn a_failed_creation_is_rolled_back() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let body = template(&[("A", json!({})), ("B", json!({"Fail": "create", "Of": {"Ref": "A"}}))]);
    assert_eq!(site.create("s", &body).await.unwrap(), "ROLLBACK_COMPLETE");
    assert!(world.names().is_empty());
    let events = site.events("s").await;
    let rollback =
        "s ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [B]. Rollback requested by user.";
    assert!(events.contains(&rollback.to_owned()), "{events:#?}");
    let reason = "B CREATE_FAILED Resource handler returned message: \"no luck\"";
    assert!(events.iter().any(|event| event.starts_with(reason)), "{events:#?}");
    assert!(events.contains(&"A DELETE_COMPLETE".to_owned()));
    let error = site.update("s", &template(&[("A", json!({}))])).await.unwrap_err();
    assert!(error.message.ends_with("is in ROLLBACK_COMPLETE state and can not be updated."), "{error}");
    assert_eq!(site.delete("s").await.unwrap(), "DELETE_COMPLETE");
}

#[tokio::test]
async fn on_failure_decides_what_becomes_of_a_failed_creation() {
    for (on_failure, status, left) in [("DELETE", "DELETE_COMPLETE", 0), ("DO_NOTHING", "CREATE_FAILED", 1)] {
        let world = World::new(1);
        let site = Site::open(Memory::new(), &world).await;
        let body = template(&[("A", json!({})), ("B", json!({"Invalid": 1, "Of": {"Ref": "A"}}))]);
        let input = model::CreateStackInput {
            stack_name: "s".into(),
            template_body: Some(body),
            on_failure: Some(on_failure.into()),
            ..Default::default()
        };
        assert_eq!(site.begin::<model::CreateStack>("s", input).await.unwrap(), status);
        assert_eq!(world.names().len(), left, "{on_failure}");
    }
}

#[tokio::test]
async fn an_update_changes_replaces_adds_and_removes() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let before = [
        ("Same", json!({"Size": 1})),
        ("Changed", json!({"Size": 1})),
        ("Replaced", json!({"Key": 1})),
        ("User", json!({"Of": {"Ref": "Replaced"}})),
        ("Removed", json!({})),
    ];
    assert_eq!(site.create("s", &template(&before)).await.unwrap(), "CREATE_COMPLETE");
    let (names, _) = (world.names(), world.log());
    let after = [
        ("Same", json!({"Size": 1})),
        ("Changed", json!({"Size": 2})),
        ("Replaced", json!({"Key": 2})),
        ("User", json!({"Of": {"Ref": "Replaced"}})),
        ("Added", json!({"Of": {"Ref": "User"}})),
    ];
    assert_eq!(site.update("s", &template(&after)).await.unwrap(), "UPDATE_COMPLETE");
    let log = world.log();
    let mut sorted = log.clone();
    sorted.sort();
    let expected =
        ["create Added", "create Replaced", "delete Removed", "delete Replaced", "update Changed", "update User"];
    assert_eq!(sorted, expected);
    let at = |step: &str| log.iter().position(|one| one == step).unwrap();
    assert!(at("create Replaced") < at("update User") && at("update User") < at("delete Replaced"), "{log:?}");
    let now = world.names();
    assert_eq!(now.len(), 5);
    assert_eq!(names.iter().filter(|name| now.contains(name)).count(), 3);
    let error = site.update("s", &template(&after)).await.unwrap_err();
    assert_eq!(error.message, "No updates are to be performed.");
    let events = site.events("s").await;
    assert_eq!(&events[events.len() - 1], "s UPDATE_COMPLETE");
    assert!(events.contains(&"s UPDATE_COMPLETE_CLEANUP_IN_PROGRESS".to_owned()));
}

#[tokio::test]
async fn a_failed_update_restores_what_was() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let before = [("Changed", json!({"Size": 1})), ("Replaced", json!({"Key": 1}))];
    site.create("s", &template(&before)).await.unwrap();
    let things = world.things.lock().unwrap().clone();
    let after = json!({"Resources": {
        "Changed": {"Type": TYPE, "Properties": {"Size": 2}},
        "Replaced": {"Type": TYPE, "Properties": {"Key": 2}},
        "Added": {"Type": TYPE},
        "Bad": {"Type": TYPE, "DependsOn": ["Changed", "Replaced", "Added"], "Properties": {"Fail": "create"}}
    }});
    assert_eq!(site.update("s", &after.to_string()).await.unwrap(), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(*world.things.lock().unwrap(), things);
    let template_now = site
        .call::<model::GetTemplate>(model::GetTemplateInput { stack_name: Some("s".into()), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(template_now.template_body.unwrap(), template(&before));
    let failing = [("Changed", json!({"Size": 2, "Fail": "update"})), ("Replaced", json!({"Key": 1}))];
    assert_eq!(site.update("s", &template(&failing)).await.unwrap(), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(*world.things.lock().unwrap(), things);
    let fixed = [("Changed", json!({"Size": 3})), ("Replaced", json!({"Key": 1}))];
    assert_eq!(site.update("s", &template(&fixed)).await.unwrap(), "UPDATE_COMPLETE");
}

#[tokio::test]
async fn a_custom_named_resource_is_not_replaced() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    site.create("s", &template(&[("A", json!({"ThingName": "n", "Key": 1}))])).await.unwrap();
    let after = template(&[("A", json!({"ThingName": "n", "Key": 2}))]);
    assert_eq!(site.update("s", &after).await.unwrap(), "UPDATE_ROLLBACK_COMPLETE");
    let events = site.events("s").await;
    assert!(events.iter().any(|event| event.contains("Rename n and update the stack again.")), "{events:#?}");
    assert_eq!(world.names(), ["n"]);
}

#[tokio::test]
async fn a_retained_resource_stays() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let body = json!({"Resources": {"Kept": {"Type": TYPE, "DeletionPolicy": "Retain"}, "A": {"Type": TYPE}}});
    site.create("s", &body.to_string()).await.unwrap();
    let id = site.describe("s").await.stack_id.unwrap();
    assert_eq!(site.delete("s").await.unwrap(), "DELETE_COMPLETE");
    assert_eq!(world.names().len(), 1);
    assert!(site.events(&id).await.contains(&"Kept DELETE_SKIPPED".to_owned()));
    // Its name does not stand in the way of a new one.
    assert_eq!(site.create("s", &body.to_string()).await.unwrap(), "CREATE_COMPLETE");
    assert_eq!(world.names().len(), 3);
}

#[tokio::test]
async fn a_failed_deletion_can_be_tried_again() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    site.create("s", &template(&[("A", json!({})), ("B", json!({"Of": {"Ref": "A"}}))])).await.unwrap();
    world.stuck.lock().unwrap().push("B".into());
    assert_eq!(site.delete("s").await.unwrap(), "DELETE_FAILED");
    // What the stuck one needs is still there.
    assert_eq!(world.names().len(), 2);
    world.stuck.lock().unwrap().clear();
    assert_eq!(site.delete("s").await.unwrap(), "DELETE_COMPLETE");
    assert!(world.names().is_empty());
}

#[tokio::test]
async fn a_crash_amid_a_creation_is_carried_on() {
    let world = World::new(1);
    let store = Memory::new();
    let body = template(&[
        ("A", json!({})),
        ("B", json!({"Gate": true, "Of": {"Ref": "A"}})),
        ("C", json!({"Of": {"Ref": "B"}})),
    ]);
    let site = Site::open(store.clone(), &world).await;
    let mut events = site.service.follow();
    let input = model::CreateStackInput { stack_name: "s".into(), template_body: Some(body), ..Default::default() };
    site.call::<model::CreateStack>(input).await.unwrap();
    while events.recv().await.unwrap().logical_id != "B" {}
    let (after, again) = (store.after_power_loss(), World::new(1));
    again.things.lock().unwrap().extend(world.things.lock().unwrap().clone());
    again.gate.add_permits(1);

    let site = Site::open(after, &again).await;
    let mut events = site.service.follow();
    site.service.resume();
    assert_eq!(ended(&mut events, "s").await, "CREATE_COMPLETE");
    assert_eq!(again.log(), ["create B", "create C"]);
    assert_eq!(again.names().len(), 3);
    assert_eq!(site.delete("s").await.unwrap(), "DELETE_COMPLETE");
}

#[tokio::test]
async fn a_creation_is_given_up_for_a_deletion() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let mut events = site.service.follow();
    let body = template(&[("A", json!({"Gate": true})), ("B", json!({"Of": {"Ref": "A"}}))]);
    let input = model::CreateStackInput { stack_name: "s".into(), template_body: Some(body), ..Default::default() };
    site.call::<model::CreateStack>(input).await.unwrap();
    while events.recv().await.unwrap().logical_id != "A" {}
    let deletion = model::DeleteStackInput { stack_name: "s".into(), ..Default::default() };
    site.call::<model::DeleteStack>(deletion).await.unwrap();
    world.gate.add_permits(1);
    assert_eq!(ended(&mut events, "s").await, "DELETE_COMPLETE");
    assert_eq!(world.log(), ["create A", "delete A"]);
}

#[tokio::test]
async fn exports_are_protected_while_they_are_used() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let exporting = |size: u32, value: &str| {
        json!({
            "Resources": {"A": {"Type": TYPE, "Properties": {"Size": size}}},
            "Outputs": {"O": {"Value": value, "Export": {"Name": "shared"}}}
        })
        .to_string()
    };
    let importing = template(&[("B", json!({"Of": {"Fn::ImportValue": "shared"}}))]);
    assert_eq!(site.create("early", &importing).await.unwrap(), "ROLLBACK_COMPLETE");
    let reason = site.events("early").await;
    assert!(reason.iter().any(|event| event.ends_with("No export named shared found. Rollback requested by user.")));
    site.create("a", &exporting(1, "x")).await.unwrap();
    assert_eq!(site.create("b", &importing).await.unwrap(), "CREATE_COMPLETE");
    let error = site.delete("a").await.unwrap_err();
    assert_eq!(error.message, "Export shared cannot be deleted as it is in use by b");
    assert_eq!(site.update("a", &exporting(2, "y")).await.unwrap(), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(site.delete("b").await.unwrap(), "DELETE_COMPLETE");
    assert_eq!(site.update("a", &exporting(2, "y")).await.unwrap(), "UPDATE_COMPLETE");
    assert_eq!(site.delete("a").await.unwrap(), "DELETE_COMPLETE");
}

#[tokio::test]
async fn a_change_set_is_looked_at_and_executed() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let change_set = |kind: &str, name: &str, body: String| model::CreateChangeSetInput {
        stack_name: "s".into(),
        change_set_name: name.into(),
        change_set_type: Some(kind.into()),
        template_body: Some(body),
        ..Default::default()
    };
    let describe = |name: &str| model::DescribeChangeSetInput {
        stack_name: Some("s".into()),
        change_set_name: name.into(),
        ..Default::default()
    };
    let execute = |name: &str| model::ExecuteChangeSetInput {
        stack_name: Some("s".into()),
        change_set_name: name.into(),
        ..Default::default()
    };
    let body = template(&[("A", json!({"Size": 1}))]);
    site.call::<model::CreateChangeSet>(change_set("CREATE", "one", body.clone())).await.unwrap();
    let described = site.call::<model::DescribeChangeSet>(describe("one")).await.unwrap();
    assert_eq!(described.status.as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(described.execution_status.as_deref(), Some("AVAILABLE"));
    assert_eq!(site.describe("s").await.stack_status, "REVIEW_IN_PROGRESS");
    assert_eq!(site.begin::<model::ExecuteChangeSet>("s", execute("one")).await.unwrap(), "CREATE_COMPLETE");

    site.call::<model::CreateChangeSet>(change_set("UPDATE", "none", body)).await.unwrap();
    let described = site.call::<model::DescribeChangeSet>(describe("none")).await.unwrap();
    assert_eq!(described.status.as_deref(), Some("FAILED"));
    assert!(described.status_reason.unwrap().starts_with("The submitted information didn't contain changes."));

    let body = template(&[("A", json!({"Size": 2})), ("B", json!({}))]);
    site.call::<model::CreateChangeSet>(change_set("UPDATE", "two", body)).await.unwrap();
    let described = site.call::<model::DescribeChangeSet>(describe("two")).await.unwrap();
    let changes: Vec<_> = described.changes.unwrap().into_iter().filter_map(|change| change.resource_change).collect();
    assert_eq!((changes[0].action.as_deref(), changes[0].replacement.as_deref()), (Some("Modify"), Some("False")));
    assert_eq!(changes[1].action.as_deref(), Some("Add"));
    assert_eq!(site.begin::<model::ExecuteChangeSet>("s", execute("two")).await.unwrap(), "UPDATE_COMPLETE");
    let described = site.call::<model::DescribeChangeSet>(describe("two")).await.unwrap();
    assert_eq!(described.execution_status.as_deref(), Some("EXECUTE_COMPLETE"));
    let error = site.call::<model::ExecuteChangeSet>(execute("none")).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.status), ("ChangeSet [none] does not exist", 404));
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_before_anything_changes() {
    let world = World::new(1);
    let site = Site::open(Memory::new(), &world).await;
    let role = r#"{"Resources":{"R":{"Type":"AWS::IAM::Role","Properties":{"RoleName":"r"}}}}"#;
    let sam = format!(r#"{{"Transform":"AWS::Serverless-2016-10-31","Resources":{{"Q":{{"Type":"{TYPE}"}}}}}}"#);
    let cases = [
        (r#"{"Resources":{"Oak":{"Type":"AWS::Nut::Tree"}}}"#, "Unrecognized resource types: [AWS::Nut::Tree]"),
        (role, "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
        (sam.as_str(), "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"),
        ("Resources: [", "Template format error: YAML not well-formed."),
        (
            r#"{"Resources":{"A":{"Type":"Test::Fake::Thing","Properties":{"P":"{{resolve:ssm:n}}"}}}}"#,
            "Kobel does not resolve dynamic references yet",
        ),
    ];
    for (body, message) in cases {
        let error = site.create("s", body).await.unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
    let unknown = model::DescribeStacksInput { stack_name: Some("s".into()), next_token: None };
    let error = site.call::<model::DescribeStacks>(unknown).await.unwrap_err();
    assert_eq!(error.message, "Stack with id s does not exist");
    assert!(world.log().is_empty());
}

/// Power is lost after each event of an update, whether it succeeds or fails; each time it comes to the same end.
#[tokio::test]
async fn a_crash_at_any_moment_of_an_update_comes_to_the_same_end() {
    for (bad, status, count) in
        [(json!({}), "UPDATE_COMPLETE", 4), (json!({"Fail": "create"}), "UPDATE_ROLLBACK_COMPLETE", 3)]
    {
        let (world, store) = (World::new(1), Memory::new());
        let site = Site::open(store.clone(), &world).await;
        let before = [("Changed", json!({"Size": 1})), ("Replaced", json!({"Key": 1})), ("Removed", json!({}))];
        site.create("s", &template(&before)).await.unwrap();
        let after = json!({"Resources": {
            "Changed": {"Type": TYPE, "Properties": {"Size": 2}},
            "Replaced": {"Type": TYPE, "Properties": {"Key": 2, "Of": {"Ref": "Changed"}}},
            "Added": {"Type": TYPE},
            "Last": {"Type": TYPE, "DependsOn": ["Changed", "Replaced", "Added"], "Properties": bad}
        }});
        let mut events = site.service.follow();
        let input = model::UpdateStackInput {
            stack_name: "s".into(),
            template_body: Some(after.to_string()),
            ..Default::default()
        };
        site.call::<model::UpdateStack>(input).await.unwrap();
        let mut moments = Vec::new();
        loop {
            let event = events.recv().await.unwrap();
            if event.is_of_stack() && event.status == status {
                break;
            }
            moments.push((store.after_power_loss(), world.things.lock().unwrap().clone()));
        }
        let end = world.things.lock().unwrap().clone();
        assert_eq!(end.len(), count);
        for (store, things) in moments {
            let world = World::new(1);
            world.things.lock().unwrap().extend(things);
            let site = Site::open(store, &world).await;
            let mut events = site.service.follow();
            site.service.resume();
            let there = site.describe("s").await.stack_status;
            if there != status {
                assert_eq!(ended(&mut events, "s").await, status);
            }
            assert_eq!(*world.things.lock().unwrap(), end);
        }
    }
}
