//! The language interpreters that the host has, and which of them serves a Lambda runtime.

mod added;
mod copy;
mod discovery;
mod inside;
mod known;

use std::fmt;
use std::path::PathBuf;

use crate::Error;

pub use added::{AddedRuntime, AddedRuntimes};
pub(crate) use discovery::discover;
pub(crate) use known::Known;

/// The interpreters of the host, newest first within a family. Blocks.
pub fn host_runtimes() -> Vec<Runtime> {
    discover(&[])
}

/// A family of Lambda runtimes that one bootstrap serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `python3.N`
    Python,
    /// `nodejsN.x`
    Nodejs,
    /// `javaN`
    Java,
    /// `rubyN.N`
    Ruby,
    /// `dotnetN`, `dotnetcoreN.N`
    Dotnet,
    /// `provided.*` and `go1.x`: the package brings its own executable.
    Provided,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Family::Python => "python",
            Family::Nodejs => "nodejs",
            Family::Java => "java",
            Family::Ruby => "ruby",
            Family::Dotnet => "dotnet",
            Family::Provided => "provided",
        })
    }
}

/// A version as far as Lambda identifiers tell them apart: 3.12, 20.0, 17.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `3` of Python 3.12, `20` of Node.js 20.
    pub major: u32,
    /// `12` of Python 3.12; 0 for Node.js, Java and .NET since 5.
    pub minor: u32,
}

/// An interpreter of the host, or one that was added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Runtime {
    /// What it runs.
    pub family: Family,
    /// Its version.
    pub version: Version,
    /// The executable, symbolic links resolved.
    pub path: PathBuf,
    /// The folder that holds `bin/` and `lib/` of this interpreter; for .NET, `dotnet` and `shared/`.
    pub prefix: PathBuf,
    /// The files of the image that it is of, to be seen at `/`; `path` and `prefix` are those inside of it.
    pub root: Option<PathBuf>,
}

impl Runtime {
    /// The Lambda identifier that this interpreter serves exactly.
    pub fn identifier(&self) -> String {
        match self.family {
            Family::Python => format!("python{}.{}", self.version.major, self.version.minor),
            Family::Nodejs => format!("nodejs{}.x", self.version.major),
            Family::Java => format!("java{}", self.version.major),
            Family::Ruby => format!("ruby{}.{}", self.version.major, self.version.minor),
            Family::Dotnet if self.version.major < 5 => {
                format!("dotnetcore{}.{}", self.version.major, self.version.minor)
            }
            Family::Dotnet => format!("dotnet{}", self.version.major),
            Family::Provided => "provided".to_owned(),
        }
    }
}

/// What serves a Lambda runtime identifier on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The identifier asked for.
    pub identifier: String,
    /// Its family.
    pub family: Family,
    /// The interpreter; `None` for `provided.*`.
    pub runtime: Option<Runtime>,
    /// A sentence for the user when the version is not the one asked for.
    pub warning: Option<String>,
}

/// The retired runtime of Go: like `provided`, but the handler names the executable.
pub(crate) const GO: &str = "go1.x";

/// Reads a Lambda runtime identifier.
pub(crate) fn parse_identifier(identifier: &str) -> Result<(Family, Version), Error> {
    let unsupported = || Error::RuntimeUnsupported { identifier: identifier.to_owned() };
    if identifier == "provided" || identifier.starts_with("provided.") || identifier == GO {
        return Ok((Family::Provided, Version { major: 0, minor: 0 }));
    }
    let number = |text: &str| text.parse::<u32>().map_err(|_| unsupported());
    let pair = |text: &str| {
        let (major, minor) = text.split_once('.').ok_or_else(unsupported)?;
        Ok(Version { major: number(major)?, minor: number(minor)? })
    };
    if let Some(rest) = identifier.strip_prefix("python") {
        let version = pair(rest)?;
        return if version.major == 3 { Ok((Family::Python, version)) } else { Err(unsupported()) };
    }
    if let Some(rest) = identifier.strip_prefix("ruby") {
        let version = pair(rest)?;
        return if version.major >= 3 { Ok((Family::Ruby, version)) } else { Err(unsupported()) };
    }
    if let Some(rest) = identifier.strip_prefix("dotnetcore") {
        let version = pair(rest)?;
        return if version.major == 3 { Ok((Family::Dotnet, version)) } else { Err(unsupported()) };
    }
    if let Some(rest) = identifier.strip_prefix("dotnet") {
        return Ok((Family::Dotnet, Version { major: number(rest)?, minor: 0 }));
    }
    if let Some(rest) = identifier.strip_prefix("nodejs") {
        let major = rest.strip_suffix(".x").ok_or_else(unsupported)?;
        return Ok((Family::Nodejs, Version { major: number(major)?, minor: 0 }));
    }
    if let Some(rest) = identifier.strip_prefix("java") {
        let major = rest.split('.').next().unwrap_or(rest);
        return Ok((Family::Java, Version { major: number(major)?, minor: 0 }));
    }
    Err(unsupported())
}

