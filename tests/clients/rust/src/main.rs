//! What the tests ask of AWS's own client for Rust.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handler)).await
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    match payload["do"].as_str() {
        Some("fail") => return Err("as asked".into()),
        Some("log") => {
            println!("printed");
            eprintln!("logged");
        }
        _ => {}
    }
    Ok(json!({
        "event": payload,
        "request_id": context.request_id,
        "function": context.env_config.function_name,
        "arn": context.invoked_function_arn,
        "version": context.env_config.version,
        "memory": context.env_config.memory.to_string(),
        "log_group": context.env_config.log_group,
        "deadline_ms": context.deadline,
        "client": context.client_context.map(|client| client.custom),
    }))
}
