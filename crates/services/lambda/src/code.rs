//! Where a function's code comes from: the request itself, or an object of S3.

use base::{Scope, Trace};
use bytes::Bytes;
use fabric::Fabric;
use model_lambda::{FunctionCode, UpdateFunctionCodeRequest};
use wire::{ByteStream, Error, Fields, Value};

use crate::error::{invalid, too_large};

/// The largest archive inside a request, in bytes.
pub const INLINE_BYTES_MAX: usize = 52_428_800;

/// Code as a caller gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Inline(Bytes),
    Object { bucket: String, key: String, version: Option<String> },
}

impl Source {
    /// Exactly one source must be given.
    pub fn of(code: FunctionCode) -> Result<Source, Error> {
        if code.image_uri.is_some() {
            return Err(invalid("Please don't provide ImageUri when creating a function with packageType Zip."));
        }
        match (code.zip_file, code.s3_bucket, code.s3_key) {
            (Some(_), bucket, key) if bucket.is_some() || key.is_some() => {
                Err(invalid("Please do not provide other FunctionCode parameters when providing a ZipFile."))
            }
            (Some(zip), ..) if zip.is_empty() => Err(invalid("Uploaded file must be a non-empty zip")),
            (Some(zip), ..) if zip.len() > INLINE_BYTES_MAX => {
                Err(too_large(format!("Zipped size must be smaller than {INLINE_BYTES_MAX} bytes")))
            }
            (Some(zip), ..) => Ok(Source::Inline(zip)),
            (None, Some(bucket), Some(key)) => Ok(Source::Object { bucket, key, version: code.s3_object_version }),
            (None, None, None) => Err(invalid("Please provide a source for function code.")),
            (None, ..) => Err(invalid("Please provide both S3Bucket and S3Key for function code.")),
        }
    }

    /// The code of an update.
    pub fn of_update(input: &mut UpdateFunctionCodeRequest) -> Result<Source, Error> {
        if input.image_uri.is_some() {
            return Err(invalid("Please don't provide ImageUri when updating a function with packageType Zip."));
        }
        Source::of(FunctionCode {
            zip_file: input.zip_file.take(),
            s3_bucket: input.s3_bucket.take(),
            s3_key: input.s3_key.take(),
            s3_object_version: input.s3_object_version.take(),
            image_uri: None,
        })
    }

    /// The image's name of an update.
    pub fn image_uri_of_update(input: &mut UpdateFunctionCodeRequest) -> Result<String, Error> {
        input
            .image_uri
            .take()
            .filter(|uri| !uri.is_empty())
            .ok_or_else(|| invalid("Please provide ImageUri when updating a function with packageType Image."))
    }

    /// The image's name, which must be all that is given.
    pub fn image_uri(code: FunctionCode) -> Result<String, Error> {
        let uri = code
            .image_uri
            .filter(|uri| !uri.is_empty())
            .ok_or_else(|| invalid("Please provide ImageUri when creating a function with packageType Image."))?;
        if code.zip_file.is_some() || code.s3_bucket.is_some() || code.s3_key.is_some() {
            return Err(invalid("Please do not provide other FunctionCode parameters when providing an ImageUri."));
        }
        Ok(uri)
    }

    /// The archive.
    pub async fn fetch(self, fabric: &Fabric, scope: &Scope, trace: &Trace) -> Result<ByteStream, Error> {
        match self {
            Source::Inline(zip) => Ok(ByteStream::from(zip)),
            Source::Object { bucket, key, version } => {
                let members = [("Bucket", Some(bucket)), ("Key", Some(key)), ("VersionId", version)];
                get_object(fabric, scope, trace, members).await
            }
        }
    }
}

/// Reads an object by S3's own operation.
async fn get_object(
    fabric: &Fabric,
    scope: &Scope,
    trace: &Trace,
    members: [(&'static str, Option<String>); 3],
) -> Result<ByteStream, Error> {
    const OPERATION: &str = "GetObject";
    let api = fabric.plugs.api("s3").ok_or_else(|| Error::not_implemented("s3", OPERATION))?;
    let operation = api.service().operations.iter().find(|operation| operation.name == OPERATION);
    let input = operation.ok_or_else(|| Error::not_implemented("s3", OPERATION))?.input;
    let mut fields = Fields::empty(input.members.len());
    for (name, value) in members {
        let index = input.members.iter().position(|member| member.name == name);
        if let (Some(index), Some(value)) = (index, value) {
            fields.set(index, Value::String(value));
        }
    }
    let call = fabric.call_from("lambda", scope.clone(), trace.clone());
    let reply = api.call(OPERATION, call, fields).await.map_err(|error| {
        if error.status >= 500 {
            return error;
        }
        invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
            error.code, error.message
        ))
    })?;
    Ok(reply.body.unwrap_or_else(ByteStream::empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_and_only_one() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            (FunctionCode::default(), "Please provide a source for function code."),
            (
                FunctionCode { s3_bucket: some("b"), ..FunctionCode::default() },
                "Please provide both S3Bucket and S3Key for function code.",
            ),
            (
                FunctionCode { zip_file: Some(Bytes::new()), ..FunctionCode::default() },
                "Uploaded file must be a non-empty zip",
            ),
            (
                FunctionCode { zip_file: Some("z".into()), s3_key: some("k"), ..FunctionCode::default() },
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            ),
        ];
        for (code, expected) in cases {
            assert_eq!(Source::of(code).expect_err(expected).message, expected);
        }
        let code = FunctionCode { s3_bucket: some("b"), s3_key: some("k"), ..FunctionCode::default() };
        let expected = Source::Object { bucket: "b".into(), key: "k".into(), version: None };
        assert_eq!(Source::of(code).expect("a source"), expected);
    }
}
