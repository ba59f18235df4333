//! The errors of S3 with their exact wording. Codes and statuses that the model lacks are those of S3's error list.

use wire::Error;

pub fn no_such_bucket(bucket: &str) -> Error {
    model_s3::errors::no_such_bucket("The specified bucket does not exist").with("BucketName", bucket)
}

pub fn no_such_key(key: &str) -> Error {
    model_s3::errors::no_such_key("The specified key does not exist.").with("Key", key)
}

pub fn no_such_upload(upload_id: &str) -> Error {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                   aborted or completed.";
    model_s3::errors::no_such_upload(message).with("UploadId", upload_id)
}

pub fn access_denied() -> Error {
    Error::new("AccessDenied", 403, "Access Denied")
}

/// A configuration that a bucket does not have: `NoSuchTagSet`, `NoSuchBucketPolicy`, …
pub fn no_such_configuration(code: &'static str, message: &str, bucket: &str) -> Error {
    Error::new(code, 404, message).with("BucketName", bucket)
}

pub fn invalid_argument(message: impl Into<String>, name: &str, value: &str) -> Error {
    Error::new("InvalidArgument", 400, message).with("ArgumentName", name).with("ArgumentValue", value)
}

pub fn invalid_request(message: impl Into<String>) -> Error {
    Error::new("InvalidRequest", 400, message)
}

pub fn malformed_xml() -> Error {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    Error::new("MalformedXML", 400, message)
}

pub fn precondition_failed(condition: &str) -> Error {
    let message = "At least one of the pre-conditions you specified did not hold";
    Error::new("PreconditionFailed", 412, message).with("Condition", condition)
}

pub fn not_modified() -> Error {
    Error::new("NotModified", 304, "Not Modified")
}

/// What S3 has and Kobel does not.
pub fn not_implemented(what: &str) -> Error {
    Error::new("NotImplemented", 501, format!("Kobel does not implement {what}."))
}

/// A fault of the engines below.
pub fn internal(error: impl std::fmt::Display) -> Error {
    Error { code: "InternalError".into(), query_code: "InternalError".into(), ..Error::internal(error) }
}
