//! `lib.rs` and `service.rs`: the crate's face and the table of the service.

use super::config::Config;
use super::emit::File;
use super::model::Model;
use super::names;
use super::selection::Selection;

pub fn library(model: &Model, config: &Config) -> String {
    let title = model.metadata("serviceFullName").unwrap_or(&config.id);
    let docs = format!(
        "//! The interface of {title}: typed operations with their inputs, outputs and errors, and the constant\n\
         //! tables ([`SERVICE`]) by which `wire` reads, validates and writes them.\n\
         //!\n\
         //! Invariant: nothing here is written by hand; `operations.toml` says what is generated."
    );
    let mut file = File::with_docs(&docs);
    for (module, is_public) in
        [("errors", true), ("operations", false), ("schemas", false), ("service", false), ("structures", false)]
    {
        let visibility = if is_public { "pub " } else { "" };
        file.line("#[rustfmt::skip]");
        file.line(format_args!("{visibility}mod {module};"));
    }
    file.line("");
    file.line("pub use operations::*;");
    file.line("pub use service::SERVICE;");
    file.line("pub use structures::*;");
    file.finish()
}

pub fn table(model: &Model, config: &Config, selection: &Selection) -> Result<String, String> {
    let mut file = File::new();
    let missing = if selection.missing.is_empty() { "" } else { "Missing, " };
    file.line(format_args!("use wire::schema::{{{missing}Protocol, Service}};"));
    file.line("");
    file.line("use crate::operations;");
    file.line("");
    let signing_name = model.metadata("signingName").or(model.metadata("endpointPrefix")).unwrap_or(&config.id);
    let namespace = config.xml_namespace.as_deref().or(model.metadata("xmlNamespace")).unwrap_or_default();
    file.line("/// The service, as `wire` walks it.");
    file.line("pub static SERVICE: Service = Service {");
    file.line(format_args!("    id: {:?},", config.id));
    file.line(format_args!("    signing_name: {signing_name:?},"));
    file.line(format_args!("    api_version: {:?},", model.metadata("apiVersion").unwrap_or_default()));
    file.line(format_args!("    protocols: &[{}],", protocols(model, config)?.join(", ")));
    file.line(format_args!("    target_prefix: {:?},", model.metadata("targetPrefix").unwrap_or_default()));
    file.line(format_args!("    shape_name: {:?},", config.shape_name));
    file.line(format_args!("    error_namespace: {:?},", config.error_namespace));
    file.line(format_args!("    xml_namespace: {namespace:?},"));
    file.line(format_args!("    query_compatible: {},", model.is_query_compatible()));
    file.line("    operations: &[");
    for operation in &selection.operations {
        file.line(format_args!("        &operations::{},", names::shout(operation.name)));
    }
    file.line("    ],");
    file.line("    missing: &[");
    for operation in &selection.missing {
        let (name, method, uri) = (operation.name, operation.method(), operation.uri());
        file.line(format_args!("        Missing::new({name:?}, {method:?}, {uri:?}),"));
    }
    file.line("    ],");
    file.line("};");
    Ok(file.finish())
}

fn protocols(model: &Model, config: &Config) -> Result<Vec<String>, String> {
    let given = match &config.protocols {
        Some(protocols) => protocols.clone(),
        None => vec![model.metadata("protocol").unwrap_or_default().to_owned()],
    };
    given.iter().map(|protocol| protocol_name(protocol, model).map(|name| format!("Protocol::{name}"))).collect()
}

fn protocol_name(protocol: &str, model: &Model) -> Result<&'static str, String> {
    match (protocol, model.metadata("jsonVersion")) {
        ("rest-json", _) => Ok("RestJson"),
        ("rest-xml", _) => Ok("RestXml"),
        ("json-1.0", _) | ("json", Some("1.0")) => Ok("Json10"),
        ("json-1.1", _) | ("json", Some("1.1")) => Ok("Json11"),
        ("query", _) => Ok("Query"),
        ("smithy-rpc-v2-cbor" | "rpc-v2-cbor", _) => Ok("RpcV2Cbor"),
        _ => Err(format!("unknown protocol `{protocol}`")),
    }
}
