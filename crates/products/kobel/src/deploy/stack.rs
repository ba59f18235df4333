use bytes::Bytes;
use serde_json::{Value, json};
use template::limits::TEMPLATE_BODY_BYTES_MAX;

use super::{Deployment, Error};
use crate::client::LineReader;
use crate::print;

/// How a deployment ended.
#[derive(Debug)]
pub struct Outcome {
    /// False where the stack already was what the template says.
    pub changed: bool,
    /// Key, value and description.
    pub outputs: Vec<(String, String, String)>,
    /// Names of the stack's functions, by logical id.
    pub functions: Vec<(String, String)>,
}

/// Creates or updates the stack and prints what happens until it is done.
pub async fn bring_about(deployment: &Deployment, bucket: &str, template: &Value) -> Result<Outcome, Error> {
    let Deployment { client, stack_name, .. } = deployment;
    let named = json!({ "StackName": stack_name });
    let exists = match client.call("cloudformation", "DescribeStacks", named.clone()).await {
        Ok(described) => {
            let status = described["Stacks"][0]["StackStatus"].as_str().unwrap_or_default().to_owned();
            match status.as_str() {
                // What never came to be is made anew.
                "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => {
                    delete_named(&deployment.client, &deployment.stack_name).await?;
                    false
                }
                status => status != "REVIEW_IN_PROGRESS",
            }
        }
        Err(error) if error.is("ValidationError") => false,
        Err(error) => return Err(error.into()),
    };
    let input = input(deployment, bucket, template).await?;
    let mut events = client.lines("/_kobel/stacks").await?;
    let operation = if exists { "UpdateStack" } else { "CreateStack" };
    let changed = match client.call("cloudformation", operation, input).await {
        Ok(_) => follow(&mut events, stack_name).await?,
        Err(error) if error.to_string().contains("No updates are to be performed") => false,
        Err(error) => return Err(error.into()),
    };
    describe(deployment, changed).await
}

async fn input(deployment: &Deployment, bucket: &str, template: &Value) -> Result<Value, Error> {
    let parameters: Vec<Value> = deployment
        .parameters
        .iter()
        .map(|(key, value)| json!({ "ParameterKey": key, "ParameterValue": value }))
        .collect();
    let mut input = json!({
        "StackName": deployment.stack_name,
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    });
    let body = template.to_string();
    // A larger one goes through the bucket.
    if body.len() <= TEMPLATE_BODY_BYTES_MAX {
        input["TemplateBody"] = body.into();
    } else {
        let key = deployment.put_once(bucket, "template", Bytes::from(body)).await?;
        input["TemplateURL"] = format!("https://{bucket}.s3.amazonaws.com/{key}").into();
    }
    Ok(input)
}

/// Prints the stack's events until it has come to an end; an error if that is a bad one.
async fn follow(events: &mut LineReader, stack_name: &str) -> Result<bool, Error> {
    let mut reasons = Vec::new();
    while let Some(event) = events.next().await? {
        if event["StackName"] != stack_name {
            continue;
        }
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let (status, id, reason) = (text("ResourceStatus"), text("LogicalResourceId"), text("ResourceStatusReason"));
        let failed = status.ends_with("_FAILED");
        let shown = print::verdict(&format!("{status:<28}"), !failed && !status.contains("ROLLBACK"));
        print::line(&format!("  {shown} {id} {}", print::dim(reason)));
        if failed && !reason.is_empty() && !reason.contains("Resource creation cancelled") {
            reasons.push(format!("{id}: {reason}"));
        }
        let of_stack = event["ResourceType"] == "AWS::CloudFormation::Stack" && id == stack_name;
        let ended = of_stack && !status.ends_with("_IN_PROGRESS");
        if !ended {
            continue;
        }
        return match status {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE" => Ok(true),
            // The rollback follows.
            "CREATE_FAILED" | "UPDATE_FAILED" => continue,
            _ => {
                let why = if reasons.is_empty() { reason.to_owned() } else { reasons.join("; ") };
                Err(Error::Stack(format!("the stack {stack_name} ended as {status}: {why}")))
            }
        };
    }
    Err(Error::Stack(format!("Kobel stopped before the stack {stack_name} was done")))
}

/// Deletes the stack and waits until it is gone.
pub async fn delete_named(client: &crate::client::Client, stack_name: &str) -> Result<(), Error> {
    let named = json!({ "StackName": stack_name });
    client.call("cloudformation", "DescribeStacks", named.clone()).await?;
    let mut events = client.lines("/_kobel/stacks").await?;
    client.call("cloudformation", "DeleteStack", named).await?;
    follow(&mut events, stack_name).await.map(drop)
}

async fn describe(deployment: &Deployment, changed: bool) -> Result<Outcome, Error> {
    let named = json!({ "StackName": deployment.stack_name });
    let described = deployment.client.call("cloudformation", "DescribeStacks", named.clone()).await?;
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let outputs = described["Stacks"][0]["Outputs"].as_array().into_iter().flatten();
    let outputs =
        outputs.map(|output| (text(output, "OutputKey"), text(output, "OutputValue"), text(output, "Description")));
    let resources = deployment.client.call("cloudformation", "DescribeStackResources", named).await?;
    let resources = resources["StackResources"].as_array().into_iter().flatten();
    let functions = resources
        .filter(|resource| resource["ResourceType"] == "AWS::Lambda::Function")
        .map(|resource| (text(resource, "LogicalResourceId"), text(resource, "PhysicalResourceId")));
    Ok(Outcome { changed, outputs: outputs.collect(), functions: functions.collect() })
}
