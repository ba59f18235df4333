//! Container images without a container engine: read from a folder, an archive or a registry, checked, unpacked
//! and merged into one folder that can be the root of an execution environment.
//!
//! A [`Reference`] says where an image is, [`Images::pull`] brings it in, [`Images::get`] finds it again.
//!
//! Invariants:
//! - Nothing is visible under its final name before it is whole, checked against its digests and on disk.
//! - Each layer is unpacked once, whichever images share it: a merged root consists of hard links to the files of
//!   its layers. That needs neither privileges nor whiteouts or attributes that only some kernels and file systems
//!   know, and mounting such a root is one bind mount however many layers there were.
//! - Whatever an image says, nothing is written outside of its folder, no link of it is followed, no device or
//!   set-user-id program is made, and there is a limit on bytes, entries, layers and documents.
//! - A root stays as long as somebody holds its [`Image`].
//!
//! Modules: `reference` and `digest` are names; `document` is what manifests and configurations say; `source` reads
//! layouts, archives and registries; `archive` finds files in a tar; `pack` makes one of a layout; `unpack` makes a layer's folder, `merge` an
//! image's root; `images` keeps them.

mod archive;
mod decompress;
mod digest;
mod document;
mod error;
mod images;
mod merge;
mod pack;
mod reference;
mod source;
mod unpack;

pub use digest::Digest;
pub use document::Config;
pub use error::Error;
pub use images::{Image, Images, Spool};
pub use pack::Packed;
pub use reference::Reference;
pub use unpack::UNPACKED_BYTES_MAX;
