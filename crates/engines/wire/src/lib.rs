//! AWS's wire protocols: from an HTTP request to a typed call of an operation and back.
//!
//! Each service's operations are described by constant tables ([`schema`]) which are generated from the public
//! interface models. One reader and one writer per protocol walk these tables; the same tables drive the
//! validation of inputs, the routing, and the list of what is supported. A service sees only plain structs.
//!
//! Invariants: only this crate and `front` know HTTP; no service logic here; nothing is read without a bound.

mod api;
mod body;
mod call;
pub mod checksum;
mod convert;
mod detect;
mod error;
mod event_stream;
mod handle;
mod host;
mod inside;
mod page;
mod parameters;
mod read;
pub mod schema;
mod services;
mod shaped;
pub mod sigv4;
mod stream;
mod summary;
mod upload;
mod validate;
mod value;
mod write;

pub use api::{Api, ApiBuilder};
pub use body::Body;
pub use call::{Call, Caller, Reply};
pub use convert::{Document, FromValue, IntoValue, Members};
pub use detect::{Detected, Head, Labels, Refusal, detect};
pub use error::{Error, Fault};
pub use event_stream::EventStream;
pub use handle::handle;
pub use host::{Beginning, Ending, Host, Identity, Input};
pub use inside::{invoke, invoke_json};
pub use page::page_after;
pub use parameters::Parameters;
pub use read::{Notice, Parts, Unreadable, read, streams};
pub use services::Services;
pub use shaped::{Operation, Shaped, Unshaped};
pub use stream::ByteStream;
pub use upload::Verified;
pub use validate::validate;
pub use value::{Fields, Value};
pub use write::Writer;
