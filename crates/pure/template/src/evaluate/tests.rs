use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::scope::{PseudoParameters, Scope};

/// A scope with a parameter, a list, a mapping, conditions and one resource that exists.
struct Stack(Scope);

impl Resolver for Stack {
    fn reference(&self, name: &str) -> Result<Resolved, EvalError> {
        match name {
            "Queue" => Ok(Resolved::text("https://queue")),
            _ => self.0.reference(name),
        }
    }

    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Resolved, EvalError> {
        match (logical_id, attribute) {
            ("Queue", "Arn") => Ok(Resolved::text("arn:queue")),
            ("Queue", _) => Err(EvalError::new(format!("no attribute {attribute}"))),
            _ => self.0.attribute(logical_id, attribute),
        }
    }

    fn import(&self, export_name: &str) -> Result<Resolved, EvalError> {
        match export_name {
            "shared" => Ok(Resolved::text("imported")),
            _ => Err(EvalError::new(format!("No export named {export_name} found."))),
        }
    }

    fn mapping(&self, map: &str, first_key: &str, second_key: &str) -> Option<Value> {
        self.0.mapping(map, first_key, second_key)
    }

    fn condition(&self, name: &str) -> Option<bool> {
        self.0.condition(name)
    }

    fn availability_zones(&self, region: &str) -> Vec<String> {
        self.0.availability_zones(region)
    }
}

fn stack() -> Stack {
    Stack(Scope {
        parameters: BTreeMap::from([("P".to_owned(), json!("value")), ("L".to_owned(), json!(["a", "b"]))]),
        pseudo: PseudoParameters::new("123456789012", "eu-central-1"),
        mappings: BTreeMap::from([("M".to_owned(), json!({"k": {"s": "found", "l": [1, 2]}}))]),
        conditions: BTreeMap::from([("Wanted".to_owned(), true), ("Unwanted".to_owned(), false)]),
    })
}

fn gives(source: &str, expected: Expect) {
    let value = crate::parse(&format!("v: {source}")).expect("well-formed").to_json();
    let shown = match evaluate_partly(&value["v"], &stack()) {
        Ok(Partial { value: None, .. }) => "(left out)".to_owned(),
        Ok(Partial { value: Some(value), unknown }) if unknown.is_empty() => value.to_string(),
        Ok(Partial { value: Some(value), unknown }) => format!("{value} unknown at {unknown:?}"),
        Err(error) => format!("{} @ {}", error.message, error.path),
    };
    expected.assert_eq(&shown);
}

