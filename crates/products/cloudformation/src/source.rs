use base::Scope;
use percent_encoding::percent_decode_str;
use template::limits::TEMPLATE_BODY_BYTES_MAX;
use wire::Call;

use crate::error::validation;
use crate::service::CloudFormation;

/// How large a template may be in S3.
const OBJECT_BYTES_MAX: usize = 1_000_000;

impl CloudFormation {
    /// The text of a template that a caller gives or points to; `None` where it does neither.
    pub(crate) async fn template_text(
        &self,
        call: &Call,
        body: Option<String>,
        url: Option<&str>,
    ) -> Result<Option<String>, wire::Error> {
        match (body, url) {
            (Some(_), Some(_)) => {
                Err(validation("You can specify either Template URL or Template Body, but not both."))
            }
            (Some(body), None) if body.len() > TEMPLATE_BODY_BYTES_MAX => Err(validation(format!(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have \
                 length less than or equal to {TEMPLATE_BODY_BYTES_MAX}"
            ))),
            (Some(body), None) => Ok(Some(body)),
            (None, Some(url)) => self.object(call, url).await.map(Some),
            (None, None) => Ok(None),
        }
    }

    /// As [`CloudFormation::template_text`], where one of both is required.
    pub(crate) async fn required_template_text(
        &self,
        call: &Call,
        body: Option<String>,
        url: Option<&str>,
    ) -> Result<String, wire::Error> {
        let text = self.template_text(call, body, url).await?;
        text.ok_or_else(|| validation("Either Template URL or Template Body must be specified."))
    }

    async fn object(&self, call: &Call, url: &str) -> Result<String, wire::Error> {
        let (bucket, key) = bucket_and_key(url).ok_or_else(|| validation("TemplateURL must be a supported URL."))?;
        let api = self.fabric.plugs.api("s3").ok_or_else(|| wire::Error::not_implemented("s3", "GetObject"))?;
        let scope: Scope = call.scope.clone();
        let inside = self.fabric.call_from("cloudformation", scope, call.trace.clone());
        let failed = |error: wire::Error| validation(format!("S3 error: {}", error.message));
        let schema =
            api.service().operation("GetObject").ok_or_else(|| wire::Error::not_implemented("s3", "GetObject"))?;
        let mut input = wire::Fields::empty(schema.input.members.len());
        for (name, value) in [("Bucket", bucket), ("Key", key)] {
            let at = schema.input.members.iter().position(|member| member.name == name);
            input.set(
                at.ok_or_else(|| wire::Error::internal("GetObject has no such member"))?,
                wire::Value::String(value),
            );
        }
        let reply = api.call("GetObject", inside, input).await.map_err(failed)?;
        let body = reply.body.unwrap_or_else(wire::ByteStream::empty);
        let bytes = body.collect(OBJECT_BYTES_MAX).await.map_err(failed)?;
        let bytes =
            bytes.ok_or_else(|| validation(format!("Template may not exceed {OBJECT_BYTES_MAX} bytes in size.")))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| validation("Template format error: the template is not UTF-8."))
    }
}

/// Bucket and key of an S3 URL in path style or virtual-hosted style.
fn bucket_and_key(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let (bucket, key) = match rest {
        None => url.strip_prefix("s3://")?.split_once('/')?,
        Some(rest) => {
            let (host, path) = rest.split_once('/')?;
            let path = path.split(['?', '#']).next().unwrap_or(path);
            match bucket_of_host(host) {
                Some(bucket) => (bucket, path),
                None => path.split_once('/')?,
            }
        }
    };
    let (bucket, key) = (decoded(bucket)?, decoded(key)?);
    (!bucket.is_empty() && !key.is_empty()).then_some((bucket, key))
}

/// The bucket of a virtual-hosted-style host: `bucket.s3.region.amazonaws.com`, `bucket.s3.localhost:4566`.
fn bucket_of_host(host: &str) -> Option<&str> {
    let at = host.find(".s3.").or_else(|| host.find(".s3-"))?;
    (at > 0).then(|| &host[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_s3_urls() {
        let cases = [
            ("https://s3.amazonaws.com/b/k.template", Some(("b", "k.template"))),
            ("https://s3.eu-west-1.amazonaws.com/b/p/k%20x?versionId=1", Some(("b", "p/k x"))),
            ("https://b.s3.eu-west-1.amazonaws.com/p/k", Some(("b", "p/k"))),
            ("http://127.0.0.1:4566/b/k", Some(("b", "k"))),
            ("s3://b/k", Some(("b", "k"))),
            ("https://s3.amazonaws.com/b", None),
            ("file:///etc/passwd", None),
        ];
        for (url, expected) in cases {
            let expected = expected.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
            assert_eq!(bucket_and_key(url), expected, "{url}");
        }
    }
}
