use std::collections::BTreeMap;

use fabric::{ProviderError, Resource, ResourceContext};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bucket::{AccessBlock, Bucket, Encryption};
use crate::notification::{Kind, Rule, test_event};
use crate::operations::{check_rules, create_bucket_named, delete_bucket_named};
use crate::service::S3;

/// The properties of `AWS::S3::Bucket` that Kobel honours; any other is refused.
#[derive(Debug, Default)]
pub(super) struct Properties {
    name: Option<String>,
    rules: Vec<Rule>,
    tags: BTreeMap<String, String>,
    access_block: Option<AccessBlock>,
    encryption: Option<Encryption>,
    ownership: Option<String>,
}

impl Properties {
    pub(super) fn read(properties: &Map<String, Value>) -> Result<Properties, ProviderError> {
        let mut read = Properties { access_block: AccessBlock::all(), ..Properties::default() };
        for (name, value) in properties {
            match name.as_str() {
                "BucketName" => read.name = Some(parse(name, value)?),
                "NotificationConfiguration" => read.rules = rules(parse(name, value)?)?,
                "Tags" => read.tags = parse::<Vec<Tag>>(name, value)?.into_iter().map(|t| (t.key, t.value)).collect(),
                "PublicAccessBlockConfiguration" => read.access_block = Some(parse::<Block>(name, value)?.into()),
                "BucketEncryption" => read.encryption = encryption(parse(name, value)?),
                "OwnershipControls" => {
                    let controls: Ownership = parse(name, value)?;
                    read.ownership = controls.rules.into_iter().next().map(|rule| rule.object_ownership);
                }
                "AccessControl" if value == "Private" || value == "BucketOwnerFullControl" => {}
                "VersioningConfiguration" if value.get("Status") == Some(&Value::from("Suspended")) => {}
                "VersioningConfiguration" => {
                    return Err(ProviderError::invalid(name, "Kobel does not implement versioning of buckets"));
                }
                _ => return Err(ProviderError::not_implemented(super::BUCKET, name)),
            }
        }
        Ok(read)
    }
}

pub(super) async fn create(
    s3: &S3,
    context: &ResourceContext,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let read = Properties::read(properties)?;
    let given = read.name.is_some();
    let name = read.name.clone().unwrap_or_else(|| context.generated_name(63).to_ascii_lowercase());
    let bucket = Bucket::new(&name, &context.scope, s3.fabric.now());
    let existed = create_bucket_named(s3, bucket).await?;
    if existed && given && !is_own(s3, &name, context).await? {
        return Err(ProviderError { code: "AlreadyExists", message: format!("{name} already exists"), property: None });
    }
    match configure(s3, context, &name, properties).await {
        Ok(resource) => Ok(resource),
        Err(error) => {
            if !existed {
                delete_bucket_named(s3, &name).await?;
            }
            Err(error)
        }
    }
}

/// Whether this very resource made the bucket, before a crash.
async fn is_own(s3: &S3, name: &str, context: &ResourceContext) -> Result<bool, ProviderError> {
    let bucket = s3.buckets.read(|buckets| buckets.get(name).cloned()).await.map_err(crate::error::internal)?;
    let tag = |key: &str| bucket.as_ref().and_then(|bucket| bucket.tags.get(key).cloned());
    Ok(tag(STACK_TAG).as_deref() == Some(context.stack_id.as_str())
        && tag(LOGICAL_TAG).as_deref() == Some(context.logical_id.as_str()))
}

const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

/// Gives the bucket the configuration that the properties describe.
pub(super) async fn configure(
    s3: &S3,
    context: &ResourceContext,
    name: &str,
    properties: &Map<String, Value>,
) -> Result<Resource, ProviderError> {
    let Properties { rules, mut tags, access_block, encryption, ownership, .. } = Properties::read(properties)?;
    let bucket = s3.buckets.read(|buckets| buckets.get(name).cloned()).await.map_err(crate::error::internal)?;
    let bucket = bucket.ok_or_else(|| crate::error::no_such_bucket(name))?;
    let rules: Vec<Rule> = rules
        .into_iter()
        .enumerate()
        // An id that stays the same from deployment to deployment.
        .map(|(at, rule)| Rule { id: format!("{}-{at}", context.logical_id), ..rule })
        .collect();
    check_rules(s3, &bucket, &rules, false).await?;
    tags.extend(context.tags.iter().cloned());
    tags.insert("aws:cloudformation:stack-name".into(), context.stack_name.clone());
    tags.insert(STACK_TAG.into(), context.stack_id.clone());
    tags.insert(LOGICAL_TAG.into(), context.logical_id.clone());
    let fresh = rules.iter().filter(|rule| rule.kind != Kind::Function && !bucket.notification.contains(rule));
    let tests = fresh.map(|rule| test_event(&s3.fabric, &bucket, rule, &context.suffix, &context.trace)).collect();
    let changed = s3.change_bucket(name, |bucket| {
        bucket.notification = rules;
        bucket.tags = tags;
        bucket.access_block = access_block;
        bucket.encryption = encryption;
        bucket.ownership = ownership.or(Some("BucketOwnerEnforced".into()));
    });
    changed.await?;
    s3.fabric.deliveries.accept(tests).await.map_err(crate::error::internal)?;
    Ok(resource(&bucket))
}

