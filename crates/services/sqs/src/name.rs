//! How queues are named: their names, ARNs and URLs.

use base::{Account, Arn, Region, Scope};
use wire::{Call, Error};

use crate::error;

/// How many characters a name may have, `.fifo` included.
pub(crate) const NAME_LENGTH_MAX: usize = 80;

pub(crate) const FIFO_SUFFIX: &str = ".fifo";

/// Which queue: its name, where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueName {
    pub(crate) scope: Scope,
    pub(crate) name: String,
}

impl QueueName {
    /// The name of a queue that is to be made in the scope of the caller.
    pub(crate) fn new(scope: Scope, name: &str, fifo: bool) -> Result<QueueName, Error> {
        let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
        let plain = is_plain(stem) && name.len() <= NAME_LENGTH_MAX;
        if fifo && (!plain || stem.len() == name.len()) {
            return Err(error::invalid_parameter(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end \
                 with .fifo suffix and be 1 to 80 in length.",
            ));
        }
        if !fifo && (!plain || stem.len() != name.len()) {
            return Err(error::invalid_parameter(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        Ok(QueueName { scope, name: name.to_owned() })
    }

    /// The queue of an ARN `arn:aws:sqs:<region>:<account>:<name>`.
    pub(crate) fn of_arn(arn: &Arn) -> Option<QueueName> {
        let scope = Scope { account: Account::parse(&arn.account)?, region: Region::parse(&arn.region)? };
        (arn.service == "sqs" && is_known(&arn.resource)).then(|| QueueName { scope, name: arn.resource.clone() })
    }

    /// The queue of a URL: Kobel's own form and AWS's (`https://sqs.<region>.amazonaws.com/…`,
    /// `https://<region>.queue.amazonaws.com/…`, `…/queue/<region>/…`). Where the URL names no region it is
    /// the caller's.
    pub(crate) fn of_url(url: &str, call: &Call) -> Result<QueueName, Error> {
        QueueName::parse(url, &call.scope).ok_or_else(|| error::invalid_address(url))
    }

    pub(crate) fn parse(url: &str, around: &Scope) -> Option<QueueName> {
        let (host, path) = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?,
            None => ("", url.strip_prefix('/').unwrap_or(url)),
        };
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let (region, account, name) = match parts.as_slice() {
            [account, name] => (region_of_host(host), account, name),
            ["queue", region, account, name] => (Region::parse(region), account, name),
            _ => return None,
        };
        let region = region.unwrap_or_else(|| around.region.clone());
        let scope = Scope { account: Account::parse(account)?, region };
        is_known(name).then(|| QueueName { scope, name: (*name).to_owned() })
    }

    pub(crate) fn arn(&self) -> String {
        self.scope.arn("sqs", &self.name)
    }

    /// `<origin>/<account>/<name>`.
    pub(crate) fn url(&self, origin: &str) -> String {
        format!("{}/{}/{}", origin.trim_end_matches('/'), self.scope.account, self.name)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether there may be a queue of that name.
fn is_known(name: &str) -> bool {
    name.len() <= NAME_LENGTH_MAX && is_plain(name.strip_suffix(FIFO_SUFFIX).unwrap_or(name))
}

fn region_of_host(host: &str) -> Option<Region> {
    let host = host.split(':').next().unwrap_or(host);
    let parts: Vec<&str> = host.split('.').collect();
    match parts.as_slice() {
        ["sqs" | "sqs-fips", region, _, ..] => Region::parse(region),
        [region, "queue", _, ..] => Region::parse(region),
        _ => None,
    }
    .filter(|region| region.as_str().contains('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_queues_in_all_their_forms() {
        let around = Scope::default();
        let cases = [
            ("http://127.0.0.1:4566/123456789012/q", Some(("us-east-1", "q"))),
            ("http://localhost:4566/123456789012/q.fifo/", Some(("us-east-1", "q.fifo"))),
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/q", Some(("eu-west-1", "q"))),
            ("https://sqs.eu-west-1.localhost:4566/123456789012/q", Some(("eu-west-1", "q"))),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/q", Some(("eu-west-1", "q"))),
            ("https://queue.amazonaws.com/123456789012/q", Some(("us-east-1", "q"))),
            ("http://h:1/queue/eu-west-1/123456789012/q", Some(("eu-west-1", "q"))),
            ("/123456789012/q", Some(("us-east-1", "q"))),
            ("q", None),
            ("http://h/1234/q", None),
            ("http://h/123456789012/a.b", None),
            ("http://h/123456789012/a/b", None),
            ("http://h", None),
        ];
        for (url, expected) in cases {
            let parsed = QueueName::parse(url, &around);
            let shown = parsed.as_ref().map(|queue| (queue.scope.region.as_str(), queue.name.as_str()));
            assert_eq!(shown, expected, "{url}");
        }
    }

    #[test]
    fn names_end_as_their_type_demands() {
        let long = "a".repeat(81);
        let cases = [
            ("a-B_1", false, true),
            ("a.fifo", true, true),
            ("a", true, false),
            ("a.fifo", false, false),
            (".fifo", true, false),
            ("a b", false, false),
            ("", false, false),
            (&long, false, false),
        ];
        for (name, fifo, valid) in cases {
            assert_eq!(QueueName::new(Scope::default(), name, fifo).is_ok(), valid, "{name}");
        }
    }
}
