//! Which plain YAML scalars are numbers, booleans or null: YAML 1.1's rules, as CloudFormation and the SAM CLI apply
//! them, but a date such as `2012-10-17` stays text.

use serde_json::Number;

use crate::node::NodeValue;

/// The value of a plain (unquoted, untagged) scalar.
pub fn resolve(text: &str) -> NodeValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => NodeValue::Bool(false),
        _ => number(text).map_or_else(|| NodeValue::String(text.to_owned()), NodeValue::Number),
    }
}

/// A number, or `None` for text; one that does not fit 64 bits stays text rather than lose digits.
fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    integer(text, unsigned).or_else(|| float(text, unsigned))
}

fn integer(text: &str, unsigned: &str) -> Option<Number> {
    let digits = unsigned.replace('_', "");
    let magnitude = if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        // `0644` is octal; `0899` is neither octal nor decimal and stays text.
        i128::from_str_radix(&digits, 8).ok()?
    } else if digits.contains(':') {
        sexagesimal(&digits)?
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()?
    } else {
        return None;
    };
    let value = if text.starts_with('-') { -magnitude } else { magnitude };
    i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
}

/// `1:30` is 90 in YAML 1.1.
fn sexagesimal(digits: &str) -> Option<i128> {
    let mut total: i128 = 0;
    for (index, part) in digits.split(':').enumerate() {
        let value: i128 = part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        if index > 0 && (value > 59 || part.len() > 2) {
            return None;
        }
        total = total.checked_mul(60)?.checked_add(value)?;
    }
    Some(total)
}

/// YAML 1.1 floats have a point; an exponent has a sign.
fn float(text: &str, unsigned: &str) -> Option<Number> {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if !is_digits(whole) || !is_digits(fraction) || mantissa.bytes().all(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+'])?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    Number::from_f64(text.replace('_', "").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_plain_scalars_as_yaml_1_1_but_keeps_dates() {
        let cases = [
            ("2012-10-17", "\"2012-10-17\""),
            ("2012-10-17T00:00:00Z", "\"2012-10-17T00:00:00Z\""),
            ("1.2.3", "\"1.2.3\""),
            ("3.9", "3.9"),
            ("0899", "\"0899\""),
            ("012345678901", "\"012345678901\""),
            ("0644", "420"),
            ("123456789012", "123456789012"),
            ("1:30", "90"),
            ("1e3", "\"1e3\""),
            ("1.0e+3", "1000.0"),
            ("-5", "-5"),
            ("+5", "5"),
            (".5", "0.5"),
            (".", "\".\""),
            ("-", "\"-\""),
            ("yes", "true"),
            ("Off", "false"),
            ("y", "\"y\""),
            ("~", "null"),
            ("99999999999999999999999", "\"99999999999999999999999\""),
            ("0x1F", "31"),
            (".inf", "\".inf\""),
        ];
        for (text, expected) in cases {
            let node = crate::Node::new(resolve(text), crate::Span::default());
            assert_eq!(node.to_json().to_string(), expected, "{text}");
        }
    }
}