pub(super) async fn delete(s3: &S3, name: &str) -> Result<(), ProviderError> {
    let exists = s3.buckets.read(|buckets| buckets.get(name).is_some()).await.map_err(crate::error::internal)?;
    if exists { Ok(delete_bucket_named(s3, name).await?) } else { Ok(()) }
}

fn resource(bucket: &Bucket) -> Resource {
    let Bucket { name, region, .. } = bucket;
    Resource::new(name)
        .with("Arn", bucket.arn())
        .with("DomainName", format!("{name}.s3.amazonaws.com"))
        .with("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com"))
        .with("DualStackDomainName", format!("{name}.s3.dualstack.{region}.amazonaws.com"))
        .with("WebsiteURL", format!("http://{name}.s3-website-{region}.amazonaws.com"))
}

fn parse<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, ProviderError> {
    let wrong = |error| ProviderError::invalid(name, format!("Property {name} is not valid: {error}"));
    serde_json::from_value(value.clone()).map_err(wrong)
}

fn encryption(configuration: EncryptionConfiguration) -> Option<Encryption> {
    let rule = configuration.server_side_encryption_configuration.into_iter().next()?;
    let by_default = rule.server_side_encryption_by_default?;
    Some(Encryption {
        algorithm: by_default.sse_algorithm,
        key: by_default.kms_master_key_id,
        bucket_key: rule.bucket_key_enabled,
    })
}

fn rules(configuration: Notification) -> Result<Vec<Rule>, ProviderError> {
    if configuration.event_bridge.is_some() {
        let message = "Kobel does not implement notifications to EventBridge";
        return Err(ProviderError::invalid("NotificationConfiguration", message));
    }
    let of = |kind: Kind, entries: Vec<Entry>| entries.into_iter().map(move |entry| entry.rule(kind));
    of(Kind::Function, configuration.lambda)
        .chain(of(Kind::Queue, configuration.queue))
        .chain(of(Kind::Topic, configuration.topic))
        .collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    #[serde(default, rename = "LambdaConfigurations")]
    lambda: Vec<Entry>,
    #[serde(default, rename = "QueueConfigurations")]
    queue: Vec<Entry>,
    #[serde(default, rename = "TopicConfigurations")]
    topic: Vec<Entry>,
    #[serde(default, rename = "EventBridgeConfiguration")]
    event_bridge: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Entry {
    event: String,
    #[serde(alias = "Queue", alias = "Topic")]
    function: String,
    #[serde(default)]
    filter: Option<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(rename = "S3Key")]
    key: KeyFilter,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct KeyFilter {
    rules: Vec<NameValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct NameValue {
    name: String,
    value: String,
}

impl Entry {
    fn rule(self, kind: Kind) -> Result<Rule, ProviderError> {
        let events = vec![self.event];
        let mut rule = Rule { id: String::new(), kind, target: self.function, events, prefix: None, suffix: None };
        for NameValue { name, value } in self.filter.map(|filter| filter.key.rules).unwrap_or_default() {
            match name.to_ascii_lowercase().as_str() {
                "prefix" => rule.prefix = Some(value),
                "suffix" => rule.suffix = Some(value),
                _ => {
                    let message = "filter rule name must be either prefix or suffix";
                    return Err(ProviderError::invalid("NotificationConfiguration", message));
                }
            }
        }
        Ok(rule)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
#[derive(Default)]
struct Block {
    block_public_acls: bool,
    ignore_public_acls: bool,
    block_public_policy: bool,
    restrict_public_buckets: bool,
}

impl From<Block> for AccessBlock {
    fn from(block: Block) -> AccessBlock {
        AccessBlock {
            block_public_acls: block.block_public_acls,
            ignore_public_acls: block.ignore_public_acls,
            block_public_policy: block.block_public_policy,
            restrict_public_buckets: block.restrict_public_buckets,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct EncryptionConfiguration {
    server_side_encryption_configuration: Vec<EncryptionRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct EncryptionRule {
    #[serde(default)]
    server_side_encryption_by_default: Option<EncryptionDefault>,
    #[serde(default)]
    bucket_key_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncryptionDefault {
    #[serde(rename = "SSEAlgorithm")]
    sse_algorithm: String,
    #[serde(default, rename = "KMSMasterKeyID")]
    kms_master_key_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Ownership {
    rules: Vec<OwnershipRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct OwnershipRule {
    object_ownership: String,
}
