//! `CloudWatchLogs`: a subscription filter of a log group.

use serde_json::json;

use crate::events::{Event, Target};
use crate::properties::{Kind, Property, required};
use crate::resource::Generated;
use crate::transform::Scope;

/// The properties of the event type.
pub const PROPERTIES: [Property; 2] = [required("LogGroupName", Kind::String), required("FilterPattern", Kind::String)];

/// The permission and the subscription filter, which waits for it.
pub fn generate(event: &Event, target: &Target, scope: &Scope<'_>) -> Vec<Generated> {
    let mut permission = event.permission("logs.amazonaws.com", target);
    let arn =
        format!("arn:{}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{__LogGroupName__}}:*", scope.partition);
    permission.set("SourceArn", json!({"Fn::Sub": [arn, {"__LogGroupName__": event.get("LogGroupName")}]}));
    let mut filter = event.resource("", "AWS::Logs::SubscriptionFilter", target);
    filter.depends_on = Some(json!([permission.logical_id]));
    filter.take(&event.properties, &["LogGroupName", "FilterPattern"]);
    filter.set("DestinationArn", target.arn.clone());
    vec![permission, filter]
}
