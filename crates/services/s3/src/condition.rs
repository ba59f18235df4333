use base::Timestamp;
use wire::Error;

use crate::error;
use crate::object::Head;

/// The conditions of a write: `If-Match` and `If-None-Match`.
#[derive(Clone, Debug, Default)]
pub struct WriteCondition {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

/// The conditions of a read.
#[derive(Clone, Debug, Default)]
pub struct ReadCondition {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl WriteCondition {
    /// Whether a write over `current` may go on.
    pub fn check(&self, key: &str, current: Option<&Head>) -> Result<(), Error> {
        match self.if_none_match.as_deref() {
            None => {}
            Some("*") if current.is_some() => return Err(error::precondition_failed("If-None-Match")),
            Some("*") => {}
            Some(_) => return Err(error::not_implemented("If-None-Match with anything but `*` on a write")),
        }
        match (self.if_match.as_deref(), current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(error::no_such_key(key)),
            (Some(tags), Some(head)) if matches(tags, head) => Ok(()),
            (Some(_), Some(_)) => Err(error::precondition_failed("If-Match")),
        }
    }
}

impl ReadCondition {
    /// Whether `head` may be read: an error 412, or 304 where it has not changed. As HTTP has it, a true
    /// `If-Match` outweighs `If-Unmodified-Since`, and a false `If-None-Match` outweighs `If-Modified-Since`.
    pub fn check(&self, head: &Head) -> Result<(), Error> {
        let modified = Timestamp::from_secs(head.modified.secs());
        match &self.if_match {
            Some(tags) if !matches(tags, head) => return Err(error::precondition_failed("If-Match")),
            Some(_) => {}
            None if self.if_unmodified_since.is_some_and(|since| modified > since) => {
                return Err(error::precondition_failed("If-Unmodified-Since"));
            }
            None => {}
        }
        match &self.if_none_match {
            Some(tags) if matches(tags, head) => Err(error::not_modified()),
            Some(_) => Ok(()),
            None if self.if_modified_since.is_some_and(|since| modified <= since) => Err(error::not_modified()),
            None => Ok(()),
        }
    }

    /// For the source of a copy, where what has not changed is a failed condition too.
    pub fn check_source(&self, head: &Head) -> Result<(), Error> {
        self.check(head).map_err(|_| error::precondition_failed("x-amz-copy-source-If"))
    }
}

/// Whether a list of entity tags, quoted or not, names the object's.
fn matches(tags: &str, head: &Head) -> bool {
    tags.split(',')
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == "*" || tag == head.etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head { etag: "abc".into(), modified: Timestamp::from_millis(10_500), ..Head::default() }
    }

    #[test]
    fn writes_are_conditional_on_the_current_object() {
        let none_match = WriteCondition { if_none_match: Some("*".into()), ..WriteCondition::default() };
        let matching = WriteCondition { if_match: Some("\"abc\"".into()), ..WriteCondition::default() };
        let other = WriteCondition { if_match: Some("\"xyz\"".into()), ..WriteCondition::default() };
        let status = |result: Result<(), Error>| result.err().map_or(200, |error| error.status);
        assert_eq!(status(none_match.check("k", Some(&head()))), 412);
        assert_eq!(status(none_match.check("k", None)), 200);
        assert_eq!(status(matching.check("k", Some(&head()))), 200);
        assert_eq!(status(matching.check("k", None)), 404);
        assert_eq!(status(other.check("k", Some(&head()))), 412);
    }

    #[test]
    fn reads_are_conditional_by_tag_and_by_second() {
        let at = |secs| Some(Timestamp::from_secs(secs));
        let text = |text: &str| Some(text.to_owned());
        let none = ReadCondition::default();
        let cases = [
            (none.clone(), 200),
            (ReadCondition { if_match: text("xyz"), ..none.clone() }, 412),
            (ReadCondition { if_match: text("\"abc\""), if_unmodified_since: at(1), ..none.clone() }, 200),
            (ReadCondition { if_unmodified_since: at(9), ..none.clone() }, 412),
            (ReadCondition { if_none_match: text("x, \"abc\""), ..none.clone() }, 304),
            (ReadCondition { if_none_match: text("x"), if_modified_since: at(20), ..none.clone() }, 200),
            (ReadCondition { if_modified_since: at(10), ..none.clone() }, 304),
            (ReadCondition { if_modified_since: at(9), ..none }, 200),
        ];
        for (condition, expected) in cases {
            let status = condition.check(&head()).err().map_or(200, |error| error.status);
            assert_eq!(status, expected, "{condition:?}");
        }
    }
}
