//! ARNs that the transform writes.

/// The partition of a region.
pub fn partition(region: &str) -> &'static str {
    let region = region.to_ascii_lowercase();
    let prefixes = [
        ("cn-", "aws-cn"),
        ("us-iso-", "aws-iso"),
        ("us-isob", "aws-iso-b"),
        ("us-gov", "aws-us-gov"),
        ("eu-isoe", "aws-iso-e"),
        ("us-isof", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    prefixes.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// The ARN of one of AWS's managed policies: `service-role/AWSLambdaBasicExecutionRole`.
pub fn managed_policy(partition: &str, path: &str) -> String {
    format!("arn:{partition}:iam::aws:policy/{path}")
}
