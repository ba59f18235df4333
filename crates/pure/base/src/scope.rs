use std::fmt;
use std::sync::Arc;

/// A twelve-digit AWS account id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(Arc<str>);

impl Account {
    /// The account of a caller who names none.
    pub const DEFAULT: &str = "000000000000";

    /// Takes `id` if it is twelve digits.
    pub fn parse(id: &str) -> Option<Account> {
        (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then(|| Account(id.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Account {
    fn default() -> Account {
        Account(Account::DEFAULT.into())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AWS region name such as `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl Region {
    /// The region of a caller who names none.
    pub const DEFAULT: &str = "us-east-1";

    /// Takes `name` if it has the form of a region name: lower-case letters, digits and dashes.
    pub fn parse(name: &str) -> Option<Region> {
        let well_formed = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && name.as_bytes()[0].is_ascii_lowercase();
        well_formed.then(|| Region(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that the region belongs to: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match &*self.0 {
            name if name.starts_with("cn-") => "aws-cn",
            name if name.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl Default for Region {
    fn default() -> Region {
        Region(Region::DEFAULT.into())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a resource lives: an account in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    pub account: Account,
    pub region: Region,
}

impl Scope {
    /// The ARN `arn:<partition>:<service>:<region>:<account>:<resource>` of a resource of this scope.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let Scope { account, region } = self;
        format!("arn:{}:{service}:{region}:{account}:{resource}", region.partition())
    }
}

impl fmt::Display for Scope {
    /// `<account>/<region>`, as store keys begin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_takes_twelve_digits_only() {
        assert!(Account::parse("123456789012").is_some());
        for wrong in ["", "12345678901", "1234567890123", "12345678901a"] {
            assert!(Account::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn region_refuses_what_could_escape_a_key() {
        assert!(Region::parse("eu-central-1").is_some());
        for wrong in ["", "a/b", "..", "US-EAST-1", "-a"] {
            assert!(Region::parse(wrong).is_none(), "{wrong}");
        }
    }
}
