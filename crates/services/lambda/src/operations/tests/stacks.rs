use fabric::{Change, ProviderError, Resource, ResourceContext, ResourceProvider};
use serde_json::{Map, Value, json};

use super::*;

fn context(world: &World, logical_id: &str, resource_type: &str) -> ResourceContext {
    ResourceContext {
        scope: Scope::default(),
        stack_name: "stack".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".into(),
        logical_id: logical_id.into(),
        resource_type: resource_type.into(),
        suffix: "ABCDEFGHIJKL".into(),
        tags: vec![("team".into(), "nest".into())],
        origin: "http://127.0.0.1:4566".into(),
        trace: world.fabric.begin_trace(),
    }
}

fn provider(world: &World, resource_type: &str) -> Arc<dyn ResourceProvider> {
    world.fabric.plugs.provider(resource_type).unwrap()
}

async fn create(world: &World, id: &str, resource_type: &str, properties: &Value) -> Result<Resource, ProviderError> {
    provider(world, resource_type).create(&context(world, id, resource_type), map(properties)).await
}

fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn function() -> Value {
    json!({
        "Code": {"ZipFile": "def handler(event, context): pass"},
        "Handler": "index.handler",
        "Role": ROLE,
        "Runtime": "python3.12",
        "Timeout": "10",
        "Environment": {"Variables": {"COUNT": 3}},
        "Tags": [{"Key": "stage", "Value": "test"}],
    })
}

#[tokio::test]
async fn a_template_makes_changes_and_deletes_all_types() {
    let world = World::new().await;
    let made = create(&world, "Resize", "AWS::Lambda::Function", &function()).await.unwrap();
    let name = made.reference.as_str();
    assert_eq!(name, "stack-Resize-ABCDEFGHIJKL");
    assert_eq!(made.attributes["Arn"], arn(name));
    let version = create(&world, "V", "AWS::Lambda::Version", &json!({"FunctionName": name})).await.unwrap();
    assert_eq!(version.reference, arn(&format!("{name}:1")));
    let alias = json!({"FunctionName": name, "FunctionVersion": version.attributes["Version"], "Name": "live"});
    let alias_made = create(&world, "A", "AWS::Lambda::Alias", &alias).await.unwrap();
    assert_eq!(alias_made.reference, arn(&format!("{name}:live")));
    let permission = json!({
        "FunctionName": alias_made.reference,
        "Action": "lambda:InvokeFunction",
        "Principal": "sns.amazonaws.com",
    });
    let permission_made = create(&world, "P", "AWS::Lambda::Permission", &permission).await.unwrap();
    let config = json!({"FunctionName": name, "Qualifier": "live", "MaximumRetryAttempts": 0});
    let config_made = create(&world, "E", "AWS::Lambda::EventInvokeConfig", &config).await.unwrap();
    let mapping = json!({"FunctionName": name, "EventSourceArn": QUEUE, "BatchSize": 5});
    let mapping_made = create(&world, "M", "AWS::Lambda::EventSourceMapping", &mapping).await.unwrap();
    assert_eq!(mapping_made.reference.len(), 36);

    let found = world.lambda.registry.function(&Scope::default(), name).unwrap();
    assert_eq!((found.policies.len(), found.event_invoke_configs.len(), found.aliases.len()), (1, 1, 1));
    assert_eq!(found.latest.environment.as_ref().unwrap()["COUNT"], "3");
    assert_eq!(found.settings.tags["team"], "nest");

    let deleted = [
        ("AWS::Lambda::EventSourceMapping", &mapping_made, &mapping),
        ("AWS::Lambda::EventInvokeConfig", &config_made, &config),
        ("AWS::Lambda::Permission", &permission_made, &permission),
        ("AWS::Lambda::Alias", &alias_made, &alias),
        ("AWS::Lambda::Version", &version, &json!({"FunctionName": name})),
        ("AWS::Lambda::Function", &made, &function()),
    ];
    for (resource_type, resource, properties) in deleted {
        // A second time it is gone already.
        for _ in 0..2 {
            let context = context(&world, "x", resource_type);
            let delete = provider(&world, resource_type);
            delete.delete(&context, &resource.physical_id, map(properties)).await.expect(resource_type);
        }
    }
    let account = world.lambda.registry.account(&Scope::default());
    assert!(account.functions.is_empty() && account.mappings.is_empty());
}

#[tokio::test]
async fn what_leaves_the_template_is_reset() {
    let world = World::new().await;
    let mut old = function();
    old["MemorySize"] = 512.into();
    old["LoggingConfig"] = json!({"LogFormat": "JSON"});
    old["VpcConfig"] = json!({"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]});
    let made = create(&world, "F", "AWS::Lambda::Function", &old).await.unwrap();
    let provider = provider(&world, "AWS::Lambda::Function");
    let new = function();
    let names = ["LoggingConfig", "MemorySize", "VpcConfig"].map(str::to_owned);
    let Change::Update(mut differing) = provider.change("AWS::Lambda::Function", map(&old), map(&new)) else {
        panic!("an update in place");
    };
    differing.sort();
    assert_eq!(differing, names);
    let context = context(&world, "F", "AWS::Lambda::Function");
    provider.update(&context, &made.physical_id, map(&old), map(&new)).await.unwrap();
    let latest = world.lambda.registry.function(&Scope::default(), &made.physical_id).unwrap().latest.clone();
    assert_eq!((latest.memory_mb, latest.logging.format.as_str()), (128, "Text"));
    assert!(latest.vpc.as_ref().is_some_and(|vpc| vpc.subnet_ids.is_empty()));
}

#[tokio::test]
async fn a_creation_is_repeatable_but_takes_nobody_else_s_function() {
    let world = World::new().await;
    let mut named = function();
    named["FunctionName"] = "f".into();
    create(&world, "F", "AWS::Lambda::Function", &named).await.unwrap();
    assert_eq!(create(&world, "F", "AWS::Lambda::Function", &named).await.unwrap().reference, "f");
    let taken = create(&world, "Other", "AWS::Lambda::Function", &named).await.unwrap_err();
    assert_eq!((taken.code, taken.message.as_str()), ("AlreadyExists", "Function already exist: f"));
}

#[tokio::test]
async fn an_unknown_property_is_named() {
    let world = World::new().await;
    let mut properties = function();
    properties["Nonsense"] = 1.into();
    let refused = create(&world, "F", "AWS::Lambda::Function", &properties).await.unwrap_err();
    assert_eq!(refused.property.as_deref(), Some("Nonsense"));
}
