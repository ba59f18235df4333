//! The project's own tools.
//!
//! - [`codegen`] writes `crates/models/*` from the interface models of a pinned botocore.
//! - [`tidy`] checks the invariants of the architecture.
//!
//! Invariant: what is generated depends on nothing but the pinned models and each service's `operations.toml`.

pub mod codegen;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The root of the clone.
pub fn workspace_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the workspace").to_owned()
}
