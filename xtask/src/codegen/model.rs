//! A view of botocore's `service-2.json`.

use std::fs::{self, File};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

/// A service's interface model.
pub struct Model {
    json: Value,
}

/// A shape of the model.
#[derive(Clone, Copy)]
pub struct Shape<'m> {
    pub name: &'m str,
    json: &'m Value,
}

/// A reference from a structure, list or map to a shape, with the traits of the reference.
#[derive(Clone, Copy)]
pub struct Reference<'m> {
    /// The member's name; empty for the element of a list.
    pub name: &'m str,
    pub target: Shape<'m>,
    json: &'m Value,
}

/// An operation of the model.
#[derive(Clone, Copy)]
pub struct Operation<'m> {
    pub name: &'m str,
    json: &'m Value,
    model: &'m Model,
}

impl Model {
    /// Reads the model in `folder` (`lambda/2015-03-31`) below botocore's `data`.
    pub fn read(data: &Path, folder: &str) -> Result<Model, String> {
        let folder = data.join(folder);
        let packed = folder.join("service-2.json.gz");
        let mut json = if packed.is_file() {
            let file =
                File::open(&packed).map_err(|error| format!("failed to open `{}`: {error}", packed.display()))?;
            parse(serde_json::from_reader(GzDecoder::new(file)), &packed)?
        } else {
            read_plain(&folder.join("service-2.json"))?
        };
        let extras = folder.join("service-2.sdk-extras.json");
        if extras.is_file() {
            merge(&mut json, &read_plain(&extras)?["merge"]);
        }
        Ok(Model { json })
    }

    /// A string of the metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.json["metadata"][key].as_str()
    }

    pub fn is_query_compatible(&self) -> bool {
        self.json["metadata"].get("awsQueryCompatible").is_some()
    }

    /// All operations by name in alphabetical order.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations: Vec<_> =
            entries(&self.json["operations"]).map(|(name, json)| Operation { name, json, model: self }).collect();
        operations.sort_by_key(|operation| operation.name);
        operations
    }

    pub fn operation(&self, name: &str) -> Option<Operation<'_>> {
        let (name, json) = self.json["operations"].as_object()?.get_key_value(name)?;
        Some(Operation { name, json, model: self })
    }

    /// All shapes in the model's order.
    pub fn shapes(&self) -> impl Iterator<Item = Shape<'_>> {
        entries(&self.json["shapes"]).map(|(name, json)| Shape { name, json })
    }

    pub fn shape(&self, name: &str) -> Option<Shape<'_>> {
        let (name, json) = self.json["shapes"].as_object()?.get_key_value(name)?;
        Some(Shape { name, json })
    }

    fn target<'m>(&'m self, reference: &'m Value) -> Shape<'m> {
        let name = reference["shape"].as_str().expect("a reference names a shape");
        self.shape(name).expect("a reference's shape exists")
    }
}

impl<'m> Operation<'m> {
    pub fn method(&self) -> &'m str {
        self.json["http"]["method"].as_str().unwrap_or("POST")
    }

    pub fn uri(&self) -> &'m str {
        self.json["http"]["requestUri"].as_str().unwrap_or("/")
    }

    pub fn status(&self) -> u64 {
        self.json["http"]["responseCode"].as_u64().unwrap_or(200)
    }

    pub fn input(&self) -> Option<Shape<'m>> {
        self.json.get("input").map(|reference| self.model.target(reference))
    }

    pub fn output(&self) -> Option<Shape<'m>> {
        self.json.get("output").map(|reference| self.model.target(reference))
    }

    pub fn input_xml_name(&self) -> Option<&'m str> {
        self.json["input"]["locationName"].as_str()
    }

    pub fn result_wrapper(&self) -> Option<&'m str> {
        self.json["output"]["resultWrapper"].as_str()
    }

    pub fn errors(&self) -> Vec<Shape<'m>> {
        let errors = self.json["errors"].as_array();
        errors.into_iter().flatten().map(|reference| self.model.target(reference)).collect()
    }

    pub fn checksum_required(&self) -> bool {
        self.json["httpChecksum"]["requestChecksumRequired"] == true || self.json["httpChecksumRequired"] == true
    }
}

impl<'m> Shape<'m> {
    pub fn kind(&self) -> &'m str {
        self.json["type"].as_str().expect("a shape has a type")
    }

    pub fn text(&self, key: &str) -> Option<&'m str> {
        self.json[key].as_str()
    }

    pub fn flag(&self, key: &str) -> bool {
        self.json[key] == true
    }

    pub fn number(&self, key: &str) -> Option<i64> {
        self.json[key].as_i64()
    }

    pub fn allowed(&self) -> Vec<&'m str> {
        self.json["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn error(&self, key: &str) -> &'m Value {
        &self.json["error"][key]
    }

    /// The members of a structure in the model's order.
    pub fn members(&self, model: &'m Model) -> Vec<Reference<'m>> {
        let members = entries(&self.json["members"]);
        members.map(|(name, json)| Reference { name, json, target: model.target(json) }).collect()
    }

    /// A list's `member`, a map's `key` or `value`.
    pub fn part(&self, key: &str, model: &'m Model) -> Reference<'m> {
        let json = &self.json[key];
        Reference { name: "", json, target: model.target(json) }
    }

    pub fn requires(&self, member: &str) -> bool {
        self.json["required"].as_array().into_iter().flatten().any(|required| required == member)
    }

    pub fn is_structure(&self) -> bool {
        self.kind() == "structure"
    }
}

impl<'m> Reference<'m> {
    pub fn text(&self, key: &str) -> Option<&'m str> {
        self.json[key].as_str()
    }

    /// A flag of the reference or of its target.
    pub fn flag(&self, key: &str) -> bool {
        self.json[key] == true || self.target.flag(key)
    }
}

fn entries(json: &Value) -> impl Iterator<Item = (&str, &Value)> {
    json.as_object().into_iter().flat_map(Map::iter).map(|(name, json)| (name.as_str(), json))
}

fn read_plain(path: &Path) -> Result<Value, String> {
    let text = fs::read(path).map_err(|error| format!("failed to read `{}`: {error}", path.display()))?;
    parse(serde_json::from_slice(&text), path)
}

fn parse(json: serde_json::Result<Value>, path: &Path) -> Result<Value, String> {
    json.map_err(|error| format!("failed to parse `{}`: {error}", path.display()))
}

/// Lays botocore's own additions over the model, as botocore does.
fn merge(base: &mut Value, extras: &Value) {
    match (base, extras) {
        (Value::Object(base), Value::Object(extras)) => {
            for (key, extra) in extras {
                merge(base.entry(key.clone()).or_insert(Value::Null), extra);
            }
        }
        (base, extras) if !extras.is_null() => *base = extras.clone(),
        _ => {}
    }
}
