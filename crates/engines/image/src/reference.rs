use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Digest, Error};

/// The registry and the name that stand where none are given, as Docker has it.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// The longest name of a repository, and of a tag, in bytes.
const REPOSITORY_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `oci:PATH` or `oci:PATH:TAG`: an OCI layout, as a folder or as a tar of it.
    Layout { path: PathBuf, tag: Option<String> },
    /// `docker-archive:PATH`: what `docker save` writes.
    DockerArchive { path: PathBuf },
    /// A tar of either kind. Nobody writes it so: it is what a file is taken for of which no more is known.
    Archive { path: PathBuf },
    /// `public.ecr.aws/lambda/python:3.13`, `python@sha256:…`.
    Registry { registry: String, repository: String, version: Tagged },
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagged {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    /// The file or folder of one that is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        match self {
            Reference::Layout { path, .. } | Reference::DockerArchive { path } | Reference::Archive { path } => {
                Some(path)
            }
            Reference::Registry { .. } => None,
        }
    }

    /// The same image for good, whatever happens to its tag. A local one is named by what it is found at.
    pub fn pinned(&self, digest: &Digest) -> String {
        match self {
            Reference::Registry { registry, repository, .. } => format!("{registry}/{repository}@{digest}"),
            Reference::Layout { path, .. } => format!("oci:{}@{digest}", path.display()),
            Reference::DockerArchive { path } => format!("docker-archive:{}@{digest}", path.display()),
            Reference::Archive { path } => format!("{}@{digest}", path.display()),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference, Error> {
        let wrong = |reason| Error::Reference { text: text.to_owned(), reason };
        if let Some(path) = text.strip_prefix("docker-archive:") {
            return match path {
                "" => Err(wrong("a path is missing after `docker-archive:`")),
                path => Ok(Reference::DockerArchive { path: path.into() }),
            };
        }
        if let Some(path) = text.strip_prefix("oci:") {
            let (path, tag) = match path.rsplit_once(':') {
                Some((path, tag)) if is_tag(tag) => (path, Some(tag.to_owned())),
                _ => (path, None),
            };
            return match path {
                "" => Err(wrong("a path is missing after `oci:`")),
                path => Ok(Reference::Layout { path: path.into(), tag }),
            };
        }
        registry(text).map_err(wrong)
    }
}

fn registry(text: &str) -> Result<Reference, &'static str> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse().map_err(|_| "what follows `@` is no SHA-256 digest")?)),
        None => (text, None),
    };
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("its tag has characters that no tag has");
    }
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
        Some(_) => (DEFAULT_REGISTRY, name.to_owned()),
        None => (DEFAULT_REGISTRY, format!("{DEFAULT_NAMESPACE}/{name}")),
    };
    if !is_registry(registry) {
        return Err("its registry is no host name with an optional port");
    }
    if repository.len() > REPOSITORY_BYTES_MAX || !repository.split('/').all(is_part) {
        return Err("write it like registry/name:tag, oci:PATH or docker-archive:PATH");
    }
    let tag = || Tagged::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned());
    let version = digest.map_or_else(tag, Tagged::Digest);
    Ok(Reference::Registry { registry: registry.to_owned(), repository, version })
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_bounded = outer(host.bytes().next()) && outer(host.bytes().last());
    is_bounded && host.bytes().all(is_host) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// A part of a repository's name, as the distribution specification has it.
fn is_part(part: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    part.bytes().all(inner) && outer(part.bytes().next()) && outer(part.bytes().last())
}

fn is_tag(tag: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && tag.bytes().all(inner) && !tag.starts_with(['.', '-'])
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Layout { path, tag: None } => write!(f, "oci:{}", path.display()),
            Reference::Layout { path, tag: Some(tag) } => write!(f, "oci:{}:{tag}", path.display()),
            Reference::DockerArchive { path } => write!(f, "docker-archive:{}", path.display()),
            Reference::Archive { path } => write!(f, "{}", path.display()),
            Reference::Registry { registry, repository, version: Tagged::Tag(tag) } => {
                write!(f, "{registry}/{repository}:{tag}")
            }
            Reference::Registry { registry, repository, version: Tagged::Digest(digest) } => {
                write!(f, "{registry}/{repository}@{digest}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let hex = "a".repeat(64);
        let digest = format!("localhost:5000/a/b@sha256:{hex}");
        let cases = [
            ("python:3.13-slim", "docker.io/library/python:3.13-slim"),
            ("amazon/aws-lambda-python", "docker.io/amazon/aws-lambda-python:latest"),
            ("public.ecr.aws/lambda/python:3.13", "public.ecr.aws/lambda/python:3.13"),
            ("localhost:5000/fn", "localhost:5000/fn:latest"),
            (&digest, &digest),
            ("oci:./layout", "oci:./layout"),
            ("oci:/a/layout.tar:v1", "oci:/a/layout.tar:v1"),
            ("docker-archive:/a/b.tar", "docker-archive:/a/b.tar"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Reference>().expect(text).to_string(), expected);
        }
    }

    #[test]
    fn refuses_what_names_no_image() {
        let wrong = [
            "",
            "oci:",
            "docker-archive:",
            "UPPER",
            "a//b",
            "../etc",
            "a@sha256:12",
            "h.x:99999/a",
            "a:-",
            "http://a/b",
        ];
        for text in wrong {
            text.parse::<Reference>().expect_err(text);
        }
    }
}
