//! Whatever a template holds, reading and transforming it ends with a result or an error.

use kobel_sam::{Context, document_message, transform};
use proptest::prelude::*;
use serde_json::{Value, json};
use template::{Scope, Template};

const TEMPLATES: [&str; 4] = [
    include_str!("official/upload-pipeline.yaml"),
    include_str!("official/events.yaml"),
    include_str!("official/destinations.yaml"),
    include_str!("official/publishing.yaml"),
];

proptest! {
    #[test]
    fn never_panics_on_a_damaged_template(
        template in 0..TEMPLATES.len(),
        damages in proptest::collection::vec((any::<u16>(), 0..DAMAGES.len()), 1..4),
    ) {
        let mut value = template::parse(TEMPLATES[template]).expect("well-formed").to_json();
        for (place, damage) in damages {
            let count = count(&value);
            replace(&mut value, usize::from(place) % count, &DAMAGES[damage]);
        }
        process(&value);
    }
}

const DAMAGES: [fn() -> Value; 10] = [
    || Value::Null,
    || json!(5),
    || json!(true),
    || json!(""),
    || json!("AWS::Serverless::Function"),
    || json!([]),
    || json!({}),
    || json!({"Ref": "AWS::NoValue"}),
    || json!({"Fn::If": ["Wanted", {"Ref": "AWS::NoValue"}, "x"]}),
    || json!({"Fn::Sub": ["${A.B} ${!C}", {"A.B": [1]}]}),
];

fn process(value: &Value) {
    let context = Context { region: "eu-west-1".to_owned(), ..Context::default() };
    match transform(value, &context) {
        Err(errors) => assert!(document_message(&errors).starts_with("Invalid Serverless")),
        Ok(transformed) => {
            assert!(transformed.get("Transform").is_none());
            let Ok(template) = Template::from_json(&transformed) else { return };
            let _ = template.check_references();
            let parameters = template::parameter_values(&template, &Default::default()).unwrap_or_default();
            let pseudo = template::PseudoParameters::new("123456789012", "eu-west-1");
            let Ok(scope) = Scope::new(&template, parameters, pseudo) else { return };
            for resource in template.resources.values() {
                let _ = template::evaluate_partly(&resource.properties, &scope);
            }
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(entries) => entries.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Replaces the node at a place in the order of the text; returns how many places are left to go.
fn replace(value: &mut Value, place: usize, with: &fn() -> Value) -> Option<usize> {
    if place == 0 {
        *value = with();
        return None;
    }
    let mut left = place - 1;
    let children: Vec<&mut Value> = match value {
        Value::Object(entries) => entries.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        left = replace(child, left, with)?;
    }
    Some(left)
}
