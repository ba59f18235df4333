use serde_json::json;

use super::Error;
use crate::client::Client;
use crate::{cli, print};

pub async fn run(time: cli::Time) -> Result<(), Error> {
    let client = Client::new(&time.endpoint.endpoint, base::Region::DEFAULT)?;
    let status = match time.action {
        None | Some(cli::TimeAction::Status) => client.get("/_kobel/time").await?,
        Some(cli::TimeAction::Advance { by }) => {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            client.post("/_kobel/time", json!({ "advance_ms": ms })).await?
        }
        Some(cli::TimeAction::Jump) => client.post("/_kobel/time", json!({ "jump": true })).await?,
    };
    let text = |name: &str| status[name].as_str().unwrap_or("none").to_owned();
    print::line(&format!("now   {}  ({} time)", text("now"), text("mode")));
    print::line(&format!("next  {}", text("next")));
    Ok(())
}
