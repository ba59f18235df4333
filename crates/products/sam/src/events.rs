//! The `Events` of a function: one file per kind of event source.

mod cloud_watch_logs;
mod dead_letter_queue;
mod mapping;
mod rule;
mod s3;
mod schedule;
mod schedule_v2;
mod sns;

use serde_json::{Map, Value};

use crate::error::{TransformError, event};
use crate::properties::{self, Property};
use crate::resource::{Generated, SamResource, passed_on};
use crate::role::Role;
use crate::transform::Scope;
use crate::value::{Properties, attribute, reference};

/// An event of a function.
pub struct Event {
    /// The function's logical id.
    pub function_id: String,
    /// The event's name within the function.
    pub name: String,
    /// `<function><event>`: what is made for the event begins with it.
    pub logical_id: String,
    /// Its properties, checked against its type's table.
    pub properties: Properties,
    source: Source,
}

/// The event types that are transformed.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    S3,
    Sns,
    Schedule,
    ScheduleV2,
    Rule,
    CloudWatchLogs,
    Mapping(&'static mapping::Kind),
}

/// Event types of SAM that are refused rather than dropped.
const UNSUPPORTED: [&str; 9] =
    ["AlexaSkill", "Api", "Cognito", "DocumentDB", "HttpApi", "IoTRule", "MQ", "MSK", "SelfManagedKafka"];

/// What events invoke: the function, or its alias when it has one.
pub struct Target {
    /// Its name or, for an alias, its ARN.
    pub name: Value,
    /// Its ARN.
    pub arn: Value,
    /// The attributes for what is made for the events.
    pub attributes: Properties,
}

impl Target {
    /// The alias when there is one, else the function.
    pub fn of(function: &Generated, alias: Option<&Generated>) -> Target {
        match alias {
            Some(alias) => {
                let arn = reference(&alias.logical_id);
                Target { name: arn.clone(), arn, attributes: passed_on(&alias.attributes) }
            }
            None => Target {
                name: reference(&function.logical_id),
                arn: attribute(&function.logical_id, "Arn"),
                attributes: passed_on(&function.attributes),
            },
        }
    }

    /// The condition under which it exists.
    pub fn condition(&self) -> Option<&str> {
        self.attributes.get("Condition").and_then(Value::as_str)
    }
}

/// What a function's events become.
#[derive(Default)]
pub struct FromEvents {
    /// New resources.
    pub resources: Vec<Generated>,
    /// Logical ids of the buckets that were changed.
    pub buckets: Vec<String>,
}

impl Event {
    /// A property, when it is there and not null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.properties.get(name).filter(|value| !value.is_null())
    }

    /// A property, when it is there and Python would take it for true.
    pub fn truthy(&self, name: &str) -> Option<&Value> {
        crate::value::truthy(self.properties.get(name))
    }

    /// A fault of this event.
    pub fn error(&self, sentence: impl AsRef<str>) -> TransformError {
        event(&self.function_id, &self.name, sentence)
    }

    /// A fault of this event, called by its logical id.
    pub fn error_by_id(&self, sentence: impl AsRef<str>) -> TransformError {
        event(&self.function_id, &self.logical_id, sentence)
    }

    /// A resource for this event, without properties.
    pub fn resource(&self, suffix: &str, resource_type: &'static str, target: &Target) -> Generated {
        Generated::new(format!("{}{suffix}", self.logical_id), resource_type, target.attributes.clone())
    }

    /// The permission for a service to invoke the target.
    pub fn permission(&self, principal: &str, target: &Target) -> Generated {
        let mut permission = self.resource("Permission", "AWS::Lambda::Permission", target);
        permission.set("Action", "lambda:InvokeFunction");
        permission.set("FunctionName", target.name.clone());
        permission.set("Principal", principal);
        permission
    }
}

