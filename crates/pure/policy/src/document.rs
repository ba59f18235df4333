use serde_json::{Map, Value};

use crate::condition;
use crate::{Decision, Request, wildcard};

/// How many bytes a document may have.
const BYTES_MAX: usize = 20 * 1024;

/// A policy document that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    statements: Vec<Statement>,
}

/// Why a text is no policy document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("the policy is not valid JSON: {0}")]
    Json(String),
    #[error("the policy has more than {BYTES_MAX} bytes")]
    TooLong,
    #[error("{0}")]
    Malformed(String),
}

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    allows: bool,
    principal: Names,
    action: Names,
    resource: Names,
    condition: Option<Value>,
}

/// Whom or what a statement names, or all but those (`NotAction`).
#[derive(Clone, Debug, PartialEq)]
struct Names {
    /// With the kind of principal before it: `Service:sns.amazonaws.com`.
    texts: Vec<String>,
    negated: bool,
}

impl Document {
    pub fn parse(text: &str) -> Result<Document, DocumentError> {
        if text.len() > BYTES_MAX {
            return Err(DocumentError::TooLong);
        }
        Document::read(&serde_json::from_str(text).map_err(|error| DocumentError::Json(error.to_string()))?)
    }

    pub fn read(value: &Value) -> Result<Document, DocumentError> {
        let document = value.as_object().ok_or_else(|| malformed("the policy is not an object"))?;
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(Statement::read).collect::<Result<_, _>>()?,
            Some(one @ Value::Object(_)) => vec![Statement::read(one)?],
            _ => return Err(malformed("the policy has no Statement")),
        };
        Ok(Document { statements })
    }

    /// What the document says to `request`.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let mut decision = Decision::Silent;
        for statement in self.statements.iter().filter(|statement| statement.speaks_of(request)) {
            if !statement.allows {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
        decision
    }
}

impl Statement {
    fn read(value: &Value) -> Result<Statement, DocumentError> {
        let statement = value.as_object().ok_or_else(|| malformed("a Statement is not an object"))?;
        let allows = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(malformed("the Effect of a Statement is neither Allow nor Deny")),
        };
        Ok(Statement {
            allows,
            principal: Names::read(statement, "Principal", principals)?,
            action: Names::read(statement, "Action", texts)?,
            resource: Names::read(statement, "Resource", texts)?,
            condition: statement.get("Condition").cloned(),
        })
    }

    fn speaks_of(&self, request: &Request<'_>) -> bool {
        let condition = self.condition.as_ref().map(|condition| condition::holds(condition, request));
        // What is not understood must let nobody in.
        let condition = condition.is_none_or(|holds| holds.unwrap_or(!self.allows));
        let action = request.action.to_ascii_lowercase();
        condition
            && self.principal.covers(|name| is_principal(name, request))
            && self.action.covers(|pattern| wildcard(&pattern.to_ascii_lowercase(), &action))
            && self.resource.covers(|pattern| wildcard(pattern, request.resource))
    }
}

impl Names {
    fn read(
        statement: &Map<String, Value>,
        name: &str,
        read: fn(&Value) -> Option<Vec<String>>,
    ) -> Result<Names, DocumentError> {
        let (value, negated) = match (statement.get(name), statement.get(&format!("Not{name}"))) {
            (Some(value), None) => (value, false),
            (None, Some(value)) => (value, true),
            _ => return Err(malformed(format!("a Statement must have {name} or Not{name}"))),
        };
        let texts = read(value).ok_or_else(|| malformed(format!("the {name} of a Statement has no valid form")))?;
        Ok(Names { texts, negated })
    }

    fn covers(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.texts.iter().any(|text| matches(text)) != self.negated
    }
}

/// A text, or a list of texts; numbers and truth values as their text.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
        Value::Array(values) => {
            let lists = values.iter().map(texts).collect::<Option<Vec<_>>>()?;
            Some(lists.into_iter().flatten().collect())
        }
        _ => None,
    }
}

fn principals(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(all) if all == "*" => Some(vec!["*".to_owned()]),
        Value::Object(kinds) => {
            let mut names = Vec::new();
            for (kind, values) in kinds {
                names.extend(texts(values)?.into_iter().map(|name| format!("{kind}:{name}")));
            }
            Some(names)
        }
        _ => None,
    }
}

fn is_principal(name: &str, request: &Request<'_>) -> bool {
    if name == "*" || name == "AWS:*" {
        return true;
    }
    match name.split_once(':') {
        Some(("Service", service)) => !request.service.is_empty() && service == request.service,
        Some(("AWS", account)) => {
            let root = format!("arn:aws:iam::{}:root", request.account);
            !request.account.is_empty() && (account == request.account || account == root)
        }
        _ => false,
    }
}

fn malformed(reason: impl Into<String>) -> DocumentError {
    DocumentError::Malformed(reason.into())
}
