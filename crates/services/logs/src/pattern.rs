//! The filter-pattern language: terms, and selectors of JSON. Patterns of space-delimited fields (`[a, b]`) and
//! regular expressions (`%…%`) are refused.

mod json;

use std::str::FromStr;

use wire::Error;

use crate::error;
use json::Condition;

const PATTERN_CHARACTERS_MAX: usize = 1_024;

/// A compiled filter pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    All,
    Terms {
        /// All must occur.
        all: Vec<String>,
        /// One must occur, where there are no others.
        any: Vec<String>,
        /// None may occur.
        none: Vec<String>,
    },
    Json(Condition),
}

impl Pattern {
    pub fn matches(&self, message: &str) -> bool {
        match self {
            Pattern::All => true,
            Pattern::Terms { all, any, none } => {
                let occurs = |term: &String| message.contains(term.as_str());
                let wanted =
                    if all.is_empty() && !any.is_empty() { any.iter().any(occurs) } else { all.iter().all(occurs) };
                wanted && !none.iter().any(occurs)
            }
            Pattern::Json(condition) => serde_json::from_str(message).is_ok_and(|document| condition.holds(&document)),
        }
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Pattern, Error> {
        let text = text.trim();
        if text.chars().count() > PATTERN_CHARACTERS_MAX {
            return Err(error::invalid("The filter pattern is longer than 1024 characters."));
        }
        match text.chars().next() {
            None => Ok(Pattern::All),
            Some('{') => json::parse(text).map(Pattern::Json),
            Some('[') => Err(error::invalid("Kobel does not implement filter patterns of space-delimited fields.")),
            Some(_) if text == "\" \"" => Ok(Pattern::All),
            Some(_) => terms(text),
        }
    }
}

fn terms(text: &str) -> Result<Pattern, Error> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (kind, after) = match rest.as_bytes()[0] {
            b'?' => (&mut any, &rest[1..]),
            b'-' => (&mut none, &rest[1..]),
            _ => (&mut all, rest),
        };
        let (term, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| error::invalid("Invalid filter pattern"))?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if term.is_empty() || (term.starts_with('%') && term.len() > 1 && term.ends_with('%')) {
            let message = if term.is_empty() {
                "Invalid filter pattern"
            } else {
                "Kobel does not implement regular expressions in filter patterns."
            };
            return Err(error::invalid(message));
        }
        kind.push(term.to_owned());
        rest = after.trim_start();
    }
    Ok(Pattern::Terms { all, any, none })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select() {
        let json = r#"{"level":"ERROR","ms":12.5,"ok":true,"none":null,"a":{"b":["x","y"]}}"#;
        let cases = [
            ("", "anything", true),
            ("ERROR", "an ERROR", true),
            ("ERROR", "an error", false),
            ("ERROR one", "one ERROR", true),
            ("?a ?b", "only b", true),
            ("?x ?z", "only b", false),
            ("ERROR -one", "ERROR one", false),
            ("\"two words\"", "here two words stand", true),
            ("\"two words\"", "words two", false),
            ("{ $.level = \"ERR*\" }", json, true),
            ("{ $.level = ERROR && $.ms > 12 }", json, true),
            ("{ $.level = \"WARN\" || $.ms <= 12.5 }", json, true),
            ("{ ($.level = \"WARN\" || $.ok IS TRUE) && $.ms < 1e2 }", json, true),
            ("{ $.none IS NULL }", json, true),
            ("{ $.missing NOT EXISTS }", json, true),
            ("{ $.level != \"ERROR\" }", json, false),
            ("{ $.a.b[1] = \"y\" }", json, true),
            ("{ $.a.b[*] = \"x\" }", json, true),
            ("{ $.a.b[*] = \"z\" }", json, false),
            ("{ $.level = \"ERROR\" }", "no JSON", false),
        ];
        for (pattern, message, expected) in cases {
            let compiled: Pattern = pattern.parse().expect(pattern);
            assert_eq!(compiled.matches(message), expected, "{pattern} on {message}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["\"open", "{ $.a = }", "{ $.a", "{ a = 1 }", "[a, b]", "%x%", "{ $.a = 1 && }"] {
            assert!(pattern.parse::<Pattern>().is_err(), "{pattern}");
        }
    }
}
