use serde_json::json;

use super::Error;
use super::invoke::by_logical_id;
use crate::client::{Client, LineReader};
use crate::{cli, print};

/// Prints what a function has logged, and with `--follow` what it logs from now on.
pub async fn run(logs: cli::Logs) -> Result<(), Error> {
    let client = Client::new(&logs.endpoint.endpoint, &logs.region)?;
    let name = match client.call("lambda", "GetFunction", json!({ "FunctionName": logs.name })).await {
        Err(error) if error.is("ResourceNotFoundException") => {
            by_logical_id(&client, &logs.name).await?.ok_or(error)?
        }
        Err(error) => return Err(error.into()),
        Ok(function) => function["Configuration"]["FunctionName"].as_str().unwrap_or(&logs.name).to_owned(),
    };
    // Followed before the past is read, so that no line is missed in between.
    let followed = if logs.follow { Some(client.lines("/_kobel/logs").await?) } else { None };
    print_past(&client, &format!("/aws/lambda/{name}")).await?;
    match followed {
        Some(followed) => print_followed(followed, &name).await,
        None => Ok(()),
    }
}

async fn print_past(client: &Client, group: &str) -> Result<(), Error> {
    let mut input = json!({ "logGroupName": group });
    loop {
        let page = match client.call("logs", "FilterLogEvents", input.clone()).await {
            // A function that never ran has no group.
            Err(error) if error.is("ResourceNotFoundException") => return Ok(()),
            page => page?,
        };
        for event in page["events"].as_array().into_iter().flatten() {
            print::line(event["message"].as_str().unwrap_or_default().trim_end());
        }
        match page["nextToken"].as_str() {
            Some(token) => input["nextToken"] = token.into(),
            None => return Ok(()),
        }
    }
}

async fn print_followed(mut lines: LineReader, name: &str) -> Result<(), Error> {
    while let Some(line) = lines.next().await? {
        if line["function"] == name {
            print::line(line["message"].as_str().unwrap_or_default().trim_end());
        }
    }
    Ok(())
}
