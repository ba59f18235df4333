use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Scope, Timestamp};
use cell::{Rows, State};
use serde::{Deserialize, Serialize};

use crate::notification::Rule;

/// A bucket, as its row has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub name: String,
    pub account: String,
    pub region: String,
    pub created: Timestamp,
    #[serde(default)]
    pub notification: Vec<Rule>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub policy: Option<String>,
    #[serde(default = "AccessBlock::all")]
    pub access_block: Option<AccessBlock>,
    /// Algorithm, key and whether bucket keys are used.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    #[serde(default)]
    pub ownership: Option<String>,
}

/// Stored and given back; nothing is public in Kobel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessBlock {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    pub algorithm: String,
    pub key: Option<String>,
    pub bucket_key: bool,
}

/// All buckets. Their names are unique over all accounts and regions.
#[derive(Debug, Default)]
pub struct Buckets {
    by_name: BTreeMap<String, Arc<Bucket>>,
}

impl Bucket {
    pub fn new(name: &str, scope: &Scope, created: Timestamp) -> Bucket {
        Bucket {
            name: name.to_owned(),
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            created,
            notification: Vec::new(),
            tags: BTreeMap::new(),
            policy: None,
            access_block: AccessBlock::all(),
            encryption: None,
            ownership: Some("BucketOwnerEnforced".into()),
        }
    }

    pub fn arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.name)
    }
}

impl AccessBlock {
    /// What a new bucket has.
    pub fn all() -> Option<AccessBlock> {
        Some(AccessBlock {
            block_public_acls: true,
            ignore_public_acls: true,
            block_public_policy: true,
            restrict_public_buckets: true,
        })
    }
}

impl Buckets {
    pub fn get(&self, name: &str) -> Option<&Arc<Bucket>> {
        self.by_name.get(name)
    }

    pub fn put(&mut self, bucket: Bucket) {
        self.by_name.insert(bucket.name.clone(), Arc::new(bucket));
    }

    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// In order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.by_name.values()
    }
}

impl State for Buckets {
    fn load(rows: &Rows) -> Result<Buckets, String> {
        let mut buckets = Buckets::default();
        for (_, value) in rows.iter() {
            buckets.put(cell::json::read(value)?);
        }
        Ok(buckets)
    }
}

/// S3's rules for the name of a general purpose bucket.
pub fn is_valid_name(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        && ends_well(name.chars().next())
        && ends_well(name.chars().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_s3s_rules() {
        for name in ["abc", "my.bucket-1", "0a0"] {
            assert!(is_valid_name(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["ab", &long, "Abc", "a_b_c", "-abc", "abc-", "a..b", "192.168.1.1", "xn--abc", "abc--x-s3"] {
            assert!(!is_valid_name(name), "{name}");
        }
    }
}
