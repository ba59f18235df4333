//! CloudFormation's short forms: `!Sub text` stands for `{"Fn::Sub": text}`.

use crate::node::{Key, Node, NodeValue, Span};

/// The functions that have a short form of the same name behind `Fn::`.
const FUNCTIONS: [&str; 24] = [
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "GetStackOutput",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
];

/// The long name of a short form, as `Fn::Sub` for `Sub`; `None` when there is no such function.
pub fn long_name(tag: &str) -> Option<String> {
    match tag {
        "Ref" | "Condition" => Some(tag.to_owned()),
        "ValueOfAll" => Some("Fn::ValueOfAll".to_owned()),
        _ => FUNCTIONS.contains(&tag).then(|| format!("Fn::{tag}")),
    }
}

/// The long form of a tagged value.
pub fn expand(long_name: String, argument: Node, tag_span: Span) -> Node {
    let argument = match (&*long_name, &argument.value) {
        ("Fn::GetAtt", NodeValue::String(text)) => split_attribute(text, argument.span),
        _ => argument,
    };
    let span = Span::new(tag_span.start.min(argument.span.start), argument.span.end);
    Node::new(NodeValue::Mapping(vec![(Key { name: long_name, span: tag_span }, argument)]), span)
}

/// `Queue.Arn` as `[Queue, Arn]`; further dots belong to the attribute.
fn split_attribute(text: &str, span: Span) -> Node {
    let string = |part: &str| Node::new(NodeValue::String(part.to_owned()), span);
    let parts = match text.split_once('.') {
        Some((id, attribute)) => vec![string(id), string(attribute)],
        None => vec![string(text)],
    };
    Node::new(NodeValue::Sequence(parts), span)
}
