use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::serve::{stopped, write_port};
use crate::build::Workshop;
use crate::client::Client;
use crate::deploy::{Deployment, Outcome, find_template};
use crate::server::Server;
use crate::watch::Watch;
use crate::{cli, print};

/// Serves and deploys, then prints logs and deploys again what changes, until Ctrl-C.
pub async fn run(mut up: cli::Up) -> Result<(), Error> {
    let template = match up.stack.template.take() {
        Some(template) => template,
        None => find_template(Path::new("."))?,
    };
    up.stack.template = Some(template.clone());
    let data = data_beside(&template);
    let server = Server::start(&up.server, &data).await?;
    print::step("Serving", &format!("on {}", server.origin()));
    let deployment = deployment(&up, &server, &data)?;
    // From the beginning, so that a change during the first deployment is not missed.
    let watch = match (!up.no_watch).then(|| Watch::start(&deployment)).transpose() {
        Ok(watch) => watch,
        Err(error) => {
            server.stop().await;
            return Err(error);
        }
    };
    let first = tokio::select! {
        first = deployment.deploy() => Some(first),
        () = stopped() => None,
    };
    match first {
        None => {}
        Some(Err(error)) => {
            server.stop().await;
            return Err(error.into());
        }
        Some(Ok(outcome)) => {
            show(&deployment, &outcome, &server.origin());
            // A script may begin once all is there.
            write_port(up.server.port_file.as_ref(), server.address.port())?;
            let logs = tokio::spawn(print_logs(server.lambda.invoker().logs().follow(), outcome.functions));
            match watch {
                Some(watch) => redeploy(&deployment, watch).await,
                None => stopped().await,
            }
            logs.abort();
        }
    }
    print::step("Stopping", "and letting what runs come to an end");
    server.stop().await;
    Ok(())
}

/// `.kobel` beside the template; for one that `sam build` made, beside the project.
fn data_beside(template: &Path) -> PathBuf {
    let folder = template.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let project = folder.to_str().and_then(|folder| folder.strip_suffix(".aws-sam/build"));
    project.map_or_else(|| folder.to_owned(), PathBuf::from).join(".kobel")
}

fn deployment(up: &cli::Up, server: &Server, data: &Path) -> Result<Deployment, Error> {
    let folder = up.server.data.clone().unwrap_or_else(|| data.to_owned());
    let folder = if up.server.ephemeral { std::env::temp_dir().join("kobel-builds") } else { folder.join("builds") };
    let sandbox = server.sandbox.clone();
    let java_interfaces = Arc::new(move || sandbox.java_classpath().map_err(|error| error.to_string()));
    let workshop = Workshop { folder, java_interfaces };
    let client = Client::new(&server.origin(), &up.stack.region)?;
    Ok(Deployment::new(client, workshop, &up.stack)?)
}

/// Outputs, and how to call what was deployed.
fn show(deployment: &Deployment, outcome: &Outcome, origin: &str) {
    print::deployed(&deployment.stack_name, outcome.changed, &outcome.outputs);
    if let Some((id, _)) = outcome.functions.first() {
        print::line(&format!("\n  Invoke a function:   kobel invoke {id} --payload '{{}}' --endpoint {origin}"));
    }
    print::line(&format!("  Use AWS's clients:   export AWS_ENDPOINT_URL={origin}"));
    print::line(&format!("  See what caused what: kobel events --endpoint {origin}\n"));
}

/// Deploys again at each change, until Ctrl-C.
async fn redeploy(deployment: &Deployment, mut watch: Watch) {
    loop {
        tokio::select! {
            changed = watch.changed() => {
                if changed.is_none() {
                    return stopped().await;
                }
            }
            () = stopped() => return,
        }
        match deployment.deploy().await {
            Ok(outcome) if outcome.changed => print::step("Deployed", "the change"),
            Ok(_) => {}
            Err(error) => print::error(&error.to_string()),
        }
    }
}

async fn print_logs(
    mut lines: tokio::sync::broadcast::Receiver<Arc<lambda::LogLine>>,
    functions: Vec<(String, String)>,
) {
    let width = functions.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
    loop {
        match lines.recv().await {
            Ok(line) => {
                let id = functions.iter().find(|(_, name)| *name == line.function).map(|(id, _)| id);
                print::log_event(id.unwrap_or(&line.function), width, &line.message);
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                print::line(&print::dim(&format!("({missed} lines were not shown; `kobel logs NAME` has them)")));
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}
