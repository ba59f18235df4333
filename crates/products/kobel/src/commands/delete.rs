use super::Error;
use crate::client::Client;
use crate::{cli, deploy, print};

pub async fn run(delete: cli::Delete) -> Result<(), Error> {
    let client = Client::new(&delete.endpoint.endpoint, &delete.region)?;
    deploy::delete_named(&client, &delete.stack).await?;
    print::step("Deleted", &format!("the stack {}", delete.stack));
    Ok(())
}