/// Reads a function's events in the order in which they are transformed.
///
/// # Errors
/// An event's type is unknown or its properties are invalid.
pub fn read(function: &SamResource, resources: &Map<String, Value>) -> Result<Vec<Event>, TransformError> {
    let mut events = Vec::new();
    for (name, source) in function.get("Events").and_then(Value::as_object).into_iter().flatten() {
        let event = read_one(function, name, source)?;
        if event.source == Source::S3 {
            s3::bucket_id(&event, resources)?;
        }
        events.push(event);
    }
    events.sort_by_key(|event| match event.get("Path").and_then(Value::as_str) {
        Some(path) => path.to_owned(),
        None => event.name.clone(),
    });
    Ok(events)
}

fn read_one(function: &SamResource, name: &str, source: &Value) -> Result<Event, TransformError> {
    let fault = |sentence: String| event(&function.logical_id, name, sentence);
    let event_type = source.get("Type").and_then(Value::as_str).unwrap_or_default();
    if UNSUPPORTED.contains(&event_type) {
        return Err(fault(format!("The event type {event_type} is not supported by Kobel.")));
    }
    let (kind, table) = lookup(event_type).ok_or_else(|| {
        let shown = crate::value::shown(source.get("Type"));
        fault(format!("Resource dict has missing or invalid value for key Type. Event Type is: {shown}."))
    })?;
    let logical_id = format!("{}{name}", function.logical_id);
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(TransformError::resource(&logical_id, "Logical ids must be alphanumeric."));
    }
    let properties = match source.get("Properties") {
        None => Properties::new(),
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) => {
            return Err(TransformError::resource(&logical_id, "Properties of a resource must be an object."));
        }
    };
    properties::check(&logical_id, event_type, table.into_iter(), &properties).map_err(|mut error| {
        error.logical_id = Some(function.logical_id.clone());
        error
    })?;
    let name = name.to_owned();
    Ok(Event { function_id: function.logical_id.clone(), name, logical_id, properties, source: kind })
}

/// An event type and the table of its properties.
fn lookup(event_type: &str) -> Option<(Source, Vec<&'static Property>)> {
    let (source, table): (Source, &'static [Property]) = match event_type {
        "S3" => (Source::S3, &s3::PROPERTIES),
        "SNS" => (Source::Sns, &sns::PROPERTIES),
        "Schedule" => (Source::Schedule, &schedule::PROPERTIES),
        "ScheduleV2" => (Source::ScheduleV2, &schedule_v2::PROPERTIES),
        "EventBridgeRule" | "CloudWatchEvent" => (Source::Rule, &rule::PROPERTIES),
        "CloudWatchLogs" => (Source::CloudWatchLogs, &cloud_watch_logs::PROPERTIES),
        _ => {
            let kind = mapping::KINDS.iter().find(|kind| kind.event_type == event_type)?;
            return Some((Source::Mapping(kind), mapping::table(kind)));
        }
    };
    Some((source, table.iter().collect()))
}

/// Makes what the events need.
///
/// # Errors
/// The first event that is invalid.
pub fn generate(
    events: Vec<Event>,
    target: &Target,
    role: &mut Role,
    scope: &mut Scope<'_>,
) -> Result<FromEvents, TransformError> {
    let mut out = FromEvents::default();
    for event in events {
        let made = match event.source {
            Source::S3 => {
                let (permission, bucket) = s3::generate(&event, target, scope)?;
                out.buckets.push(bucket);
                vec![permission]
            }
            Source::Sns => sns::generate(&event, target, role, scope)?,
            Source::Schedule => schedule::generate(&event, target)?,
            Source::ScheduleV2 => schedule_v2::generate(&event, target)?,
            Source::Rule => rule::generate(&event, target)?,
            Source::CloudWatchLogs => cloud_watch_logs::generate(&event, target, scope),
            Source::Mapping(kind) => vec![mapping::generate(kind, &event, target, role, scope)?],
        };
        out.resources.extend(made);
    }
    Ok(out)
}
