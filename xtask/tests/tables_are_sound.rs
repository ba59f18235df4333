//! What the readers and writers of `wire` rely on holds in every generated table.

use std::collections::BTreeSet;

use wire::schema::{Location, Operation, Service, Shape, Structure};

const SERVICES: &[&Service] = &[
    &model_cloudformation::SERVICE,
    &model_iam::SERVICE,
    &model_lambda::SERVICE,
    &model_logs::SERVICE,
    &model_s3::SERVICE,
    &model_sns::SERVICE,
    &model_sqs::SERVICE,
    &model_sts::SERVICE,
];

fn operations() -> impl Iterator<Item = &'static Operation> {
    SERVICES.iter().flat_map(|service| service.operations.iter().copied())
}

#[test]
fn operations_are_found_by_name() {
    for service in SERVICES {
        for operation in service.operations {
            let found = service.operation(operation.name).map(|found| found.name);
            assert_eq!(found, Some(operation.name), "{}", service.id);
            assert!(!service.lacks(operation.name), "{} is both there and missing", operation.name);
        }
    }
}

#[test]
fn labels_of_the_path_and_label_members_agree() {
    for operation in operations() {
        let path = operation.uri.split('?').next().unwrap_or_default();
        let labels: BTreeSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|label| label.trim_end_matches('+'))
            .collect();
        let members = operation.input.members.iter().filter(|member| member.location == Location::Label);
        let members: BTreeSet<&str> = members.map(|member| member.wire_name).collect();
        assert_eq!(labels, members, "{}", operation.name);
    }
}

#[test]
fn a_payload_lies_in_the_body_and_is_alone_there() {
    for operation in operations() {
        for end in [operation.input, operation.output] {
            let Some(payload) = end.payload else { continue };
            for (index, member) in end.members.iter().enumerate() {
                let is_body = member.location == Location::Body;
                assert_eq!(is_body, index == payload, "{}.{}", end.name, member.name);
            }
        }
    }
}

#[test]
fn streams_are_payloads() {
    for operation in operations() {
        for end in [operation.input, operation.output] {
            for (index, member) in end.members.iter().enumerate() {
                if let Shape::Blob { streaming: true, .. } = member.shape {
                    assert_eq!(end.payload, Some(index), "{}.{}", end.name, member.name);
                }
            }
        }
    }
}

#[test]
fn members_of_a_place_have_different_names() {
    fn check(structure: &'static Structure, seen: &mut BTreeSet<&'static str>) {
        if !seen.insert(structure.name) {
            return;
        }
        let mut names = BTreeSet::new();
        let mut query_names = BTreeSet::new();
        for member in structure.members {
            let place = format!("{:?}", member.location);
            assert!(names.insert((place, member.wire_name)), "{}.{}", structure.name, member.name);
            assert!(query_names.insert(member.query_name), "{}.{}", structure.name, member.name);
            check_shape(member.shape, seen);
        }
    }
    fn check_shape(shape: &'static Shape, seen: &mut BTreeSet<&'static str>) {
        match shape {
            Shape::Structure(structure) => check(structure, seen),
            Shape::List(list) => check_shape(list.element, seen),
            Shape::Map(map) => {
                assert!(matches!(map.key, Shape::String(_)), "keys are strings");
                check_shape(map.value, seen);
            }
            _ => {}
        }
    }
    for service in SERVICES {
        let mut seen = BTreeSet::new();
        for operation in service.operations {
            check(operation.input, &mut seen);
            check(operation.output, &mut seen);
        }
    }
}

#[test]
fn sqs_keeps_the_names_of_its_query_protocol() {
    let send = model_sqs::SERVICE.operation("SendMessageBatch").expect("SQS has it");
    let entries = &send.input.members[send.input.index("Entries").expect("it has entries")];
    assert_eq!((entries.wire_name, entries.query_name), ("Entries", "SendMessageBatchRequestEntry"));
    assert!(entries.flattened);
    let error = &model_sqs::errors::QUEUE_DOES_NOT_EXIST;
    assert_eq!((error.query_code, error.status), ("AWS.SimpleQueueService.NonExistentQueue", 400));
}
