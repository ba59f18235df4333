//! What a function's reply says about the messages of its batch.

use std::collections::HashSet;

use serde_json::Value;

/// Which messages were processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    All,
    Nothing,
    /// All but these message ids.
    AllBut(HashSet<String>),
}

/// Reads a partial batch response (`ReportBatchItemFailures`) to a batch of the messages `ids`.
pub(super) fn judge(reply: &[u8], ids: &HashSet<&str>) -> Verdict {
    let Ok(reply) = serde_json::from_slice::<Value>(reply) else { return Verdict::Nothing };
    let failures = match &reply {
        Value::Null => return Verdict::All,
        Value::String(text) if text.is_empty() => return Verdict::All,
        Value::Array(items) if items.is_empty() => return Verdict::All,
        Value::Object(members) => members.get("batchItemFailures").unwrap_or(&Value::Null),
        _ => return Verdict::Nothing,
    };
    match failures {
        Value::Null => Verdict::All,
        Value::Array(items) if items.is_empty() => Verdict::All,
        Value::Array(items) => {
            let failed: Option<HashSet<String>> = items.iter().map(|item| identifier(item, ids)).collect();
            failed.map_or(Verdict::Nothing, Verdict::AllBut)
        }
        _ => Verdict::Nothing,
    }
}

/// The id that an item names, if it is one of the batch.
fn identifier(item: &Value, ids: &HashSet<&str>) -> Option<String> {
    let id = item.get("itemIdentifier")?.as_str()?;
    ids.contains(id).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_judged_as_recorded_on_aws() {
        let ids = HashSet::from(["a", "b"]);
        let but = |failed: &[&str]| Verdict::AllBut(failed.iter().map(|id| (*id).to_owned()).collect());
        let cases = [
            ("[]", Verdict::All),
            ("null", Verdict::All),
            ("{}", Verdict::All),
            ("\"\"", Verdict::All),
            ("{\"batchItemFailures\":[]}", Verdict::All),
            ("{\"batchItemFailures\":null}", Verdict::All),
            ("{\"statusCode\":200}", Verdict::All),
            ("{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"}]}", but(&["a"])),
            ("{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"},{\"itemIdentifier\":\"b\"}]}", but(&["a", "b"])),
            ("{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", Verdict::Nothing),
            ("{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", Verdict::Nothing),
            ("{\"batchItemFailures\":[{\"id\":\"a\"}]}", Verdict::Nothing),
            ("{\"batchItemFailures\":[{\"itemIdentifier\":\"c\"}]}", Verdict::Nothing),
            ("{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"},{}]}", Verdict::Nothing),
            ("no JSON", Verdict::Nothing),
        ];
        for (reply, expected) in cases {
            assert_eq!(judge(reply.as_bytes(), &ids), expected, "{reply}");
        }
    }
}
