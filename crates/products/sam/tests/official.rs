//! Compares the transform with what the official translator made of the same templates (see `official/record.py`).

use std::path::{Path, PathBuf};

use kobel_sam::{Context, document_message, transform};
use serde_json::{Value, json};

#[test]
fn equals_the_official_translator() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official");
    let mut differences = Vec::new();
    for case in cases(&folder) {
        let text = std::fs::read_to_string(&case).expect("the case can be read");
        let recorded = std::fs::read_to_string(case.with_extension("json")).expect("the recording can be read");
        let expected: Value = serde_json::from_str(&recorded).expect("the recording is JSON");
        let name = case.file_stem().unwrap_or_default().to_string_lossy();
        compare(&name, &normal("", &expected), &normal("", &outcome(&text)), &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of cases is there");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    cases.sort();
    assert!(cases.len() >= 10, "cases are missing");
    cases
}

fn outcome(text: &str) -> Value {
    let template = template::parse(text).expect("the case is well-formed").to_json();
    let context = Context { region: "us-east-1".to_owned(), ..Context::default() };
    match transform(&template, &context) {
        Ok(transformed) => transformed,
        Err(errors) => json!({"error": document_message(&errors)}),
    }
}

/// The official translator keeps `DependsOn` as a set, so that its order means nothing. And it writes the conditions of
/// an `Fn::And` that it makes as `{Condition: {Condition: name}}`, which CloudFormation refuses.
fn normal(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(entries) if key == "Condition" && entries.len() == 1 && entries.contains_key("Condition") => {
            entries["Condition"].clone()
        }
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), normal(key, value))).collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| normal("", item)).collect();
            if key == "DependsOn" {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

fn compare(path: &str, expected: &Value, actual: &Value, differences: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                compare(&format!("{path}/{key}"), value, actual.get(key).unwrap_or(&Value::Null), differences);
            }
            for (key, value) in actual.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                differences.push(format!("{path}/{key}: unexpected {value}"));
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{path}/{index}"), expected, actual, differences);
            }
        }
        _ if expected == actual => {}
        _ => differences.push(format!("{path}:\n  expected {expected}\n  actual   {actual}")),
    }
}
