//! The admin API: `/_kobel/health`, `time`, `events`, `api`, `logs`, `stacks`, `resource-types`, `code`, `metrics`,
//! `deliveries`.

use std::sync::Arc;
use std::time::Duration;

use base::{Region, Scope, Trace};
use cloudformation::CloudFormation;
use fabric::{Event, Fabric};
use front::{Admin, AdminRequest, AdminResponse, Lines};
use http::{Method, StatusCode};
use lambda::Lambda;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use wire::{Caller, Services};

/// How many events one answer holds at most.
const EVENTS_MAX: usize = 10_000;

/// All routes, each with what it needs.
pub fn routes(
    fabric: &Fabric,
    services: &Arc<Services>,
    lambda: &Arc<Lambda>,
    cloudformation: &Arc<CloudFormation>,
) -> Admin {
    let admin =
        Admin::default().on(Method::GET, "health", |_| async { AdminResponse::json(&json!({"status": "ready"})) });
    let admin = time(admin, fabric);
    let admin = events(admin, fabric);
    let admin = api(admin, fabric, services);
    let admin = follow(admin, lambda, cloudformation);
    state(admin, fabric, lambda)
}

fn time(admin: Admin, fabric: &Fabric) -> Admin {
    let (shown, moved) = (fabric.clock.clone(), fabric.clock.clone());
    admin
        .on(Method::GET, "time", move |_| {
            let clock = shown.clone();
            async move { AdminResponse::json(&time_json(&clock)) }
        })
        .on(Method::POST, "time", move |request| {
            let clock = moved.clone();
            async move {
                if clock.mode() == clock::Mode::Real {
                    let message = "Time is real here and cannot be moved; start Kobel with --time virtual.";
                    return AdminResponse::error(StatusCode::CONFLICT, message);
                }
                let by = request.body["advance_ms"].as_u64();
                match (by, request.body["jump"].as_bool()) {
                    (Some(ms), _) => drop(clock.advance(Duration::from_millis(ms))),
                    (None, Some(true)) => drop(clock.jump()),
                    _ => {
                        let message = "Give {\"advance_ms\": NUMBER} or {\"jump\": true}.";
                        return AdminResponse::error(StatusCode::BAD_REQUEST, message);
                    }
                }
                AdminResponse::json(&time_json(&clock))
            }
        })
}

fn time_json(clock: &clock::Clock) -> Value {
    let status = clock.status();
    json!({
        "mode": status.mode.to_string(),
        "now": status.now.iso8601(),
        "next": status.next.map(base::Timestamp::iso8601),
        "busy": status.busy,
    })
}

/// The journal: the newest events, those of a trace, or all as they come.
fn events(admin: Admin, fabric: &Fabric) -> Admin {
    let fabric = fabric.clone();
    admin.on(Method::GET, "events", move |request| {
        let fabric = fabric.clone();
        async move {
            if request.query.contains_key("follow") {
                let events = fabric.journal.follow();
                return lines(events, |event: &Arc<Event>| event.to_json());
            }
            let found = tokio::task::spawn_blocking(move || find_events(&fabric, &request)).await;
            match found.unwrap_or_else(|panic| Err(panic.to_string())) {
                Ok(events) => AdminResponse::json(&json!({ "events": events })),
                Err(message) => AdminResponse::error(StatusCode::NOT_FOUND, message),
            }
        }
    })
}

fn find_events(fabric: &Fabric, request: &AdminRequest) -> Result<Vec<Value>, String> {
    let journal = &fabric.journal;
    let shown = |events: Vec<Arc<Event>>| events.iter().map(|event| event.to_json()).collect();
    let Some(id) = request.query.get("root") else {
        let count = request.query.get("count").and_then(|count| count.parse().ok()).unwrap_or(200).min(EVENTS_MAX);
        return Ok(shown(journal.newest(count, |_| true)));
    };
    let trace = Trace::parse(&format!("Root={id}"));
    let root = match trace {
        Some(trace) => Some(trace.root),
        None if id == "latest" => journal.newest(1, |_| true).first().map(|event| event.root),
        // A request id stands in the detail of its call's event, or is that of an invocation or delivery.
        None => journal.newest(1, |event| event.detail.contains(id.as_str())).first().map(|event| event.root),
    };
    let root = root.ok_or_else(|| format!("The journal has no trace or request `{id}`."))?;
    let events = journal.trace(root, EVENTS_MAX);
    if events.is_empty() { Err(format!("The journal has no trace `{id}`.")) } else { Ok(shown(events)) }
}

