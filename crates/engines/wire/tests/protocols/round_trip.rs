//! Readers never panic, and read back what writers wrote.

use base::Timestamp;
use bytes::Bytes;
use http_body_util::BodyExt;
use proptest::prelude::*;
use wire::schema::{List, Map, Member, Operation, Protocol, Range, Service, Shape, Structure, Text, TimestampForm};
use wire::{Fields, Notice, Parameters, Parts, Reply, Value, Writer, read};

static STRING: Shape = Shape::String(Text::ANY);
static LONG: Shape = Shape::Long(Range::ANY);
static BLOB: Shape = Shape::Blob { min: 0, max: None, streaming: false };
static MOMENT: Shape = Shape::Timestamp(TimestampForm::Default);
static STRINGS: Shape = Shape::List(List::of(&STRING));
static ENTRIES: Shape = Shape::Map(Map::of(&STRING, &NODE_SHAPE));
static NODE: Structure = Structure::new(
    "Node",
    &[
        Member::new("Text", &STRING),
        Member::new("Number", &LONG),
        Member::new("Ratio", &Shape::Double),
        Member::new("Flag", &Shape::Boolean),
        Member::new("Bytes", &BLOB),
        Member::new("Moment", &MOMENT),
        Member::new("Items", &STRINGS),
        Member::new("Flat", &STRINGS).flattened(),
        Member::new("Entries", &ENTRIES),
    ],
);
static NODE_SHAPE: Shape = Shape::Structure(&NODE);
static OPERATION: Operation = Operation {
    name: "Echo",
    method: "POST",
    uri: "/",
    status: 200,
    input: &NODE,
    output: &NODE,
    result_wrapper: None,
    errors: &[],
    checksum_required: false,
};
static SERVICE: Service = Service {
    id: "echo",
    signing_name: "echo",
    api_version: "1",
    protocols: &[Protocol::Json10],
    target_prefix: "Echo",
    shape_name: "Echo",
    error_namespace: "echo",
    xml_namespace: "urn:echo",
    query_compatible: false,
    operations: &[&OPERATION],
    missing: &[],
};

const READERS: [Protocol; 5] =
    [Protocol::Json10, Protocol::Json11, Protocol::RestJson, Protocol::RestXml, Protocol::RpcV2Cbor];

fn text() -> impl Strategy<Value = String> {
    // XML cannot carry a carriage return or other control characters unchanged in text.
    "[ -~äß€\u{1f43f}]{1,12}"
}

fn node() -> impl Strategy<Value = Fields> {
    let leaf = (
        proptest::option::of(text().prop_map(Value::String)),
        proptest::option::of(any::<i64>().prop_map(Value::Integer)),
        proptest::option::of(any::<i32>().prop_map(|n| Value::Double(f64::from(n) / 64.0))),
        proptest::option::of(any::<bool>().prop_map(Value::Boolean)),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20).prop_map(|b| Value::Blob(b.into()))),
        proptest::option::of((0..4_000_000_000_000i64).prop_map(|ms| Value::Timestamp(Timestamp::from_millis(ms)))),
        proptest::option::of(proptest::collection::vec(text().prop_map(Value::String), 1..4).prop_map(Value::List)),
        proptest::option::of(proptest::collection::vec(text().prop_map(Value::String), 1..4).prop_map(Value::List)),
    );
    let leaf = leaf.prop_map(|(a, b, c, d, e, f, g, h)| Fields(vec![a, b, c, d, e, f, g, h, None]));
    leaf.prop_recursive(3, 16, 3, |inner| {
        (inner.clone(), proptest::collection::btree_map(text(), inner, 1..3)).prop_map(|(mut node, entries)| {
            node.set(8, Value::Map(entries.into_iter().map(|(k, v)| (k, Value::Structure(v))).collect()));
            node
        })
    })
}

