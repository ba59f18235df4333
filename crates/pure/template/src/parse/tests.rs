use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::limits::{DEPTH_MAX, TEMPLATE_BYTES_MAX};

fn reads(source: &str, expected: Expect) {
    match parse(source) {
        Ok(node) => expected.assert_eq(&node.to_json().to_string()),
        Err(diagnostic) => panic!("{}", diagnostic.render("template.yaml", source)),
    }
}

fn refuses(source: &str, expected: Expect) {
    let diagnostic = parse(source).expect_err("the text is malformed");
    expected.assert_eq(&diagnostic.render("template.yaml", source));
}

#[test]
fn expands_short_forms() {
    reads("a: !Ref X", expect![[r#"{"a":{"Ref":"X"}}"#]]);
    reads("a: !GetAtt X.Outputs.Y", expect![[r#"{"a":{"Fn::GetAtt":["X","Outputs.Y"]}}"#]]);
    reads("a: !GetAtt [X, Arn]", expect![[r#"{"a":{"Fn::GetAtt":["X","Arn"]}}"#]]);
    reads("a: !Sub ['${b}', {b: !Ref C}]", expect![[r#"{"a":{"Fn::Sub":["${b}",{"b":{"Ref":"C"}}]}}"#]]);
    reads(
        "a: !If [C, !Join ['', [x, 1]], !Ref AWS::NoValue]",
        expect![[r#"{"a":{"Fn::If":["C",{"Fn::Join":["",["x",1]]},{"Ref":"AWS::NoValue"}]}}"#]],
    );
    reads(
        "a: !GetAZs ''\nb: !Condition C\nc: !Base64 5\nd: !Not [!Equals [a, b]]",
        expect![[
            r#"{"a":{"Fn::GetAZs":""},"b":{"Condition":"C"},"c":{"Fn::Base64":"5"},"d":{"Fn::Not":[{"Fn::Equals":["a","b"]}]}}"#
        ]],
    );
    reads(
        "a:\n  Fn::Transform:\n    Name: AWS::Include\nb: !Transform {Name: M}\nc: !ToJsonString {a: 1}",
        expect![[
            r#"{"a":{"Fn::Transform":{"Name":"AWS::Include"}},"b":{"Fn::Transform":{"Name":"M"}},"c":{"Fn::ToJsonString":{"a":1}}}"#
        ]],
    );
}

#[test]
fn keeps_order_dates_versions_and_account_ids() {
    reads(
        "z: 2012-10-17\na: \"012345678901\"\nversion: 1.2.3\nport: 8080\nyes: yes\nempty:\ntext: |\n  one\n  two\n",
        expect![[
            r#"{"z":"2012-10-17","a":"012345678901","version":"1.2.3","port":8080,"yes":true,"empty":null,"text":"one\ntwo\n"}"#
        ]],
    );
}

#[test]
fn resolves_anchors_and_merge_keys() {
    reads(
        "a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x, l: 3}",
        expect![[r#"{"a":{"k":1,"l":2},"b":{"k":1,"l":2},"c":{"l":3,"k":1}}"#]],
    );
}

#[test]
fn reads_json_and_flow_yaml() {
    reads(
        "\u{feff} {\"a\": [1, 2.5, \"\\u00fc\", null, true], \"b\": {}}",
        expect![[r#"{"a":[1,2.5,"ü",null,true],"b":{}}"#]],
    );
    reads("{a: b}", expect![[r#"{"a":"b"}"#]]);
}

#[test]
fn points_at_what_is_malformed() {
    refuses(
        "Resources:\n  A:\n    Type: X\n  A:\n    Type: Y\n",
        expect![[r#"
        error: Template format error: YAML not well-formed. (line 4, column 3)
         --> template.yaml:4:3
          |
        4 |   A:
          |   ^ the key A stands here a second time
          |
          = help: a key may stand once in a mapping: rename or remove one of the two"#]],
    );
    refuses(
        "Resources:\n  Ü: !Foo bar\n",
        expect![[r#"
        error: Template format error: YAML not well-formed. (line 2, column 11)
         --> template.yaml:2:11
          |
        2 |   Ü: !Foo bar
          |           ^^^ unknown tag !Foo"#]],
    );
    refuses(
        "a: [1, 2\nb: 3\n",
        expect![[r#"
        error: Template format error: YAML not well-formed. (line 2, column 2)
         --> template.yaml:2:2
          |
        2 | b: 3
          |  ^ illegal placement of ':' indicator"#]],
    );
    refuses(
        "a: b: c\n",
        expect![[r#"
        error: Template format error: YAML not well-formed. (line 1, column 5)
         --> template.yaml:1:5
          |
        1 | a: b: c
          |     ^ mapping values are not allowed in this context"#]],
    );
    refuses(
        "{\"a\": 1,\n \"b\": }",
        expect![[r#"
        error: Template format error: JSON not well-formed. (line 2, column 7)
         --> template.yaml:2:7
          |
        2 |  "b": }
          |       ^ a value was expected here"#]],
    );
    refuses(
        "{\"a\": 1, \"a\": 2}",
        expect![[r#"
        error: Template format error: JSON not well-formed. (line 1, column 10)
         --> template.yaml:1:10
          |
        1 | {"a": 1, "a": 2}
          |          ^ the key a stands here a second time"#]],
    );
    refuses(
        "",
        expect![[r#"
        error: Template format error: unsupported structure.
         --> template.yaml:1:1
          |
        1 |
          | ^
          |
          = help: the template is empty: it needs at least a Resources section"#]],
    );
    refuses(
        "a: 1\n---\nb: 2\n",
        expect![[r#"
        error: Template format error: YAML not well-formed. (line 2, column 1)
         --> template.yaml:2:1
          |
        2 | ---
          | ^^^ a second document; a template is one document"#]],
    );
    refuses(
        "? [a]\n: b\n",
        expect![[r#"
        error: Template format error: YAML not well-formed. (line 1, column 3)
         --> template.yaml:1:3
          |
        1 | ? [a]
          |   ^ a key must be a plain string"#]],
    );
}

#[test]
fn locates_paths() {
    let source = concat!(
        "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n",
        "      Tags: [ä, b]\n      QueueName: !Ref Name\n",
    );
    let node = parse(source).expect("well-formed");
    let place = |path: &str| {
        let span = node.locate(path);
        &source[span.start..span.end]
    };
    assert_eq!(place("/Resources/Queue"), "Queue");
    assert_eq!(place("/Resources/Queue/Type"), "AWS::SQS::Queue");
    assert_eq!(place("/Resources/Queue/Properties/Tags"), "Tags");
    assert_eq!(place("/Resources/Queue/Properties/QueueName"), "!Ref Name");
    assert_eq!(place("/Resources/Queue/Properties/Tags/1"), "b");
    assert_eq!(place("/Resources/Queue/Properties/Missing/Deeper"), "Properties");
}

#[test]
fn bounds_size_depth_and_aliases() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", ")));
    }
    assert!(parse(&bomb).expect_err("too many values").label.expect("a label").contains("values after aliases"));
    for deep in ["[".repeat(DEPTH_MAX * 50), format!("{{\"a\":{}", "[".repeat(DEPTH_MAX * 50))] {
        assert!(parse(&deep).expect_err("too deep").label.is_some());
    }
    assert!(parse(&"# ".repeat(TEMPLATE_BYTES_MAX)).is_err());
}

proptest! {
    #[test]
    fn never_panics_on_any_text(source in "\\PC{0,200}") {
        render_fault(&source);
    }

    #[test]
    fn never_panics_on_what_looks_like_yaml(
        source in "([ \\n\\t:{}\\[\\],!&*|>?#'\"%@`\\-]|a|é|Ref|<<|---|\\.\\.\\.|: |- |\\n  ){0,60}"
    ) {
        render_fault(&source);
    }

    #[test]
    fn reads_back_what_json_writes(value in json_value()) {
        let source = value.to_string();
        let node = parse(&format!("{{\"v\":{source}}}")).expect("well-formed");
        prop_assert_eq!(&node.to_json()["v"], &value);
    }
}

fn render_fault(source: &str) {
    if let Err(diagnostic) = parse(source) {
        diagnostic.render("template.yaml", source);
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,8}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