#[test]
fn computes_functions() {
    gives("!Ref P", expect![[r#""value""#]]);
    gives("!Ref AWS::Region", expect![[r#""eu-central-1""#]]);
    gives("!Join [':', [a, 1, true, !Ref Queue]]", expect![[r#""a:1:true:https://queue""#]]);
    gives("!Join [',', !Ref L]", expect![[r#""a,b""#]]);
    gives("!Split [',', 'a,b,,c']", expect![[r#"["a","b","","c"]"#]]);
    gives("!Select [1, !Split ['|', 'a|b']]", expect![[r#""b""#]]);
    gives("!Select ['0', !GetAZs '']", expect![[r#""eu-central-1a""#]]);
    gives(
        "!Sub '${P} ${Queue.Arn} ${!P} ${AWS::AccountId} $P {P} ${'",
        expect![[r#""value arn:queue ${P} 123456789012 $P {P} ${""#]],
    );
    gives("!Sub ['${x}-${P}', {x: !GetAtt Queue.Arn}]", expect![[r#""arn:queue-value""#]]);
    gives("!FindInMap [M, k, l]", expect!["[1,2]"]);
    gives("!FindInMap [M, z, s, {DefaultValue: d}]", expect![[r#""d""#]]);
    gives("!If [Wanted, 1, 2]", expect!["1"]);
    gives("{a: !If [Unwanted, 1, !Ref AWS::NoValue], b: [!Ref AWS::NoValue, x]}", expect![[r#"{"b":["x"]}"#]]);
    gives("!Base64 hällo", expect![[r#""aMOkbGxv""#]]);
    gives("!Cidr [10.0.0.0/16, 3, 8]", expect![[r#"["10.0.0.0/24","10.0.1.0/24","10.0.2.0/24"]"#]]);
    gives("!Cidr ['2001:db8::/56', 2, 64]", expect![[r#"["2001:db8::/64","2001:db8:0:1::/64"]"#]]);
    gives("!Length [a, b]", expect!["2"]);
    gives("!ToJsonString {a: !Ref P}", expect![[r#""{\"a\":\"value\"}""#]]);
    gives("!ImportValue shared", expect![[r#""imported""#]]);
    gives("{Fn::GetAtt: Queue.Arn}", expect![[r#""arn:queue""#]]);
}

#[test]
fn leaves_what_is_not_known_yet() {
    gives(
        "{a: !GetAtt New.Arn, b: !Ref P}",
        expect![[r#"{"a":{"Fn::GetAtt":["New","Arn"]},"b":"value"} unknown at ["/a"]"#]],
    );
    gives(
        "!Join ['-', [!Ref P, !Ref New]]",
        expect![[r#"{"Fn::Join":["-",["value",{"Ref":"New"}]]} unknown at [""]"#]],
    );
    gives("!Sub 'x ${P} ${New} ${!P}'", expect![[r#"{"Fn::Sub":"x value ${New} ${!P}"} unknown at [""]"#]]);
    gives(
        "!Sub ['${v} ${P}', {v: !Join ['', [!Ref P, !Ref New]]}]",
        expect![[r#"{"Fn::Sub":["${v} value",{"v":{"Fn::Join":["",["value",{"Ref":"New"}]]}}]} unknown at [""]"#]],
    );
    gives("!Select [0, [a, !Ref New]]", expect![[r#""a""#]]);
    gives("!Select [1, [a, !Ref New]]", expect![[r#"{"Fn::Select":[1,["a",{"Ref":"New"}]]} unknown at [""]"#]]);
    gives("[!If [Unwanted, !Ref New, known]]", expect![[r#"["known"]"#]]);
}

#[test]
fn names_the_misuse() {
    gives("!Ref [a]", expect!["Template format error: Every Ref object must have a single String value. @ /Ref"]);
    gives(
        "!Join [a]",
        expect![
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined. @ /Fn::Join"
        ],
    );
    gives(
        "!Select [5, [a]]",
        expect!["Template error: Fn::Select cannot select nonexistent value at index 5 @ /Fn::Select"],
    );
    gives(
        "!Select [x, [a]]",
        expect![
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list @ /Fn::Select"
        ],
    );
    gives(
        "!Split [a]",
        expect![
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split. @ /Fn::Split"
        ],
    );
    gives(
        "!Sub [a]",
        expect![
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string @ /Fn::Sub"
        ],
    );
    gives(
        "!GetAtt Queue",
        expect![
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute @ /Fn::GetAtt"
        ],
    );
    gives("{a: [x, !GetAtt Queue.Size]}", expect!["no attribute Size @ /a/1/Fn::GetAtt"]);
    gives("!FindInMap [M, z, s]", expect!["Template error: Unable to get mapping for M::z::s @ /Fn::FindInMap"]);
    gives("!If [Nope, 1, 2]", expect!["Template error: unresolved condition dependency Nope in Fn::If @ /Fn::If"]);
    gives(
        "!Cidr [10.0.0.0/24, 256, 8]",
        expect![
            "Template error: every Fn::Cidr object requires two parameters, (1) a valid CIDR and (2) a count of subnets that fit it, with (3) the subnets' host bits where they are not 8 @ /Fn::Cidr"
        ],
    );
    gives("!ImportValue other", expect!["No export named other found. @ /Fn::ImportValue"]);
    gives("{Fn::Nope: x}", expect!["Template format error: Unsupported intrinsic function: [Fn::Nope] @ /Fn::Nope"]);
}

#[test]
fn computes_conditions_in_any_order() {
    let source = "A: !And [!Condition B, !Not [!Condition C]]\nB: !Equals [!Ref P, value]\nC: !Or [!Equals [1, '2'], !Equals [a, b]]\n";
    let conditions = crate::parse(source).expect("well-formed").to_json();
    let conditions = conditions.as_object().expect("a map").clone().into_iter().collect();
    let known = crate::evaluate_conditions(&conditions, &stack().0).expect("they can be computed");
    expect![[r#"{"A": true, "B": true, "C": false}"#]].assert_eq(&format!("{known:?}"));
}

#[test]
fn refuses_conditions_that_need_each_other() {
    let conditions = [("A".to_owned(), json!({"Condition": "B"})), ("B".to_owned(), json!({"Condition": "A"}))];
    let error = crate::evaluate_conditions(&conditions.into_iter().collect(), &stack().0).expect_err("a circle");
    expect![[r#"Template format error: Circular dependency between conditions: [A, B]"#]].assert_eq(&error.message);
}