fn write(protocol: Protocol, fields: Fields) -> Bytes {
    let writer = Writer {
        protocol,
        service: Some(&SERVICE),
        request_id: "id",
        host_id: "host",
        head: false,
        now: Timestamp::EPOCH,
        ignored: &[],
    };
    let response = writer.success(&OPERATION, Reply::from(fields));
    futures_executor::block_on(response.into_body().collect()).expect("a body").to_bytes()
}

fn read_back(protocol: Protocol, body: &Bytes, form: Option<&Parameters>) -> Result<Fields, wire::Unreadable> {
    let (labels, query, headers) = (Vec::new(), Parameters::default(), http::HeaderMap::new());
    let parts = Parts { labels: &labels, query: &query, headers: &headers, form, body };
    read(&OPERATION, protocol, &parts, &mut Notice::default())
}

proptest! {
    #[test]
    fn reads_back_what_was_written(fields in node()) {
        for protocol in READERS {
            let body = write(protocol, fields.clone());
            prop_assert_eq!(&read_back(protocol, &body, None).expect("readable"), &fields, "{:?}", protocol);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(bytes);
        for protocol in READERS {
            let _ = read_back(protocol, &body, None);
        }
        if let Some(form) = Parameters::parse(&String::from_utf8_lossy(&body)) {
            let _ = read_back(Protocol::Query, &Bytes::new(), Some(&form));
        }
    }

    #[test]
    fn no_change_of_a_good_body_makes_a_reader_panic(fields in node(), at in any::<usize>(), byte in any::<u8>()) {
        for protocol in READERS {
            let mut body = write(protocol, fields.clone()).to_vec();
            if !body.is_empty() {
                let at = at % body.len();
                body[at] = byte;
                let _ = read_back(protocol, &Bytes::from(body), None);
            }
        }
    }

    #[test]
    fn forms_of_names_with_dots_are_read(parts in proptest::collection::vec("(Text|Items|member|Entries|entry|key|value|[0-9]{1,3})", 1..40)) {
        let form = Parameters::parse(&format!("{}=x", parts.join("."))).expect("a form");
        let _ = read_back(Protocol::Query, &Bytes::new(), Some(&form));
    }
}

#[test]
fn deep_input_is_refused() {
    let json = "{\"Entries\":{\"a\":".repeat(100) + "{}" + &"}}".repeat(100);
    assert!(read_back(Protocol::Json10, &Bytes::from(json), None).is_err());
    let xml = "<Node>".repeat(1_000) + &"</Node>".repeat(1_000);
    assert!(read_back(Protocol::RestXml, &Bytes::from(xml), None).is_err());
    let cbor = [0x81; 100_000];
    assert!(read_back(Protocol::RpcV2Cbor, &Bytes::copy_from_slice(&cbor), None).is_err());
}

#[test]
fn cbor_of_other_writers_is_read() {
    // An indefinite map; `Text` in two pieces, `Ratio` as a half float, `Number` as a float, `Flag` undefined,
    // `Moment` as a tagged double, `Items` indefinite, and an unknown key.
    let body = b"\xbf\x64Text\x7f\x62ab\x61c\xff\x65Ratio\xf9\x3e\x00\x66Number\xfa\x40\x40\x00\x00\x64Flag\xf7\
        \x66Moment\xc1\xfb\x41\xd9\x95\x60\x69\x10\x00\x00\x65Items\x9f\x61x\xff\x67unknown\x82\x01\x02\xff";
    let fields = read_back(Protocol::RpcV2Cbor, &Bytes::from_static(body), None).expect("readable");
    assert_eq!(fields.get(0), Some(&Value::String("abc".into())));
    assert_eq!(fields.get(1), Some(&Value::Integer(3)));
    assert_eq!(fields.get(2), Some(&Value::Double(1.5)));
    assert_eq!(fields.get(3), None);
    assert!(matches!(fields.get(5), Some(Value::Timestamp(_))));
    assert_eq!(fields.get(6), Some(&Value::List(vec![Value::String("x".into())])));
}
