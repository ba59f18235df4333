use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How many parameters a query string or a form may have.
pub const PARAMETERS_MAX: usize = 20_000;

/// The parameters of a query string or a form, decoded, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=1&b&c=x%20y`; `None` if there are too many, or if they are not UTF-8.
    pub fn parse(text: &str) -> Option<Parameters> {
        let mut parameters = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == PARAMETERS_MAX {
                return None;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.push((decode_form(name)?, decode_form(value)?));
        }
        Some(Parameters(parameters))
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Decodes percent escapes and `+` as a space.
fn decode_form(text: &str) -> Option<String> {
    if text.contains('+') {
        return decode(&text.replace('+', " "));
    }
    decode(text)
}

/// Decodes percent escapes; `None` if the result is not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_names_and_values() {
        let parameters = Parameters::parse("a=1&b&c=x%20y+z%2B&&%C3%BC==").expect("parameters");
        let all: Vec<_> = parameters.iter().collect();
        assert_eq!(all, [("a", "1"), ("b", ""), ("c", "x y z+"), ("ü", "=")]);
        assert!(parameters.has("b") && !parameters.has("d"));
    }

    #[test]
    fn refuses_what_is_not_text() {
        assert_eq!(Parameters::parse("a=%FF"), None);
        assert_eq!(Parameters::parse(&"a&".repeat(PARAMETERS_MAX + 1)), None);
    }
}
