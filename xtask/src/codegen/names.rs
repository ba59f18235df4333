//! Rust names for the model's names.

/// Words that the rules below would split otherwise.
const WORDS: &[(&str, &str)] =
    &[("ETag", "Etag"), ("SSEKMS", "SseKms"), ("CRC32C", "Crc32c"), ("CRC64NVME", "Crc64nvme"), ("XXHASH", "Xxhash")];

const KEYWORDS: &[&str] = &[
    "as", "box", "break", "const", "continue", "else", "enum", "extern", "false", "fn", "for", "if", "impl", "in",
    "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "true", "type",
    "unsafe", "use", "where", "while", "async", "await", "dyn", "final", "macro", "override", "priv", "try", "typeof",
    "yield",
];

/// `FunctionName` → `function_name`, `MD5OfBody` → `md5_of_body`, `Type` → `r#type`.
pub fn field(name: &str) -> String {
    let snake = snake(name);
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// The name of a function: as of a field.
pub fn snake(name: &str) -> String {
    let name = WORDS.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to));
    let letters: Vec<char> = name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    let mut snake = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        if at > 0 && begins_word(letters[at - 1], letter, letters.get(at + 1).copied()) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The name of a static.
pub fn shout(name: &str) -> String {
    snake(name).to_uppercase()
}

/// The name of a struct: the model's, with its first letter in upper case.
pub fn type_name(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

/// `AWSAccount`: the second `A` begins a word since a small letter follows it.
fn begins_word(before: char, letter: char, after: Option<char>) -> bool {
    if !letter.is_ascii_uppercase() || before == '_' {
        return false;
    }
    let is_plural = after == Some('s') && before.is_ascii_uppercase();
    !before.is_ascii_uppercase() || (after.is_some_and(|after| after.is_ascii_lowercase()) && !is_plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_acronyms_as_people_read_them() {
        let cases = [
            ("FunctionName", "function_name"),
            ("AWSAccountIds", "aws_account_ids"),
            ("MD5OfMessageBody", "md5_of_message_body"),
            ("ETag", "etag"),
            ("ChecksumSHA256", "checksum_sha256"),
            ("ChecksumCRC32C", "checksum_crc32c"),
            ("SSEKMSKeyId", "sse_kms_key_id"),
            ("NotificationARNs", "notification_arns"),
            ("S3ObjectVersion", "s3_object_version"),
            ("logGroupName", "log_group_name"),
            ("RoleARN", "role_arn"),
            ("Type", "r#type"),
        ];
        for (name, expected) in cases {
            assert_eq!(field(name), expected);
        }
    }
}
