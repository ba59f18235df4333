//! Event sources that Lambda polls: each becomes an `AWS::Lambda::EventSourceMapping`.

use serde_json::{Value, json};

use crate::arn;
use crate::error::TransformError;
use crate::events::{Event, Target};
use crate::iam;
use crate::properties::{Kind as Is, Property, optional, passed};
use crate::resource::Generated;
use crate::role::Role;
use crate::transform::Scope;
use crate::value::is_function;

/// An event type that becomes a mapping.
#[derive(PartialEq)]
pub struct Kind {
    /// The event type's name.
    pub event_type: &'static str,
    /// The property that names the source.
    source: &'static str,
    /// The managed policy that the function's role needs.
    policy: &'static str,
    /// Whether `StartingPosition` is required.
    is_stream: bool,
}

/// The event types.
pub const KINDS: [Kind; 3] = [
    Kind {
        event_type: "SQS",
        source: "Queue",
        policy: "service-role/AWSLambdaSQSQueueExecutionRole",
        is_stream: false,
    },
    Kind {
        event_type: "Kinesis",
        source: "Stream",
        policy: "service-role/AWSLambdaKinesisExecutionRole",
        is_stream: true,
    },
    Kind {
        event_type: "DynamoDB",
        source: "Stream",
        policy: "service-role/AWSLambdaDynamoDBExecutionRole",
        is_stream: true,
    },
];

/// Properties that every mapping may have.
const COMMON: [Property; 25] = [
    optional("BatchSize", Is::Integer),
    passed("StartingPosition", false),
    passed("StartingPositionTimestamp", false),
    optional("Enabled", Is::Boolean),
    optional("MaximumBatchingWindowInSeconds", Is::Integer),
    optional("MaximumRetryAttempts", Is::Integer),
    optional("BisectBatchOnFunctionError", Is::Boolean),
    optional("MaximumRecordAgeInSeconds", Is::Integer),
    optional("DestinationConfig", Is::Map),
    optional("ParallelizationFactor", Is::Integer),
    optional("Topics", Is::List),
    optional("Queues", Is::List),
    optional("SourceAccessConfigurations", Is::List),
    optional("SecretsManagerKmsKeyId", Is::String),
    optional("TumblingWindowInSeconds", Is::Integer),
    optional("FunctionResponseTypes", Is::List),
    optional("KafkaBootstrapServers", Is::List),
    optional("FilterCriteria", Is::Map),
    passed("KmsKeyArn", false),
    optional("ConsumerGroupId", Is::String),
    optional("ScalingConfig", Is::Map),
    optional("ProvisionedPollerConfig", Is::Map),
    optional("SchemaRegistryConfig", Is::Map),
    optional("MetricsConfig", Is::Map),
    optional("LoggingConfig", Is::Map),
];
const QUEUE: [Property; 1] = [passed("Queue", true)];
const STREAM: [Property; 2] = [passed("Stream", true), passed("StartingPosition", true)];

/// Properties that the mapping has as the event has them.
const TAKEN: [&str; 20] = [
    "StartingPosition",
    "StartingPositionTimestamp",
    "BatchSize",
    "Enabled",
    "MaximumBatchingWindowInSeconds",
    "MaximumRetryAttempts",
    "BisectBatchOnFunctionError",
    "MaximumRecordAgeInSeconds",
    "ParallelizationFactor",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "TumblingWindowInSeconds",
    "FunctionResponseTypes",
    "FilterCriteria",
    "KmsKeyArn",
    "ScalingConfig",
    "ProvisionedPollerConfig",
    "MetricsConfig",
    "LoggingConfig",
];

/// The properties of an event type.
pub fn table(kind: &Kind) -> Vec<&'static Property> {
    let own: &'static [Property] = if kind.is_stream { &STREAM } else { &QUEUE };
    let is_own = |property: &&Property| own.iter().any(|other| other.name == property.name);
    COMMON.iter().filter(|property| !is_own(property)).chain(own).collect()
}

/// The mapping. The role gets what polling and the destination for failures need.
///
/// # Errors
/// The filter or the destination is malformed.
pub fn generate(
    kind: &Kind,
    event: &Event,
    target: &Target,
    role: &mut Role,
    scope: &Scope<'_>,
) -> Result<Generated, TransformError> {
    check_filter(event)?;
    if event.truthy("ConsumerGroupId").is_some() {
        let sentence = format!("Property ConsumerGroupId not defined for resource of type {}.", kind.event_type);
        return Err(event.error_by_id(sentence));
    }
    let mut mapping = event.resource("", "AWS::Lambda::EventSourceMapping", target);
    mapping.set("FunctionName", target.name.clone());
    mapping.set_some("EventSourceArn", event.get(kind.source));
    mapping.take(&event.properties, &TAKEN);
    if let Some(servers) = event.truthy("KafkaBootstrapServers") {
        mapping.set("SelfManagedEventSource", json!({"Endpoints": {"KafkaBootstrapServers": servers}}));
    }
    let on_failure = on_failure(event, &mut mapping)?;
    role.add_managed(json!(arn::managed_policy(scope.partition, kind.policy)));
    on_failure.into_iter().for_each(|policy| role.add_inline(policy));
    Ok(mapping)
}

/// The mapping from a queue that stands between a topic and the function.
pub fn of_queue(
    event: &Event,
    target: &Target,
    role: &mut Role,
    scope: &Scope<'_>,
    queue_arn: &Value,
    batch_size: &Value,
) -> Generated {
    let mut mapping = event.resource("EventSourceMapping", "AWS::Lambda::EventSourceMapping", target);
    mapping.set("FunctionName", target.name.clone());
    mapping.set("EventSourceArn", queue_arn.clone());
    mapping.set("BatchSize", batch_size.clone());
    mapping.set("Enabled", true);
    role.add_managed(json!(arn::managed_policy(scope.partition, KINDS[0].policy)));
    mapping
}

fn check_filter(event: &Event) -> Result<(), TransformError> {
    let Some(Value::Object(filter)) = event.truthy("FilterCriteria").filter(|filter| !is_function(filter)) else {
        return Ok(());
    };
    match filter.len() == 1 && filter.contains_key("Filters") {
        true => Ok(()),
        false => Err(event.error("FilterCriteria field has a wrong format")),
    }
}

/// Where failed batches go. `Type` only tells SAM which policy the role needs.
fn on_failure(event: &Event, mapping: &mut Generated) -> Result<Option<Value>, TransformError> {
    let Some(config) = event.truthy("DestinationConfig") else { return Ok(None) };
    let mut config = config.clone();
    let Some(Value::Object(destination)) = config.get_mut("OnFailure") else {
        return Err(event.error_by_id("Property 'DestinationConfig.OnFailure' should be a map."));
    };
    let destination_type = destination.get("Type").filter(|name| crate::value::is_truthy(name)).cloned();
    let arn = destination.get("Destination").cloned().unwrap_or_default();
    let policy = match destination_type {
        None => None,
        Some(name) => {
            destination.shift_remove("Type");
            let name = name.as_str().filter(|name| ["SQS", "SNS", "S3", "Kafka"].contains(name)).ok_or_else(|| {
                event.error_by_id("The only valid values for 'Type' are 'SQS', 'SNS', 'S3', and 'Kafka'")
            })?;
            iam::destination(name, &arn, &event.logical_id)
        }
    };
    mapping.set("DestinationConfig", config);
    Ok(policy)
}
