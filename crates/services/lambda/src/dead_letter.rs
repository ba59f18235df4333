//! Where a function may send the events that are given up, and the records of its destinations.

use base::Arn;
use fabric::{Fabric, Refusal, Sender};
use wire::Error;

use crate::error::invalid;
use crate::registry::FunctionName;

/// Whether the function's dead letters can be sent to `target`, a standard queue or topic; empty for none.
pub async fn check_dead_letter(fabric: &Fabric, name: &FunctionName, target: Option<&str>) -> Result<(), Error> {
    let Some(text) = target.filter(|text| !text.is_empty()) else { return Ok(()) };
    let unsuitable =
        || invalid(format!("The dead-letter target {text} is neither a standard queue nor a standard topic."));
    let arn: Arn = text.parse().map_err(|_| unsuitable())?;
    if !matches!(arn.service.as_str(), "sqs" | "sns") || text.ends_with(".fifo") {
        return Err(unsuitable());
    }
    match ask(fabric, name, &arn).await {
        Ok(()) => Ok(()),
        Err(Refusal::Missing) => Err(invalid(format!("The dead-letter target {text} does not exist."))),
        Err(Refusal::Forbidden) => {
            let call = if arn.service == "sqs" { "SendMessage on SQS" } else { "Publish on SNS" };
            Err(invalid(format!("The provided execution role does not have permissions to call {call}")))
        }
        Err(Refusal::Unsuitable(sentence)) => Err(invalid(sentence)),
        Err(Refusal::Unknown(why)) => Err(Error::internal(why)),
    }
}

/// Asks the target itself; one whose service Kobel does not have is missing.
pub async fn ask(fabric: &Fabric, name: &FunctionName, target: &Arn) -> Result<(), Refusal> {
    let plug = fabric.plugs.target(target).ok_or(Refusal::Missing)?;
    let account = name.scope.account.to_string();
    let sender = Sender { service: "lambda.amazonaws.com".into(), arn: name.arn(), account };
    plug.check(target, &sender).await
}
