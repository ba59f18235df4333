use std::fmt;
use std::str::FromStr;

use crate::{Account, Region, Scope};

/// An Amazon Resource Name, taken apart: `arn:partition:service:region:account:resource`.
///
/// Region and account may be empty (S3 buckets, IAM roles); `resource` is all that follows the fifth colon.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

/// A text that is not an ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an ARN")]
pub struct ArnError {
    pub text: String,
}

impl Arn {
    /// The scope the ARN names; where it leaves region or account empty, `around` fills in.
    pub fn scope(&self, around: &Scope) -> Scope {
        Scope {
            account: Account::parse(&self.account).unwrap_or_else(|| around.account.clone()),
            region: Region::parse(&self.region).unwrap_or_else(|| around.region.clone()),
        }
    }

    /// What follows the last `:` or `/` of the resource: the plain name of a queue, topic, role or bucket.
    pub fn name(&self) -> &str {
        self.resource.rsplit([':', '/']).next().unwrap_or(&self.resource)
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Arn, ArnError> {
        let wrong = || ArnError { text: text.to_owned() };
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return Err(wrong());
        }
        let mut part = || parts.next().map(str::to_owned).ok_or_else(wrong);
        let arn = Arn { partition: part()?, service: part()?, region: part()?, account: part()?, resource: part()? };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(wrong());
        }
        Ok(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_back() {
        for text in [
            "arn:aws:sqs:eu-west-1:123456789012:orders",
            "arn:aws:s3:::bucket/key:with:colons",
            "arn:aws:iam::123456789012:role/path/name",
        ] {
            assert_eq!(text.parse::<Arn>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_arn() {
        for text in ["", "orders", "arn:aws:sqs", "arn::sqs:r:a:n", "arn:aws:sqs:r:a:"] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }

    #[test]
    fn name_is_the_last_part() {
        let arn: Arn = "arn:aws:lambda:us-east-1:123456789012:function:resize".parse().expect("an ARN");
        assert_eq!(arn.name(), "resize");
    }
}
