//! The credentials endpoint, 2021-04-23: where functions with SnapStart get their role's credentials, which a snapshot
//! must not hold.

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use crate::session::RUNTIME_API_PORT;
use crate::session::answer::{Answer, answer, not_found, problem};
use crate::session::body::refuse;

const PATH: &str = "/2021-04-23/credentials";

/// The credentials of an environment's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    /// Until when they are valid by the host's time, in ISO 8601.
    pub expiration: String,
    /// What callers must have in the header `Authorization`.
    pub authorization: String,
}

impl RoleCredentials {
    /// The variables by which SDKs find the endpoint.
    pub fn variables(&self) -> [(String, String); 2] {
        let address = format!("http://127.0.0.1:{RUNTIME_API_PORT}{PATH}");
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), address),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(), self.authorization.clone()),
        ]
    }
}

/// Whether a path belongs to this endpoint.
pub(crate) fn is_path(path: &str) -> bool {
    path == PATH
}

/// Answers a request for `credentials`.
pub(crate) async fn route(credentials: Option<&RoleCredentials>, request: Request<Incoming>) -> Answer {
    let Some(credentials) = credentials.filter(|_| request.method() == Method::GET) else {
        return refuse(request, not_found()).await;
    };
    let authorization = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    if authorization != Some(credentials.authorization.as_bytes()) {
        let refused = problem(StatusCode::FORBIDDEN, "AccessDenied", "The authorization token is not valid");
        return refuse(request, refused).await;
    }
    let body = json!({
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": credentials.expiration,
    });
    answer(StatusCode::OK, "application/json", body.to_string())
}
