use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use serde_json::json;

use super::Error;
use crate::client::{self, Client};
use crate::{cli, print};

/// Prints the result to standard output and the log to standard error.
pub async fn run(invoke: cli::Invoke) -> Result<(), Error> {
    let client = Client::new(&invoke.endpoint.endpoint, &invoke.region)?;
    let payload = payload(&invoke.payload)?;
    let invoked = match client.invoke(&invoke.name, payload.clone(), invoke.asynchronous).await {
        Err(error) if error.is("ResourceNotFoundException") => {
            let Some(name) = by_logical_id(&client, &invoke.name).await? else { return Err(error.into()) };
            client.invoke(&name, payload, invoke.asynchronous).await?
        }
        invoked => invoked?,
    };
    if let Some(log) = invoked.log.as_deref().and_then(decode) {
        eprint!("{}", String::from_utf8_lossy(&log));
    }
    if invoke.asynchronous {
        print::step("Accepted", &format!("{} as request {}", invoke.name, invoked.request_id));
        return Ok(());
    }
    let mut out = std::io::stdout();
    let _ = out.write_all(&invoked.payload).and_then(|()| out.write_all(b"\n"));
    match invoked.function_error {
        None => Ok(()),
        Some(kind) => Err(Error::Said(format!("the function {} failed ({kind})", invoke.name))),
    }
}

fn payload(text: &str) -> Result<Bytes, Error> {
    match text.strip_prefix('@') {
        None => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(path) => std::fs::read(path)
            .map(Bytes::from)
            .map_err(|source| Error::Io { path: Path::new(path).to_owned(), source }),
    }
}

/// The function that a stack made of the logical id, where exactly one did.
pub async fn by_logical_id(client: &Client, id: &str) -> Result<Option<String>, client::Error> {
    let stacks = client.call("cloudformation", "DescribeStacks", json!({})).await?;
    let mut found = Vec::new();
    for stack in stacks["Stacks"].as_array().into_iter().flatten() {
        let input = json!({ "StackName": stack["StackName"] });
        let resources = client.call("cloudformation", "DescribeStackResources", input).await?;
        let resources = resources["StackResources"].as_array().into_iter().flatten();
        let named = resources.filter(|resource| {
            resource["LogicalResourceId"] == id && resource["ResourceType"] == "AWS::Lambda::Function"
        });
        found.extend(named.filter_map(|resource| Some(resource["PhysicalResourceId"].as_str()?.to_owned())));
    }
    Ok(if found.len() == 1 { found.pop() } else { None })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