/// Any operation of any service, with input and output as JSON by the model's names.
fn api(admin: Admin, fabric: &Fabric, services: &Arc<Services>) -> Admin {
    let (fabric, services) = (fabric.clone(), services.clone());
    admin.on(Method::POST, "api", move |request| {
        let (fabric, services) = (fabric.clone(), services.clone());
        async move {
            let Some((service, operation)) = request.rest.split_once('/') else {
                return AdminResponse::error(StatusCode::BAD_REQUEST, "Name a service and an operation.");
            };
            let region = request.query.get("region").and_then(|name| Region::parse(name)).unwrap_or_default();
            let scope = Scope { region, ..Scope::default() };
            let trace = fabric.begin_trace();
            let mut call = fabric.call_from("kobel", scope, trace);
            call.caller =
                Caller { principal: format!("arn:aws:iam::{}:root", call.scope.account), ..Caller::default() };
            call.origin = request.origin;
            let input = if request.body.is_null() { json!({}) } else { request.body };
            match services.invoke_json(service, operation, call, input).await {
                Ok(output) => AdminResponse::json(&output),
                Err(error) => AdminResponse::from_error(&error),
            }
        }
    })
}

/// Log lines of functions and events of stacks as they come.
fn follow(admin: Admin, lambda: &Arc<Lambda>, cloudformation: &Arc<CloudFormation>) -> Admin {
    let (lambda, cloudformation) = (lambda.clone(), cloudformation.clone());
    admin
        .on(Method::GET, "logs", move |_| {
            let logs = lambda.invoker().logs().clone();
            async move {
                let followed = logs.follow();
                // What came before the first line followed can be read from the log once this is answered.
                logs.flush().await;
                lines(followed, |line| {
                    json!({
                        "function": line.function,
                        "version": line.version,
                        "group": line.log_group,
                        "stream": line.log_stream,
                        "at": line.at.iso8601(),
                        "request_id": line.request_id,
                        "platform": line.platform,
                        "message": line.message,
                    })
                })
            }
        })
        .on(Method::GET, "stacks", move |_| {
            let followed = cloudformation.follow();
            async move {
                lines(followed, |event| {
                    json!({
                        "StackName": event.stack_name,
                        "StackId": event.stack_id,
                        "LogicalResourceId": event.logical_id,
                        "PhysicalResourceId": event.physical_id,
                        "ResourceType": event.resource_type,
                        "ResourceStatus": event.status,
                        "ResourceStatusReason": event.reason,
                        "Timestamp": event.at.iso8601(),
                    })
                })
            }
        })
}

fn state(admin: Admin, fabric: &Fabric, lambda: &Arc<Lambda>) -> Admin {
    let (measured, waiting, lambda) = (fabric.clone(), fabric.clone(), lambda.clone());
    let plugs = fabric.plugs.clone();
    admin
        .on(Method::GET, "resource-types", move |_| {
            let types = plugs.resource_types();
            async move { AdminResponse::json(&json!({ "types": types })) }
        })
        .on(Method::GET, "metrics", move |_| {
            let samples: Vec<Value> = measured.metrics.samples().iter().map(sample_json).collect();
            async move { AdminResponse::json(&json!({ "metrics": samples })) }
        })
        .on(Method::GET, "deliveries", move |_| {
            let pending = waiting.deliveries.pending().into_iter();
            let pending: Vec<Value> = pending
                .map(|(target, waiting, running)| json!({"target": target, "waiting": waiting, "running": running}))
                .collect();
            async move { AdminResponse::json(&json!({ "deliveries": pending })) }
        })
        .on(Method::GET, "code", move |request| {
            let lambda = lambda.clone();
            async move {
                match lambda.code(&request.rest).await {
                    Ok(zip) => AdminResponse::bytes("application/zip", zip),
                    Err(error) => AdminResponse::from_error(&error),
                }
            }
        })
}

fn sample_json(sample: &fabric::Sample) -> Value {
    let dimensions: serde_json::Map<String, Value> =
        sample.dimensions.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    json!({
        "minute": sample.minute.iso8601(),
        "namespace": sample.namespace,
        "name": sample.name,
        "dimensions": dimensions,
        "unit": format!("{:?}", sample.unit),
        "count": sample.count,
        "sum": sample.sum,
        "min": sample.min,
        "max": sample.max,
    })
}

/// Sends what is broadcast until nobody reads any more.
fn lines<T: Clone + Send + 'static>(
    mut followed: broadcast::Receiver<T>,
    show: impl Fn(&T) -> Value + Send + Sync + 'static,
) -> AdminResponse {
    let (lines, response) = AdminResponse::lines();
    tokio::spawn(async move {
        while let Some(line) = next(&mut followed, &lines, &show).await {
            if !lines.send(&line).await {
                return;
            }
        }
    });
    response
}

async fn next<T: Clone>(
    followed: &mut broadcast::Receiver<T>,
    lines: &Lines,
    show: &impl Fn(&T) -> Value,
) -> Option<Value> {
    let received = tokio::select! {
        received = followed.recv() => received,
        () = lines.closed() => return None,
    };
    match received {
        Ok(value) => Some(show(&value)),
        Err(RecvError::Lagged(missed)) => Some(json!({ "missed": missed })),
        Err(RecvError::Closed) => None,
    }
}
