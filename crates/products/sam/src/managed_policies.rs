//! The names of AWS's managed policies.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One path a line, as `service-role/AWSLambdaBasicExecutionRole`; the last step is the name.
const PATHS: &str = include_str!("data/managed_policies.txt");

static PATH_BY_NAME: LazyLock<BTreeMap<&str, &str>> =
    LazyLock::new(|| PATHS.lines().map(|path| (path.rsplit('/').next().unwrap_or(path), path)).collect());

/// The ARN of a managed policy by its name; what is no such name (an ARN, or one's own) stays.
pub fn arn(name: &str, partition: &str) -> String {
    match PATH_BY_NAME.get(name) {
        Some(path) => crate::arn::managed_policy(partition, path),
        None => name.to_owned(),
    }
}
