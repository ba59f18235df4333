//! The metadata endpoint, 2026-01-15: where functions learn in which availability zone they run.

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use crate::session::answer::{Answer, answer, method_not_allowed, problem};
use crate::session::body::refuse;
use crate::spec::EnvironmentSpec;

const PATH: &str = "/2026-01-15/metadata/execution-environment";
/// The variable with what callers must have in the header `Authorization`, after `Bearer`.
const TOKEN_VARIABLE: &str = "AWS_LAMBDA_METADATA_TOKEN";

/// What the endpoint of an environment tells, and to whom.
pub(crate) struct Metadata {
    authorization: String,
    zone: String,
}

impl Metadata {
    pub(crate) fn of(spec: &EnvironmentSpec) -> Metadata {
        let variable = |name: &str| spec.variables.get(name).map(String::as_str).unwrap_or_default();
        Metadata {
            authorization: format!("Bearer {}", variable(TOKEN_VARIABLE)),
            zone: first_zone(variable("AWS_REGION")),
        }
    }
}

/// Whether a path belongs to this endpoint.
pub(crate) fn is_path(path: &str) -> bool {
    path == PATH
}

pub(crate) async fn route(metadata: &Metadata, request: Request<Incoming>) -> Answer {
    if request.method() != Method::GET {
        return refuse(request, method_not_allowed()).await;
    }
    let authorization = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    if authorization != Some(metadata.authorization.as_bytes()) {
        let refused = problem(StatusCode::UNAUTHORIZED, "Unauthorized", "The metadata token is missing or not valid");
        return refuse(request, refused).await;
    }
    let body = json!({ "AvailabilityZoneID": metadata.zone });
    let mut told = answer(StatusCode::OK, "application/json", body.to_string());
    let cached = HeaderValue::from_static("private, max-age=43200, immutable");
    told.headers_mut().insert(CACHE_CONTROL, cached);
    told
}

/// The id of a region's first zone: `use1-az1` of `us-east-1`.
fn first_zone(region: &str) -> String {
    let mut parts = region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // Of a direction (`southeast`) both words count.
        let (first, second) = match part.strip_prefix("north").or(part.strip_prefix("south")) {
            Some(second) => (&part[..1], second.get(..1).unwrap_or_default()),
            None => (part.get(..1).unwrap_or_default(), ""),
        };
        short.push_str(first);
        short.push_str(second);
    }
    short + "-az1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_after_their_region() {
        let cases = [
            ("us-east-1", "use1-az1"),
            ("ap-southeast-2", "apse2-az1"),
            ("eu-central-1", "euc1-az1"),
            ("eu-north-1", "eun1-az1"),
            ("us-gov-west-1", "usgw1-az1"),
        ];
        for (region, zone) in cases {
            assert_eq!(first_zone(region), zone, "{region}");
        }
    }
}
