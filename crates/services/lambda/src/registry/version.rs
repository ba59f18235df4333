use std::collections::BTreeMap;

use base::{Scope, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The version that changes: the code and configuration as they are now.
pub const LATEST: &str = "$LATEST";

/// What an invocation runs: one version's code and configuration. It never changes; a change of the function
/// makes another `Version`, with a new [`Version::revision`] where it concerns execution environments.
///
/// A version of the registry is always usable (`Active`): its code is checked and unpacked before it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    #[serde(skip)]
    pub scope: Scope,
    #[serde(skip)]
    pub function_name: String,
    /// The function's ARN without a qualifier.
    #[serde(skip)]
    pub arn: String,
    /// `$LATEST`, or a number: `7`.
    pub version: String,
    /// Changes with code and configuration, and only with them: environments of another revision are stale.
    pub revision: String,
    /// AWS's `RevisionId`, which changes with policies and tags too.
    pub revision_id: String,
    /// The execution role's ARN.
    pub role: String,
    /// The runtime identifier; absent for images.
    pub runtime: Option<String>,
    /// Absent for images.
    pub handler: Option<String>,
    /// What its environments run.
    #[serde(flatten)]
    pub code: Code,
    /// In the order in which they are laid over each other, the lowest first.
    pub layers: Vec<Layer>,
    /// The environment variables; absent if they were never set.
    pub environment: Option<BTreeMap<String, String>>,
    pub memory_mb: u32,
    pub timeout_s: u32,
    pub ephemeral_storage_mb: u32,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    pub description: String,
    /// The ARN of a queue or topic for events that are given up.
    pub dead_letter_target: Option<String>,
    /// `PassThrough` or `Active`.
    pub tracing_mode: String,
    pub logging: Logging,
    /// `None` or `PublishedVersions`.
    pub snap_start: String,
    /// Kept and shown; Kobel does not place functions in networks.
    pub vpc: Option<Vpc>,
    /// Kept and shown; Kobel keeps environment variables as they are.
    pub kms_key_arn: Option<String>,
    pub last_modified: Timestamp,
}

/// A function's code, by its package type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// `Zip`
    Package(Package),
    /// `Image`
    Image {
        #[serde(flatten)]
        image: Image,
        #[serde(default)]
        overrides: ImageOverrides,
    },
}

/// A container image, as it was when the function got it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As the caller named it: `ImageUri`.
    pub uri: String,
    /// The same image for good: `ResolvedImageUri`.
    pub resolved_uri: String,
    /// Its SHA-256 in hexadecimal: `CodeSha256`.
    pub digest: String,
}

/// What a function has instead of what its image says: `ImageConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOverrides {
    pub entry_point: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub working_directory: Option<String>,
}

/// A deployment package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// SHA-256 of the archive, in base64: `CodeSha256`.
    pub sha256: String,
    /// Size of the archive, in bytes: `CodeSize`.
    pub size: u64,
    /// The blob that holds the archive.
    pub blob: String,
    /// Size of what the archive holds, in bytes.
    #[serde(default)]
    pub unpacked: u64,
}

/// A layer version as a function uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The layer version's ARN.
    pub arn: String,
    pub package: Package,
}

/// Where a function's log goes, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// `Text` or `JSON`.
    pub format: String,
    /// The log group's name.
    pub group: String,
    /// Only with the format `JSON`.
    pub application_level: Option<String>,
    /// Only with the format `JSON`.
    pub system_level: Option<String>,
}

/// The network configuration, as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
    pub ipv6_allowed: bool,
}

impl Version {
    /// The ARN with the version: `…:function:resize:$LATEST`.
    pub fn qualified_arn(&self) -> String {
        format!("{}:{}", self.arn, self.version)
    }

    /// Whether its environments come from a snapshot of its runtime after init: SnapStart, which `$LATEST` never has.
    pub fn has_snap_start(&self) -> bool {
        self.snap_start == "PublishedVersions" && self.version != LATEST
    }

    /// The packages that its environments are made of: its own, and its layers'.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.code.package().into_iter().chain(self.layers.iter().map(|layer| &layer.package))
    }
}

impl Code {
    /// `PackageType`.
    pub fn package_type(&self) -> &'static str {
        if self.image().is_some() { "Image" } else { "Zip" }
    }

    /// `CodeSha256`.
    pub fn sha256(&self) -> &str {
        match self {
            Code::Package(package) => &package.sha256,
            Code::Image { image, .. } => &image.digest,
        }
    }

    /// `CodeSize`, in bytes; none is told of images.
    pub fn size(&self) -> u64 {
        self.package().map_or(0, |package| package.size)
    }

    pub fn package(&self) -> Option<&Package> {
        match self {
            Code::Package(package) => Some(package),
            Code::Image { .. } => None,
        }
    }

    pub fn image(&self) -> Option<&Image> {
        match self {
            Code::Package(_) => None,
            Code::Image { image, .. } => Some(image),
        }
    }
}

impl Package {
    /// The archive's SHA-256 in hexadecimal, as folders and links have it.
    pub fn digest(&self) -> String {
        wire::checksum::hex(&STANDARD.decode(&self.sha256).unwrap_or_default())
    }
}

impl Logging {
    pub fn is_json(&self) -> bool {
        self.format == "JSON"
    }
}
