use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;

fn values(declarations: &str, supplied: &[(&str, &str)]) -> Result<BTreeMap<String, Value>, TemplateError> {
    let source = format!("Resources: {{A: {{Type: T}}}}\nParameters: {declarations}");
    let node = crate::parse(&source).expect("well-formed");
    let template = Template::from_json(&node.to_json()).expect("valid");
    let supplied = supplied.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parameter_values(&template, &supplied)
}

fn refuses(declaration: &str, value: &str, expected: Expect) {
    let error = values(&format!("{{P: {declaration}}}"), &[("P", value)]).expect_err("the value is refused");
    expected.assert_eq(&error.message);
}

#[test]
fn names_the_broken_constraint() {
    refuses("{Type: String, AllowedValues: [a, 1]}", "b", expect!["Parameter 'P' must be one of AllowedValues"]);
    refuses("{Type: String, AllowedPattern: '[a-z]+'}", "b1", expect!["Parameter 'P' must match pattern [a-z]+"]);
    refuses(
        "{Type: String, AllowedPattern: '(?!aws)[a-z]+'}",
        "awsome",
        expect!["Parameter 'P' must match pattern (?!aws)[a-z]+"],
    );
    refuses(
        "{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: small letters}",
        "B",
        expect!["Parameter P failed to satisfy constraint: small letters"],
    );
    refuses("{Type: String, MinLength: 3}", "ab", expect!["Parameter 'P' must contain at least 3 characters"]);
    refuses("{Type: String, MaxLength: '1'}", "ab", expect!["Parameter 'P' must contain at most 1 characters"]);
    refuses("{Type: Number}", "one", expect!["Parameter 'P' must be a number."]);
    refuses("{Type: Number, MinValue: 2}", "1", expect!["Parameter 'P' must be a number not less than 2"]);
    refuses("{Type: Number, MaxValue: 2.5}", "3", expect!["Parameter 'P' must be a number not greater than 2.5"]);
    refuses("{Type: List<Number>}", "1,x", expect!["Parameter 'P' must be a number."]);
    refuses(
        "{Type: CommaDelimitedList, AllowedValues: [a, b]}",
        "a, c",
        expect!["Parameter 'P' must be one of AllowedValues"],
    );
}

#[test]
fn knows_missing_and_unknown_parameters() {
    let missing = values("{P: {Type: String}, Q: {Type: Number}, R: {Type: String, Default: r}}", &[]);
    expect!["Parameters: [P, Q] must have values"].assert_eq(&missing.expect_err("missing").message);
    let unknown = values("{P: {Type: String}}", &[("P", "x"), ("Z", "y")]);
    expect!["Parameters: [Z] do not exist in the template"].assert_eq(&unknown.expect_err("unknown").message);
}

#[test]
fn gives_lists_for_list_types_and_text_for_numbers() {
    let values = values("{L: {Type: CommaDelimitedList, Default: 'a, b'}, N: {Type: Number, Default: 5}}", &[]);
    let shown = format!("{:?}", values.expect("valid"));
    expect![[r#"{"L": Array [String("a"), String("b")], "N": String("5")}"#]].assert_eq(&shown);
}
