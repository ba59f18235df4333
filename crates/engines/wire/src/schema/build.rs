//! Short constructors, so that the generated tables name only what differs from the usual.

use super::{List, Location, Map, Member, Missing, Range, Shape, Structure, Text};

/// The shape of a member that Kobel does not honour and whose parts are therefore not described.
pub static OPAQUE: Shape = Shape::Document;

impl Member {
    /// An optional, honoured member of the body.
    pub const fn new(name: &'static str, shape: &'static Shape) -> Member {
        Member {
            name,
            wire_name: name,
            query_name: name,
            location: Location::Body,
            shape,
            required: false,
            honoured: true,
            flattened: false,
            attribute: false,
            idempotency_token: false,
        }
    }

    /// Names it otherwise on the wire, in the query protocol too.
    pub const fn wire(mut self, name: &'static str) -> Member {
        self.wire_name = name;
        self.query_name = name;
        self
    }

    /// Names it otherwise in the query protocol alone.
    pub const fn query(mut self, name: &'static str) -> Member {
        self.query_name = name;
        self
    }

    pub const fn at(mut self, location: Location) -> Member {
        self.location = location;
        self
    }

    pub const fn required(mut self) -> Member {
        self.required = true;
        self
    }

    /// Marks it as not honoured.
    pub const fn ignored(mut self) -> Member {
        self.honoured = false;
        self
    }

    pub const fn flattened(mut self) -> Member {
        self.flattened = true;
        self
    }

    pub const fn attribute(mut self) -> Member {
        self.attribute = true;
        self
    }

    pub const fn idempotency_token(mut self) -> Member {
        self.idempotency_token = true;
        self
    }
}

impl Structure {
    pub const fn new(name: &'static str, members: &'static [Member]) -> Structure {
        Structure { name, xml_name: None, members, payload: None, union: false, event_stream: false }
    }

    pub const fn xml_name(mut self, name: &'static str) -> Structure {
        self.xml_name = Some(name);
        self
    }

    pub const fn payload(mut self, index: usize) -> Structure {
        self.payload = Some(index);
        self
    }

    pub const fn union(mut self) -> Structure {
        self.union = true;
        self
    }

    pub const fn event_stream(mut self) -> Structure {
        self.event_stream = true;
        self
    }
}

impl Text {
    /// Any string.
    pub const ANY: Text = Text { min: 0, max: None, pattern: None, allowed: &[], json_value: false, sensitive: false };

    pub const fn min(mut self, min: u64) -> Text {
        self.min = min;
        self
    }

    pub const fn max(mut self, max: u64) -> Text {
        self.max = Some(max);
        self
    }

    pub const fn pattern(mut self, pattern: &'static str) -> Text {
        self.pattern = Some(pattern);
        self
    }

    pub const fn allowed(mut self, allowed: &'static [&'static str]) -> Text {
        self.allowed = allowed;
        self
    }

    pub const fn json_value(mut self) -> Text {
        self.json_value = true;
        self
    }

    pub const fn sensitive(mut self) -> Text {
        self.sensitive = true;
        self
    }
}

impl Range {
    /// Any number.
    pub const ANY: Range = Range { min: None, max: None };

    pub const fn min(mut self, min: i64) -> Range {
        self.min = Some(min);
        self
    }

    pub const fn max(mut self, max: i64) -> Range {
        self.max = Some(max);
        self
    }
}

impl List {
    pub const fn of(element: &'static Shape) -> List {
        List { min: 0, max: None, element_name: "member", element, flattened: false }
    }

    pub const fn min(mut self, min: u64) -> List {
        self.min = min;
        self
    }

    pub const fn max(mut self, max: u64) -> List {
        self.max = Some(max);
        self
    }

    pub const fn element_name(mut self, name: &'static str) -> List {
        self.element_name = name;
        self
    }

    pub const fn flattened(mut self) -> List {
        self.flattened = true;
        self
    }
}

impl Map {
    pub const fn of(key: &'static Shape, value: &'static Shape) -> Map {
        Map { min: 0, max: None, key_name: "key", value_name: "value", key, value, flattened: false }
    }

    pub const fn min(mut self, min: u64) -> Map {
        self.min = min;
        self
    }

    pub const fn max(mut self, max: u64) -> Map {
        self.max = Some(max);
        self
    }

    pub const fn names(mut self, key: &'static str, value: &'static str) -> Map {
        self.key_name = key;
        self.value_name = value;
        self
    }

    pub const fn flattened(mut self) -> Map {
        self.flattened = true;
        self
    }
}

impl Missing {
    pub const fn new(name: &'static str, method: &'static str, uri: &'static str) -> Missing {
        Missing { name, method, uri }
    }
}
