use crate::Error;
use crate::schema::Operation;

/// How large a form may be whose operation is not known before it is read.
pub(super) const FORM_BYTES_MAX: usize = 16 * 1024 * 1024;

const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of the documents that S3 takes; objects are streamed.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The synchronous payload of Lambda.
const PAYLOAD_BYTES_MAX: usize = 6_291_456;
/// Lambda's operations that may carry code.
const CODE_BYTES_MAX: usize = 70_167_211;

/// How large the body of an operation may be that is held in memory.
pub(super) fn body_bytes_max(service: &str, operation: &Operation) -> usize {
    match (service, operation.name) {
        ("s3", _) => DOCUMENT_BYTES_MAX,
        ("lambda", "Invoke" | "InvokeAsync" | "InvokeWithResponseStream") => PAYLOAD_BYTES_MAX,
        ("lambda", "CreateFunction" | "UpdateFunctionCode" | "PublishLayerVersion") => CODE_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

/// The error of a body that is larger.
pub(super) fn too_large(service: &str, operation: &str, bytes_max: usize) -> Error {
    match (service, operation) {
        ("s3", _) => Error::new("MaxMessageLengthExceeded", 400, "Your request was too big."),
        ("lambda", "Invoke" | "InvokeAsync" | "InvokeWithResponseStream") => {
            let message = format!("Request must be smaller than {bytes_max} bytes for the InvokeFunction operation");
            Error::new("RequestTooLargeException", 413, message).with("Type", "User")
        }
        _ => {
            let message = format!("Request must be smaller than {bytes_max} bytes for the {operation} operation");
            Error::new("RequestEntityTooLargeException", 413, message)
        }
    }
}
