use std::collections::BTreeMap;

use base::Timestamp;

use super::*;

fn version(scope: &Scope, name: &str) -> Version {
    Version {
        scope: scope.clone(),
        function_name: name.to_owned(),
        arn: scope.arn("lambda", &format!("function:{name}")),
        version: LATEST.to_owned(),
        revision: "r1".into(),
        revision_id: "i1".into(),
        role: "arn:aws:iam::000000000000:role/r".into(),
        runtime: Some("python3.12".into()),
        handler: Some("index.handler".into()),
        code: Code::Package(Package { sha256: "c2hh".into(), size: 3, blob: "b".into(), unpacked: 4 }),
        layers: Vec::new(),
        environment: Some(BTreeMap::from([("KEY".to_owned(), "value".to_owned())])),
        memory_mb: 128,
        timeout_s: 3,
        ephemeral_storage_mb: 512,
        architecture: "x86_64".into(),
        description: String::new(),
        dead_letter_target: None,
        tracing_mode: "PassThrough".into(),
        logging: Logging {
            format: "Text".into(),
            group: format!("/aws/lambda/{name}"),
            application_level: None,
            system_level: None,
        },
        snap_start: "None".into(),
        vpc: None,
        kms_key_arn: None,
        last_modified: Timestamp::from_secs(1),
    }
}

fn function(scope: &Scope, name: &str) -> Function {
    let latest = version(scope, name);
    let numbered = |number: u64| Arc::new(Version { version: number.to_string(), ..latest.clone() });
    let alias = Alias {
        name: "live".into(),
        version: "1".into(),
        description: String::new(),
        revision_id: "a1".into(),
        additional: Some(("2".into(), 0.5)),
    };
    let config = EventInvokeConfig { maximum_retry_attempts: Some(0), ..EventInvokeConfig::default() };
    Function {
        scope: scope.clone(),
        name: name.to_owned(),
        arn: latest.arn.clone(),
        versions: [1, 2].map(|number| (number, numbered(number))).into(),
        latest: Arc::new(latest),
        aliases: [("live".to_owned(), Arc::new(alias))].into(),
        settings: Arc::new(FunctionSettings {
            reserved_concurrency: Some(5),
            last_version: 2,
            ..FunctionSettings::default()
        }),
        event_invoke_configs: [("live".to_owned(), Arc::new(config))].into(),
        policies: BTreeMap::new(),
    }
}

fn cells(store: &Arc<dyn store::Store>) -> Cells {
    struct Nobody;
    impl cell::Outbox for Nobody {
        fn committed(&self, _: Vec<cell::Message>) {}
    }
    Cells::new(store.clone(), clock::Clock::real(), Arc::new(Nobody))
}

async fn open(store: &Arc<dyn store::Store>) -> Registry {
    Registry::open(cells(store), Entropy::seeded(1)).await.expect("it opens")
}

fn memory() -> Arc<dyn store::Store> {
    Arc::new(store::Memory::default())
}

#[tokio::test]
async fn all_that_was_put_is_there_after_a_restart() {
    let store = memory();
    let scope = Scope::default();
    let other = Scope { region: Region::parse("eu-west-1").expect("a region"), ..Scope::default() };
    {
        let registry = open(&store).await;
        for scope in [&scope, &other] {
            let put = registry.apply(scope, |account, tx| Ok(account.put(tx, function(scope, "f"))));
            assert_eq!(*put.await.expect("it is put"), function(scope, "f"));
        }
    }
    let registry = open(&store).await;
    for scope in [&scope, &other] {
        assert_eq!(registry.function(scope, "f").as_deref(), Some(&function(scope, "f")));
    }
    assert_eq!(registry.reserved_total(&scope), 5);
}

#[tokio::test]
async fn rows_that_are_gone_stay_gone() {
    let store = memory();
    let scope = Scope::default();
    {
        let registry = open(&store).await;
        let changed = registry.apply(&scope, |account, tx| {
            account.put(tx, function(&scope, "f"));
            account.put(tx, function(&scope, "f2"));
            let mut less = function(&scope, "f");
            less.aliases.clear();
            less.versions.remove(&1);
            account.put(tx, less);
            account.remove(tx, "f2");
            Ok(())
        });
        changed.await.expect("it is changed");
    }
    let registry = open(&store).await;
    let found = registry.function(&scope, "f").expect("the function");
    assert!(found.aliases.is_empty());
    assert_eq!(found.versions.keys().collect::<Vec<_>>(), [&2]);
    assert_eq!(registry.account(&scope).functions.len(), 1);
}

#[tokio::test]
async fn resolves_by_every_qualifier() {
    let registry = open(&memory()).await;
    let scope = Scope::default();
    let put = registry.apply(&scope, |account, tx| Ok(account.put(tx, function(&scope, "f"))));
    put.await.expect("it is put");

    let plain = registry.resolve(&scope, "f", None).expect("it resolves");
    assert_eq!((plain.version.version.as_str(), plain.qualifier), (LATEST, None));
    assert_eq!(plain.invoked_arn, "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert!(plain.event_invoke_config.is_none());

    let numbered = registry.resolve(&scope, &plain.invoked_arn, Some("2")).expect("it resolves");
    assert_eq!(numbered.version.version, "2");

    let mut picked = BTreeMap::new();
    for _ in 0..200 {
        let live = registry.resolve(&scope, "f:live", None).expect("it resolves");
        assert_eq!(live.invoked_arn, "arn:aws:lambda:us-east-1:000000000000:function:f:live");
        assert_eq!(live.event_invoke_config.and_then(|config| config.maximum_retry_attempts), Some(0));
        *picked.entry(live.version.version.clone()).or_insert(0) += 1;
    }
    assert!(picked["1"] > 60 && picked["2"] > 60, "{picked:?}");

    for (name, qualifier, expected) in [("g", None, "g:$LATEST"), ("f", Some("9"), "f:9"), ("f", Some("x"), "f:x")] {
        let error = registry.resolve(&scope, name, qualifier).expect_err(name);
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:";
        assert_eq!((error.status, error.message), (404, format!("Function not found: {arn}{expected}")));
    }
}

#[tokio::test]
async fn a_change_is_told() {
    let registry = open(&memory()).await;
    let scope = Scope::default();
    let mut changes = registry.changes();
    changes.mark_unchanged();
    let put = registry.apply(&scope, |account, tx| Ok(account.put(tx, function(&scope, "f"))));
    put.await.expect("it is put");
    assert!(changes.has_changed().expect("the registry lives"));
}
