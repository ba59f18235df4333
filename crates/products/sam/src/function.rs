//! `AWS::Serverless::Function`: a function, its role, its versions, URL, asynchronous configuration and events.

mod code;
mod configuration;
mod event_invoke_config;
mod execution_role;
mod url;
mod version;

use serde_json::Value;

use crate::error::{TransformError, unsupported};
use crate::events;
use crate::properties::{Kind, Property, literal, optional, passed};
use crate::resource::{Generated, SamResource};
use crate::tags;
use crate::transform::Scope;

/// What `!Ref Fn.Alias` and its like name, by the type of the resource that was made.
pub const REFERABLE: [(&str, &str); 4] = [
    ("Alias", "AWS::Lambda::Alias"),
    ("Version", "AWS::Lambda::Version"),
    ("DestinationTopic", "AWS::SNS::Topic"),
    ("DestinationQueue", "AWS::SQS::Queue"),
];

/// The properties of the type.
pub const PROPERTIES: [Property; 49] = [
    optional("FunctionName", Kind::StringOrMap),
    passed("Handler", false),
    passed("Runtime", false),
    passed("CodeUri", false),
    passed("ImageUri", false),
    passed("PackageType", false),
    passed("InlineCode", false),
    optional("DeadLetterQueue", Kind::Map),
    passed("Description", false),
    passed("MemorySize", false),
    passed("Timeout", false),
    passed("VpcConfig", false),
    optional("Role", Kind::String),
    optional("AssumeRolePolicyDocument", Kind::Map),
    optional("Policies", Kind::Policies),
    passed("RolePath", false),
    optional("PermissionsBoundary", Kind::String),
    optional("Environment", Kind::MapOfMaps),
    optional("Events", Kind::MapOfMaps),
    optional("Tags", Kind::Map),
    optional("PropagateTags", Kind::Boolean),
    optional("Tracing", Kind::StringOrMap),
    passed("KmsKeyArn", false),
    optional("DeploymentPreference", Kind::Map),
    passed("ReservedConcurrentExecutions", false),
    optional("Layers", Kind::ListOfStringOrMap),
    optional("EventInvokeConfig", Kind::Map),
    passed("EphemeralStorage", false),
    optional("AutoPublishAlias", Kind::String),
    optional("AutoPublishCodeSha256", Kind::String),
    literal("AutoPublishAliasAllProperties", Kind::Boolean),
    passed("VersionDescription", false),
    passed("ProvisionedConcurrencyConfig", false),
    passed("FileSystemConfigs", false),
    passed("ImageConfig", false),
    passed("CodeSigningConfigArn", false),
    passed("Architectures", false),
    optional("SnapStart", Kind::Map),
    optional("FunctionUrlConfig", Kind::Map),
    passed("RuntimeManagementConfig", false),
    passed("LoggingConfig", false),
    passed("RecursiveLoop", false),
    passed("SourceKMSKeyArn", false),
    optional("CapacityProviderConfig", Kind::Map),
    optional("FunctionScalingConfig", Kind::Map),
    optional("VersionDeletionPolicy", Kind::String),
    passed("PublishToLatestPublished", false),
    passed("TenancyConfig", false),
    optional("DurableConfig", Kind::Map),
];

/// Properties of SAM that Kobel refuses rather than drop.
const UNSUPPORTED: [&str; 3] = ["DeploymentPreference", "CapacityProviderConfig", "DurableConfig"];

/// Types among the generated ones that carry tags.
const TAGGED: [&str; 4] = ["AWS::Lambda::Function", "AWS::IAM::Role", "AWS::SQS::Queue", "AWS::SNS::Topic"];

/// Everything that a function becomes.
///
/// # Errors
/// The first fault of the function or of one of its events.
pub fn generate(source: &SamResource, scope: &mut Scope<'_>) -> Result<Vec<Generated>, TransformError> {
    let events = events::read(source, scope.resources)?;
    check(source)?;
    let mut function = configuration::generate(source, scope)?;
    if source.truthy("ProvisionedConcurrencyConfig").is_some() && source.truthy("AutoPublishAlias").is_none() {
        return Err(
            source.error("To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function")
        );
    }
    let published = match source.truthy("AutoPublishAlias") {
        Some(alias) => Some(version::publish(source, alias, &mut function, scope)?),
        None => None,
    };
    let alias = published.as_ref().map(|published| &published.alias);
    let target = events::Target::of(&function, alias);
    let mut made = url::generate(source, &target)?;
    let invocation = event_invoke_config::generate(source, published.as_ref(), scope)?;
    let mut role = execution_role::generate(source, invocation.policies, scope)?;
    let from_events = events::generate(events, &target, &mut role, scope)?;
    let role = execution_role::attach(source, role.finish(), &mut function, scope)?;

    let mut resources = vec![function];
    if let Some(published) = published {
        resources.extend([published.version, published.alias]);
    }
    resources.append(&mut made);
    resources.extend(invocation.resources);
    resources.extend(role);
    resources.extend(from_events.resources);
    propagate_tags(source, &mut resources, &from_events.buckets, scope);
    Ok(resources)
}

fn check(source: &SamResource) -> Result<(), TransformError> {
    if let Some(name) = UNSUPPORTED.iter().find(|name| source.truthy(name).is_some()) {
        return Err(unsupported(&source.logical_id, &format!("The property '{name}'")));
    }
    let mut sentences = Vec::new();
    for (property, needed) in
        [("FunctionScalingConfig", "CapacityProviderConfig"), ("VersionDeletionPolicy", "AutoPublishAlias")]
    {
        if source.get(property).is_some() && source.get(needed).is_none() {
            sentences.push(format!("'{property}' requires '{needed}'."));
        }
    }
    match sentences.is_empty() {
        true => check_dead_letter_queue(source),
        false => Err(source.error(sentences.join("\n"))),
    }
}

fn check_dead_letter_queue(source: &SamResource) -> Result<(), TransformError> {
    let Some(queue) = source.truthy("DeadLetterQueue") else { return Ok(()) };
    let part = |name: &str| crate::value::truthy(queue.get(name));
    match (part("Type"), part("TargetArn")) {
        (Some(Value::String(kind)), Some(_)) if kind == "SQS" || kind == "SNS" => Ok(()),
        (Some(Value::String(_)), Some(_)) => Err(source.error("'DeadLetterQueue' requires Type of ['SQS', 'SNS']")),
        (Some(_), Some(_)) => Err(source.error("Property 'DeadLetterQueue.Type' should be a string.")),
        _ => Err(source.error("'DeadLetterQueue' requires Type and TargetArn properties to be specified.")),
    }
}

/// With `PropagateTags` all that was made for the function has the function's tags, and only those.
fn propagate_tags(source: &SamResource, resources: &mut [Generated], buckets: &[String], scope: &mut Scope<'_>) {
    let (Some(_), Some(Value::Object(own))) = (source.truthy("PropagateTags"), source.truthy("Tags")) else {
        return;
    };
    let list = Value::Array(tags::list(Some(own)));
    for resource in resources.iter_mut().filter(|resource| TAGGED.contains(&resource.resource_type)) {
        resource.set("Tags", list.clone());
    }
    for bucket in buckets {
        scope.resources[bucket.as_str()]["Properties"]["Tags"] = list.clone();
    }
}
