//! `AWS::Serverless::SimpleTable` becomes an `AWS::DynamoDB::Table` with one key.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::properties::{Kind, Property, optional, passed};
use crate::resource::{Generated, SamResource};
use crate::tags;

/// The properties of the type.
pub const PROPERTIES: [Property; 6] = [
    passed("PointInTimeRecoverySpecification", false),
    optional("PrimaryKey", Kind::MapOfStrings),
    optional("ProvisionedThroughput", Kind::MapOfIntegersOrMaps),
    optional("TableName", Kind::StringOrMap),
    optional("Tags", Kind::Map),
    optional("SSESpecification", Kind::Map),
];

/// The table.
///
/// # Errors
/// The key has no name or an unknown type.
pub fn generate(source: &SamResource) -> Result<Vec<Generated>, TransformError> {
    let mut table = Generated::new(&source.logical_id, "AWS::DynamoDB::Table", source.attributes.clone());
    table.depends_on = source.depends_on.clone();
    let (name, attribute_type) = primary_key(source)?;
    table.set("AttributeDefinitions", json!([{"AttributeName": name, "AttributeType": attribute_type}]));
    table.set("KeySchema", json!([{"AttributeName": name, "KeyType": "HASH"}]));
    match source.truthy("ProvisionedThroughput") {
        Some(throughput) => table.set("ProvisionedThroughput", throughput.clone()),
        None => table.set("BillingMode", "PAY_PER_REQUEST"),
    }
    for property in ["PointInTimeRecoverySpecification", "SSESpecification", "TableName"] {
        table.set_some(property, source.truthy(property));
    }
    if let Some(Value::Object(own)) = source.truthy("Tags") {
        table.set("Tags", tags::list(Some(own)));
    }
    Ok(vec![table])
}

fn primary_key(source: &SamResource) -> Result<(Value, Value), TransformError> {
    let Some(key) = source.truthy("PrimaryKey") else {
        return Ok((json!("id"), json!("S")));
    };
    let part =
        |name: &str| key.get(name).ok_or_else(|| source.error(format!("Property 'PrimaryKey.{name}' is required.")));
    let attribute_type = match part("Type")?.as_str().unwrap_or_default() {
        "String" => "S",
        "Number" => "N",
        "Binary" => "B",
        other => return Err(source.error(format!("Invalid 'Type' \"{other}\"."))),
    };
    Ok((part("Name")?.clone(), json!(attribute_type)))
}
