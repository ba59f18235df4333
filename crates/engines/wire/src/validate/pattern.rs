use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use fancy_regex::{Regex, RegexBuilder};

/// How many steps a pattern with look-around may take before it is given up.
const STEPS_MAX: usize = 100_000;

/// Compiled patterns by the place of their text, which is constant: as many as the models have, each compiled once.
/// `None`: the model's pattern is none that we can check.
type Compiled = HashMap<(usize, usize), Option<Arc<Regex>>>;

static COMPILED: LazyLock<RwLock<Compiled>> = LazyLock::new(RwLock::default);

/// Whether the whole of `text` fits a model's pattern. What cannot be checked fits.
pub(super) fn fits(pattern: &'static str, text: &str) -> bool {
    // An error is a pattern that took too many steps.
    compiled(pattern).is_none_or(|regex| regex.is_match(text).unwrap_or(true))
}

fn compiled(pattern: &'static str) -> Option<Arc<Regex>> {
    let key = (pattern.as_ptr() as usize, pattern.len());
    if let Some(known) = COMPILED.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return known.clone();
    }
    let regex = compile(pattern).map(Arc::new);
    COMPILED.write().unwrap_or_else(PoisonError::into_inner).insert(key, regex.clone());
    regex
}

fn compile(pattern: &str) -> Option<Regex> {
    let whole = format!(r"\A(?:{})\z", translate(pattern));
    RegexBuilder::new(&whole).backtrack_limit(STEPS_MAX).build().ok()
}

/// From Java's syntax: names of classes, and code points by `\u`. A `[` in a class is literal there too in the models.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' if rest.starts_with('u') && rest.get(1..5).is_some_and(is_hexadecimal) => {
                out.push_str(&format!(r"\x{{{}}}", &rest[1..5]));
                rest = &rest[5..];
            }
            '\\' => {
                let known = JAVA_CLASSES.iter().find(|(java, _)| rest.starts_with(java));
                if let Some((java, class)) = known {
                    out.push_str(class);
                    rest = &rest[java.len()..];
                } else if let Some(escaped) = rest.chars().next() {
                    out.push('\\');
                    out.push(escaped);
                    rest = &rest[escaped.len_utf8()..];
                }
            }
            '[' if in_class && !rest.starts_with(':') => out.push_str(r"\["),
            '[' => {
                in_class = true;
                out.push('[');
                // A `]` that comes first is literal.
                for first in ["^]", "]"] {
                    if let Some(after) = rest.strip_prefix(first) {
                        out.push_str(if first == "^]" { r"^\]" } else { r"\]" });
                        rest = after;
                        break;
                    }
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            _ => out.push(letter),
        }
    }
    out
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Java's names, after the backslash, and ours.
const JAVA_CLASSES: [(&str, &str); 8] = [
    ("p{Alnum}", "[:alnum:]"),
    ("p{Alpha}", "[:alpha:]"),
    ("p{Digit}", r"\d"),
    ("p{Graph}", "[:graph:]"),
    ("p{Print}", "[:print:]"),
    ("p{Punct}", "[:punct:]"),
    ("p{ASCII}", r"\x00-\x7F"),
    ("p{Space}", r"\s"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_the_whole_text() {
        let cases = [
            ("[0-9]+", "12", true),
            ("[0-9]+", "12a", false),
            ("a|b", "ab", false),
            ("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "live", true),
            ("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "12", false),
            ("^[a-z]+$", "abc\n", false),
            (r"[\u0009\u0020-\u007E]+", "a b", true),
            (r"[\p{L}\p{N}_.:/=+\-@]*", "Größe=1", true),
            (r"[^:*]*", "a:b", false),
            (r"[\w+=,.@-]+", "a@b", true),
            ("(", "anything: the pattern cannot be checked", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(fits(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn gives_up_rather_than_hang() {
        assert!(fits("(?=(a+)+$)(a+)+b", &"a".repeat(64)));
    }
}