/// Chooses the interpreter for `identifier`: the exact version, else the nearest, the newer of two.
pub(crate) fn choose(identifier: &str, host: &[Runtime]) -> Result<Resolved, Error> {
    let (family, wanted) = parse_identifier(identifier)?;
    if family == Family::Provided {
        return Ok(Resolved { identifier: identifier.to_owned(), family, runtime: None, warning: None });
    }
    let distance = |version: Version| {
        (version.major.abs_diff(wanted.major), version.minor.abs_diff(wanted.minor), version < wanted)
    };
    let nearest = host.iter().filter(|runtime| runtime.family == family).min_by_key(|r| distance(r.version));
    let Some(runtime) = nearest.cloned() else { return Err(missing(identifier, family)) };
    let warning = (runtime.version != wanted).then(|| {
        format!(
            "This host has no {identifier}; {} at {} serves it instead.",
            runtime.identifier(),
            runtime.path.display()
        )
    });
    Ok(Resolved { identifier: identifier.to_owned(), family, runtime: Some(runtime), warning })
}

fn missing(identifier: &str, family: Family) -> Error {
    let (family, hint) = match family {
        Family::Python => ("Python", "install it with `apt-get install python3` or pyenv"),
        Family::Nodejs => ("Node.js", "install it with `apt-get install nodejs` or nvm"),
        Family::Ruby => ("Ruby", "install it with `apt-get install ruby` or rbenv"),
        Family::Dotnet => (".NET", "install it from https://dot.net and let DOTNET_ROOT name its folder"),
        Family::Java | Family::Provided => ("Java", "install it with `apt-get install default-jdk-headless`"),
    };
    Error::RuntimeMissing { identifier: identifier.to_owned(), family, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(family: Family, major: u32, minor: u32) -> Runtime {
        let path = PathBuf::from(format!("/x/bin/{family}{major}.{minor}"));
        Runtime { family, version: Version { major, minor }, path, prefix: "/x".into(), root: None }
    }

    #[test]
    fn chooses_the_exact_version_else_the_nearest_with_a_warning() {
        let host = [
            runtime(Family::Python, 3, 9),
            runtime(Family::Python, 3, 11),
            runtime(Family::Python, 3, 13),
            runtime(Family::Nodejs, 20, 0),
            runtime(Family::Java, 17, 0),
            runtime(Family::Java, 25, 0),
            runtime(Family::Ruby, 3, 3),
            runtime(Family::Dotnet, 3, 1),
            runtime(Family::Dotnet, 8, 0),
        ];
        let cases = [
            ("python3.11", "python3.11", false),
            ("python3.12", "python3.13", true),
            ("python3.14", "python3.13", true),
            ("python3.8", "python3.9", true),
            ("nodejs22.x", "nodejs20.x", true),
            ("java21", "java25", true),
            ("java8.al2", "java17", true),
            ("java17", "java17", false),
            ("ruby3.4", "ruby3.3", true),
            ("ruby4.0", "ruby3.3", true),
            ("dotnet8", "dotnet8", false),
            ("dotnet10", "dotnet8", true),
            ("dotnetcore3.1", "dotnetcore3.1", false),
        ];
        for (identifier, expected, warned) in cases {
            let resolved = choose(identifier, &host).expect("host has the family");
            assert_eq!(resolved.runtime.map(|r| r.identifier()).as_deref(), Some(expected), "{identifier}");
            assert_eq!(resolved.warning.is_some(), warned, "{identifier}");
        }
        assert!(choose("provided.al2023", &[]).is_ok());
        assert!(choose("go1.x", &[]).is_ok());
        for gone in ["ruby2.7", "dotnetcore2.1", "dotnet", "go1.9", "cobol"] {
            assert!(matches!(choose(gone, &host), Err(Error::RuntimeUnsupported { .. })), "{gone}");
        }
        assert!(matches!(choose("python2.7", &host), Err(Error::RuntimeUnsupported { .. })));
        assert!(matches!(choose("nodejs20.x", &[]), Err(Error::RuntimeMissing { .. })));
    }
}
