use base::Timestamp;
use bytes::Bytes;

/// A value in between the wire and a typed struct. A tree follows a schema; it does not name its members.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    String(String),
    Blob(Bytes),
    Timestamp(Timestamp),
    List(Vec<Value>),
    /// In the order of arrival.
    Map(Vec<(String, Value)>),
    Structure(Fields),
    Document(serde_json::Value),
}

/// The members of a structure, in the order of its schema; absent members are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<Option<Value>>);

impl Fields {
    /// `count` absent members.
    pub fn empty(count: usize) -> Fields {
        Fields(vec![None; count])
    }

    /// Takes the member at `index` out.
    pub fn take(&mut self, index: usize) -> Option<Value> {
        self.0.get_mut(index).and_then(Option::take)
    }

    pub fn set(&mut self, index: usize, value: Value) {
        self.0[index] = Some(value);
    }

    pub fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index).and_then(Option::as_ref)
    }
}
