//! Members that a request need not spell out.

use base::RequestId;

use crate::schema::Operation;
use crate::{Fields, Value};

/// Gives the members that a client library would have filled with a random token.
pub(crate) fn tokens(operation: &Operation, input: &mut Fields, request_id: &RequestId) {
    for (index, member) in operation.input.members.iter().enumerate() {
        if member.idempotency_token && member.honoured && input.get(index).is_none() {
            input.set(index, Value::String(request_id.to_string()));
        }
    }
}

/// Old clients of SQS send their forms to the queue's URL and do not repeat it in the form.
pub(super) fn queue_url(operation: &Operation, input: &mut Fields, origin: &str, path: &str) {
    let Some(index) = operation.input.index("QueueUrl").filter(|index| input.get(*index).is_none()) else { return };
    if path.trim_matches('/').contains('/') {
        input.set(index, Value::String(format!("{origin}{path}")));
    }
}
