use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use template::{Diagnostic, Node, Template};

use super::object;
use crate::build::container::Engine;
use crate::build::{Kind, Source};

pub(super) const FUNCTION: &str = "AWS::Serverless::Function";
pub(super) const PLAIN_FUNCTION: &str = "AWS::Lambda::Function";
const LAYER: &str = "AWS::Serverless::LayerVersion";
const PLAIN_LAYER: &str = "AWS::Lambda::LayerVersion";

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("there is no template.yaml or template.yml in `{folder}`; name a template, or go to its folder")]
    NotFound { folder: PathBuf },
    #[error("failed to read `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    /// Already rendered: file, line, column, the place, and a sentence.
    #[error("{0}")]
    Invalid(String),
}

/// A template as it lies on this machine.
pub struct TemplateFile {
    path: PathBuf,
    text: String,
    node: Node,
    pub json: Value,
}

/// The template of a folder: `template.yaml`, `template.yml` or `template.json`, or what `sam build` made of it
/// where that is newer.
pub fn find_template(folder: &Path) -> Result<PathBuf, SourceError> {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let names = ["template.yaml", "template.yml", "template.json"];
    let plain = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let built = folder.join(".aws-sam/build/template.yaml");
    let built_is_newer = match &plain {
        Some(plain) => modified(&built) > modified(plain),
        None => built.is_file(),
    };
    match plain {
        _ if built_is_newer => Ok(built),
        Some(plain) => Ok(plain),
        None => Err(SourceError::NotFound { folder: folder.to_owned() }),
    }
}

impl TemplateFile {
    pub fn read(path: &Path) -> Result<TemplateFile, SourceError> {
        let text = fs::read_to_string(path).map_err(|source| SourceError::Read { path: path.to_owned(), source })?;
        match template::parse(&text) {
            Ok(node) => Ok(TemplateFile { path: path.to_owned(), json: node.to_json(), text, node }),
            Err(diagnostic) => Err(SourceError::Invalid(render(path, &text, &diagnostic))),
        }
    }

    /// Finds what is wrong before anything is built or sent, and says where. `types` are the resource types that
    /// the server has.
    pub fn check(
        &self,
        parameters: &BTreeMap<String, String>,
        region: &str,
        types: &[String],
    ) -> Result<(), SourceError> {
        let json = self.with_images_built(Engine::find().as_ref())?;
        let invalid = |error: &template::TemplateError| {
            SourceError::Invalid(render(&self.path, &self.text, &error.diagnostic(&self.node)))
        };
        let document = Template::from_json(&json).map_err(|error| invalid(&error))?;
        let values = template::parameter_values(&document, parameters).map_err(|error| invalid(&error))?;
        let transformed = if document.has_transform(sam::TRANSFORM_NAME) {
            let context = sam::Context { parameters: values, region: region.to_owned() };
            sam::transform(&json, &context).map_err(|errors| {
                let path = errors.first().map(sam::TransformError::path).unwrap_or_default();
                self.wrong(&path, &sam::document_message(&errors))
            })?
        } else {
            json
        };
        let document = Template::from_json(&transformed).map_err(|error| invalid(&error))?;
        document.check_references().map_err(|error| invalid(&error))?;
        match document.resources.iter().find(|(_, resource)| !types.contains(&resource.resource_type)) {
            None => Ok(()),
            Some((id, resource)) => {
                let sentence = format!("Kobel has no resources of the type {}, which {id} is.", resource.resource_type);
                Err(self.wrong(&format!("/Resources/{id}/Type"), &sentence))
            }
        }
    }

    /// What is wrong at a place of the template.
    pub(super) fn wrong(&self, path: &str, message: &str) -> SourceError {
        let diagnostic = Diagnostic::new(message, self.node.locate(path));
        SourceError::Invalid(render(&self.path, &self.text, &diagnostic))
    }

    /// What paths in it are relative to.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The code on this machine that the template names.
    pub fn sources(&self) -> Vec<Source> {
        let globals = &self.json["Globals"]["Function"];
        let folder = self.folder();
        let source = |(id, resource): (&String, &Value)| {
            let properties = &resource["Properties"];
            let resource_type = resource["Type"].as_str()?;
            let (code, runtime) = match resource_type {
                FUNCTION if properties.get("InlineCode").is_some() || properties.get("ImageUri").is_some() => {
                    return None;
                }
                FUNCTION => (
                    properties["CodeUri"].as_str().or(globals["CodeUri"].as_str())?,
                    properties["Runtime"].as_str().or(globals["Runtime"].as_str()),
                ),
                PLAIN_FUNCTION => (properties["Code"].as_str()?, properties["Runtime"].as_str()),
                LAYER => (properties["ContentUri"].as_str()?, resource["Metadata"]["BuildMethod"].as_str()),
                PLAIN_LAYER => (properties["Content"].as_str()?, resource["Metadata"]["BuildMethod"].as_str()),
                _ => return None,
            };
            let local = !code.starts_with("s3://") && !code.starts_with("https://");
            let runtime = runtime.unwrap_or_default().to_owned();
            let kind = if matches!(resource_type, LAYER | PLAIN_LAYER) { Kind::Layer } else { Kind::Function };
            local.then(|| Source { resource: id.clone(), code: folder.join(code), runtime, kind })
        };
        object(&self.json["Resources"]).filter_map(source).collect()
    }

    /// Lets a function or layer of `template` take its code from a bucket.
    pub fn point_to(&self, template: &mut Value, resource: &str, bucket: &str, key: &str) {
        let resource = &mut template["Resources"][resource];
        let plain = resource["Type"] == PLAIN_FUNCTION || resource["Type"] == PLAIN_LAYER;
        let layer = resource["Type"] == LAYER || resource["Type"] == PLAIN_LAYER;
        let member = match (layer, plain) {
            (true, true) => "Content",
            (true, false) => "ContentUri",
            (false, true) => "Code",
            (false, false) => "CodeUri",
        };
        let properties = &mut resource["Properties"];
        if properties.is_null() {
            *properties = json!({});
        }
        match plain {
            true => properties[member] = json!({ "S3Bucket": bucket, "S3Key": key }),
            false => properties[member] = format!("s3://{bucket}/{key}").into(),
        }
    }
}

/// A diagnostic with its place as `file:line:column`.
fn render(path: &Path, text: &str, diagnostic: &Diagnostic) -> String {
    let (line, column) = diagnostic.line_and_column(text);
    let name = path.display().to_string();
    format!("{name}:{line}:{column}: {}\n{}", diagnostic.message, diagnostic.render(&name, text))
}
