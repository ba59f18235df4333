use base::{Account, Scope};
use wire::Error;

use crate::error;

/// The longest plain function name, in characters.
const NAME_MAX: usize = 64;

/// A function as a caller names it: by name, partial ARN or ARN, with or without a qualifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// The caller's, but the account that an ARN names.
    pub scope: Scope,
    pub name: String,
    pub qualifier: Option<String>,
}

impl FunctionName {
    /// Reads the parameters `FunctionName` and `Qualifier`.
    pub fn parse(scope: &Scope, text: &str, qualifier: Option<&str>) -> Result<FunctionName, Error> {
        let mut named = split(scope, text)?;
        match (&named.qualifier, qualifier) {
            (Some(derived), Some(given)) if derived != given => {
                return Err(error::invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (None, Some(given)) => named.qualifier = Some(given.to_owned()),
            _ => {}
        }
        Ok(named)
    }

    /// The function's ARN without a qualifier.
    pub fn arn(&self) -> String {
        self.scope.arn("lambda", &format!("function:{}", self.name))
    }

    /// The function's ARN with the qualifier, if there is one.
    pub fn invoked_arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn()),
            None => self.arn(),
        }
    }

    /// The error where there is no such function: it names what was asked for.
    pub fn not_found(&self) -> Error {
        not_found(&self.invoked_arn())
    }
}

/// `Function not found: <ARN>`.
pub fn not_found(arn: &str) -> Error {
    error::missing(format!("Function not found: {arn}"))
}

/// Takes `[arn:aws:lambda:][region:][account:][function:]name[:qualifier]` apart.
fn split(scope: &Scope, text: &str) -> Result<FunctionName, Error> {
    let rest = match text.split_once(":lambda:") {
        Some((prefix, rest)) if prefix.starts_with("arn:") => rest,
        _ => text,
    };
    let mut parts: Vec<&str> = rest.split(':').collect();
    let mut scope = scope.clone();
    if parts.len() > 1 && is_region(parts[0]) {
        if parts[0] != scope.region.as_str() {
            let message =
                format!("Functions from '{}' are not reachable in this region ('{}')", parts[0], scope.region);
            return Err(error::missing(message));
        }
        parts.remove(0);
    }
    if let (true, Some(account)) = (parts.len() > 1, Account::parse(parts[0])) {
        scope.account = account;
        parts.remove(0);
    }
    if parts.len() > 1 && parts[0] == "function" {
        parts.remove(0);
    }
    let (name, qualifier) = match parts[..] {
        [name] => (name, None),
        [name, qualifier] => (name, Some(qualifier.to_owned())),
        _ => return Err(invalid(text)),
    };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Err(invalid(text));
    }
    if name.len() > NAME_MAX {
        return Err(error::invalid(format!(
            "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must \
             have length less than or equal to {NAME_MAX}"
        )));
    }
    Ok(FunctionName { scope, name: name.to_owned(), qualifier })
}

fn invalid(text: &str) -> Error {
    error::invalid(format!("Invalid function name or ARN: {text}"))
}

/// `eu-west-1`, `us-gov-east-1`: words with dashes that end in a digit.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    words.len() >= 3
        && words[0].len() == 2
        && words.last().is_some_and(|last| last.len() == 1 && last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, qualifier: Option<&str>) -> Result<(String, String, Option<String>), String> {
        FunctionName::parse(&Scope::default(), text, qualifier)
            .map(|named| (named.scope.account.to_string(), named.name, named.qualifier))
            .map_err(|error| error.message)
    }

    #[test]
    fn takes_every_form_of_name() {
        let zero = "000000000000";
        let cases = [
            ("f", None, zero, None),
            ("f:live", None, zero, Some("live")),
            ("f", Some("3"), zero, Some("3")),
            ("f:3", Some("3"), zero, Some("3")),
            ("function:f", None, zero, None),
            ("123456789012:function:f", None, "123456789012", None),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", None, "123456789012", None),
            ("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", None, zero, Some("$LATEST")),
        ];
        for (text, given, account, qualifier) in cases {
            let expected = (account.to_owned(), "f".to_owned(), qualifier.map(str::to_owned));
            assert_eq!(parse(text, given), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_aws() {
        let cases = [
            ("f:1", Some("2"), "The derived qualifier from the function name does not match the specified qualifier."),
            (
                "arn:aws:lambda:eu-west-1:000000000000:function:f",
                None,
                "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
            ),
        ];
        for (text, qualifier, expected) in cases {
            assert_eq!(parse(text, qualifier), Err(expected.to_owned()));
        }
        assert!(parse("a:b:c:d", None).is_err());
        assert!(parse(&"n".repeat(65), None).is_err());
    }
}
