use serde_json::Value;
use wire::Error;

use crate::error;

/// How deep parentheses may be nested.
const DEPTH_MAX: usize = 32;

/// A condition on a JSON document.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Compare { path: Vec<Step>, test: Test },
}

/// A step into a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Member(String),
    Index(usize),
    Every,
}

/// What is asked of the values at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `*` at either end stands for anything.
    Text {
        pattern: String,
        equal: bool,
    },
    Number {
        number: f64,
        order: Order,
    },
    IsNull,
    Is(bool),
    NotExists,
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    pub fn holds(&self, document: &Value) -> bool {
        match self {
            Condition::And(all) => all.iter().all(|condition| condition.holds(document)),
            Condition::Or(any) => any.iter().any(|condition| condition.holds(document)),
            Condition::Compare { path, test } => {
                let mut found = vec![document];
                for step in path {
                    found = found.into_iter().flat_map(|value| step.into(value)).collect();
                }
                match test {
                    Test::NotExists => found.is_empty(),
                    test => found.into_iter().any(|value| test.holds(value)),
                }
            }
        }
    }
}

impl Step {
    fn into<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match self {
            Step::Member(name) => value.get(name).into_iter().collect(),
            Step::Index(index) => value.get(index).into_iter().collect(),
            Step::Every => value.as_array().map(|array| array.iter().collect()).unwrap_or_default(),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Test::Text { pattern, equal } => value.as_str().is_some_and(|text| like(text, pattern)) == *equal,
            Test::Number { number, order } => value.as_f64().is_some_and(|value| order.holds(value, *number)),
            Test::IsNull => value.is_null(),
            Test::Is(wanted) => value.as_bool() == Some(*wanted),
            Test::Exists => true,
            Test::NotExists => false,
        }
    }
}

impl Order {
    fn holds(self, value: f64, number: f64) -> bool {
        match self {
            Order::Equal => value == number,
            Order::Unequal => value != number,
            Order::Less => value < number,
            Order::LessOrEqual => value <= number,
            Order::Greater => value > number,
            Order::GreaterOrEqual => value >= number,
        }
    }
}

fn like(text: &str, pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) if pattern.len() > 1 => text.contains(&pattern[1..pattern.len() - 1]),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (Some(_), Some(_)) => true,
        (None, None) => text == pattern,
    }
}

/// Compiles `{ $.a.b = "x" && … }`.
pub fn parse(text: &str) -> Result<Condition, Error> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.trim_end().strip_suffix('}')).ok_or_else(invalid)?;
    let mut parser = Parser { rest: inner.trim(), depth: 0 };
    let condition = parser.any()?;
    if parser.rest.is_empty() { Ok(condition) } else { Err(invalid()) }
}

fn invalid() -> Error {
    error::invalid("Invalid filter pattern")
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn any(&mut self) -> Result<Condition, Error> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Or(parts) })
    }

    fn all(&mut self) -> Result<Condition, Error> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::And(parts) })
    }

    fn one(&mut self) -> Result<Condition, Error> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(invalid());
            }
            let inner = self.any()?;
            self.depth -= 1;
            return if self.take(")") { Ok(inner) } else { Err(invalid()) };
        }
        let path = self.path()?;
        Ok(Condition::Compare { path, test: self.test()? })
    }

    fn path(&mut self) -> Result<Vec<Step>, Error> {
        if !self.take("$") {
            return Err(invalid());
        }
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || "_-@/".contains(c))).unwrap_or(rest.len());
                if end == 0 {
                    return Err(invalid());
                }
                path.push(Step::Member(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let (index, rest) = rest.split_once(']').ok_or_else(invalid)?;
                path.push(match index.trim() {
                    "*" => Step::Every,
                    index => match index.trim_matches(['"', '\'']) {
                        name if name.len() < index.len() => Step::Member(name.to_owned()),
                        index => Step::Index(index.parse().map_err(|_| invalid())?),
                    },
                });
                self.rest = rest;
            } else {
                self.rest = self.rest.trim_start();
                return if path.is_empty() { Err(invalid()) } else { Ok(path) };
            }
        }
    }

    fn test(&mut self) -> Result<Test, Error> {
        let words = [
            ("IS NULL", Test::IsNull),
            ("IS TRUE", Test::Is(true)),
            ("IS FALSE", Test::Is(false)),
            ("NOT EXISTS", Test::NotExists),
            ("EXISTS", Test::Exists),
        ];
        for (word, test) in words {
            if self.take(word) {
                return Ok(test);
            }
        }
        let orders = [
            ("!=", Order::Unequal),
            ("<=", Order::LessOrEqual),
            (">=", Order::GreaterOrEqual),
            ("=", Order::Equal),
            ("<", Order::Less),
            (">", Order::Greater),
        ];
        let order = orders.into_iter().find(|(sign, _)| self.take(sign)).map(|(_, order)| order).ok_or_else(invalid)?;
        let (value, quoted) = self.value()?;
        if value.starts_with('%') && value.ends_with('%') && value.len() > 1 {
            return Err(error::invalid("Kobel does not implement regular expressions in filter patterns."));
        }
        match (quoted, value.parse::<f64>(), order) {
            (false, Ok(number), order) => Ok(Test::Number { number, order }),
            (_, _, Order::Equal) => Ok(Test::Text { pattern: value.to_owned(), equal: true }),
            (_, _, Order::Unequal) => Ok(Test::Text { pattern: value.to_owned(), equal: false }),
            _ => Err(invalid()),
        }
    }

    /// A value, and whether it was quoted.
    fn value(&mut self) -> Result<(&'t str, bool), Error> {
        let rest = self.rest;
        let (value, after, quoted) = match rest.strip_prefix('"') {
            Some(inner) => {
                let (value, after) = inner.split_once('"').ok_or_else(invalid)?;
                (value, after, true)
            }
            None => {
                let end = rest.find(|c: char| c.is_whitespace() || ")&|".contains(c)).unwrap_or(rest.len());
                (&rest[..end], &rest[end..], false)
            }
        };
        if value.is_empty() && !quoted {
            return Err(invalid());
        }
        self.rest = after.trim_start();
        Ok((value, quoted))
    }

    /// Passes over `token` and the space behind it, if it is next.
    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        // A path goes on right behind its `$`.
        self.rest = if token == "$" { rest } else { rest.trim_start() };
        true
    }
}
