use expect_test::{Expect, expect};

use super::*;
use crate::graph::creation_order;

fn document(source: &str) -> Result<Template, TemplateError> {
    let node = crate::parse(source).expect("well-formed");
    let template = Template::from_json(&node.to_json())?;
    template.check_references()?;
    Ok(template)
}

fn refuses(source: &str, expected: Expect) {
    let error = document(source).expect_err("the document is invalid");
    expected.assert_eq(&format!("{} @ {}", error.message, error.path));
}

#[test]
fn speaks_cloudformations_sentences() {
    refuses("a: 1", expect!["Invalid template property or properties [a] @ /a"]);
    refuses("[]", expect!["Template format error: unsupported structure. @ "]);
    refuses(
        "Resources: {}",
        expect!["Template format error: At least one Resources member must be defined. @ /Resources"],
    );
    refuses(
        "Description: x",
        expect!["Template format error: At least one Resources member must be defined. @ /Resources"],
    );
    refuses(
        "Resources: {A: text}",
        expect!["Template format error: Any Resources member must be an object. @ /Resources/A"],
    );
    refuses(
        "Resources: {A: {Properties: {}}}",
        expect![
            "Template format error: [/Resources/A] Every Resources object must contain a Type member. @ /Resources/A"
        ],
    );
    refuses(
        "Resources: {A-b: {Type: T}}",
        expect!["Template format error: Resource name A-b is non alphanumeric. @ /Resources/A-b"],
    );
    refuses(
        "Resources: {A: {Type: T, Propertys: {}}}",
        expect!["Invalid template resource property 'Propertys' @ /Resources/A/Propertys"],
    );
    refuses(
        "Resources: {A: {Type: T, Properties: {B: }}}",
        expect![
            "Template format error: [/Resources/A/Properties/B] 'null' values are not allowed in templates @ /Resources/A/Properties/B"
        ],
    );
    refuses(
        "Resources: {A: {Type: T, DeletionPolicy: Keep}}",
        expect!["Template error: Unrecognized DeletionPolicy Keep for resource A @ /Resources/A/DeletionPolicy"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nParameters: {P: {Default: x}}",
        expect!["Template format error: Every Parameters object must contain a Type member. @ /Parameters/P"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nParameters: {P: {Type: Text}}",
        expect!["Template format error: Unrecognized parameter type: Text @ /Parameters/P/Type"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nMappings: {M: {A: b}}",
        expect!["Template format error: Every Mappings member M must be a map @ /Mappings/M"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nMappings: {M: {A: {b: {c: d}}}}",
        expect!["Template format error: Every Mappings attribute must be a String or a List. @ /Mappings/M/A/b"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nOutputs: {O: {Description: d}}",
        expect!["Template format error: Every Outputs member must contain a Value object @ /Outputs/O"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nAWSTemplateFormatVersion: 2010-09-10",
        expect![
            "Template format error: [/AWSTemplateFormatVersion] The only supported value is 2010-09-09. @ /AWSTemplateFormatVersion"
        ],
    );
}

#[test]
fn finds_what_is_not_there() {
    refuses(
        "Resources: {A: {Type: T, Properties: {B: !Ref C, D: !Sub '${E.Arn} ${AWS::Region}'}}}",
        expect![
            "Template format error: Unresolved resource dependencies [C, E] in the Resources block of the template @ /Resources/A/Properties/B"
        ],
    );
    refuses(
        "Resources: {A: {Type: T, DependsOn: B}}",
        expect![
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template @ /Resources/A/DependsOn"
        ],
    );
    refuses(
        "Resources: {A: {Type: T, Condition: C}}",
        expect![
            "Template format error: Unresolved condition dependency C in the Resources block of the template @ /Resources/A/Condition"
        ],
    );
    refuses(
        "Resources: {A: {Type: T, Properties: {B: !If [C, 1, 2]}}}",
        expect!["Template error: unresolved condition dependency C in Fn::If @ /Resources/A/Properties"],
    );
    refuses(
        "Resources: {A: {Type: T}}\nOutputs: {O: {Value: !GetAtt B.Arn}}",
        expect![
            "Template format error: Unresolved resource dependencies [B] in the Outputs block of the template @ /Outputs/O/Value"
        ],
    );
}

#[test]
fn finds_circles() {
    refuses(
        "Resources:\n  A: {Type: T, Properties: {X: !Ref B}}\n  B: {Type: T, DependsOn: A}\n  C: {Type: T, DependsOn: A}\n  D: {Type: T}",
        expect!["Circular dependency between resources: [A, B] @ /Resources/A"],
    );
    refuses(
        "Resources: {A: {Type: T, Properties: {X: !GetAtt A.Arn}}}",
        expect!["Circular dependency between resources: [A] @ /Resources/A"],
    );
}

#[test]
fn orders_resources_by_need_and_then_by_text() {
    let template = document(
        "Resources:\n  A: {Type: T, Properties: {X: !GetAtt C.Arn}}\n  B: {Type: T}\n  C: {Type: T, DependsOn: [D]}\n  D: {Type: T}",
    )
    .expect("valid");
    assert_eq!(creation_order(&template, None).expect("no circle"), ["B", "D", "C", "A"]);
}
