use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::body::{Body, Lines, full};

/// What all paths of the admin API begin with.
pub(crate) const PREFIX: &str = "/_kobel/";

const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

type Answer = Box<dyn Fn(AdminRequest) -> BoxFuture<'static, AdminResponse> + Send + Sync>;

/// The admin API: what operators and Kobel's own command line ask of a running Kobel.
#[derive(Default)]
pub struct Admin {
    routes: Vec<Route>,
}

struct Route {
    method: Method,
    /// The first part of the path after `/_kobel/`.
    name: &'static str,
    answer: Answer,
}

/// A request of the admin API.
#[derive(Debug)]
pub struct AdminRequest {
    /// What follows `/_kobel/<name>`, without the slash, decoded.
    pub rest: String,
    pub query: BTreeMap<String, String>,
    /// `null` where the body is empty.
    pub body: Value,
    /// The origin by which the caller reached Kobel.
    pub origin: String,
}

/// An answer of the admin API.
pub struct AdminResponse {
    status: StatusCode,
    content_type: String,
    body: Body,
}

impl Admin {
    /// Adds what answers `METHOD /_kobel/<name>` and all below it.
    pub fn on<F>(
        mut self,
        method: Method,
        name: &'static str,
        answer: impl Fn(AdminRequest) -> F + Send + Sync + 'static,
    ) -> Admin
    where
        F: Future<Output = AdminResponse> + Send + 'static,
    {
        let answer: Answer = Box::new(move |request| Box::pin(answer(request)));
        self.routes.push(Route { method, name, answer });
        self
    }

    pub(crate) async fn serve(self: Arc<Self>, request: http::Request<Incoming>, origin: String) -> Response<Body> {
        let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
        let (name, rest) = path.split_once('/').unwrap_or((&path, ""));
        let named: Vec<&Route> = self.routes.iter().filter(|route| route.name == name).collect();
        let Some(route) = named.iter().find(|route| route.method == request.method()) else {
            let (status, message) = match named.is_empty() {
                true => (StatusCode::NOT_FOUND, format!("The admin API has no `{name}`.")),
                false => (StatusCode::METHOD_NOT_ALLOWED, format!("`{name}` does not answer {}.", request.method())),
            };
            return AdminResponse::error(status, message).into_http();
        };
        let query = parse_query(request.uri().query().unwrap_or_default());
        let rest = percent_encoding::percent_decode_str(rest).decode_utf8_lossy().into_owned();
        let body = match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                let message = format!("The body could not be read: {error}.");
                return AdminResponse::error(StatusCode::BAD_REQUEST, message).into_http();
            }
        };
        let body = match body.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&body),
        };
        match body {
            Ok(body) => (route.answer)(AdminRequest { rest, query, body, origin }).await.into_http(),
            Err(error) => {
                AdminResponse::error(StatusCode::BAD_REQUEST, format!("The body is not JSON: {error}.")).into_http()
            }
        }
    }
}

impl AdminResponse {
    pub fn json(value: &Value) -> AdminResponse {
        AdminResponse::json_with(StatusCode::OK, value)
    }

    pub fn error(status: StatusCode, message: impl Into<String>) -> AdminResponse {
        AdminResponse::json_with(status, &json!({ "message": message.into() }))
    }

    /// An error of an operation, with its code.
    pub fn from_error(error: &wire::Error) -> AdminResponse {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        AdminResponse::json_with(status, &json!({ "code": error.code, "message": error.message }))
    }

    /// Lines of JSON, sent as they come.
    pub fn lines() -> (Lines, AdminResponse) {
        let (lines, body) = Lines::channel();
        (lines, AdminResponse { status: StatusCode::OK, content_type: "application/x-ndjson".into(), body })
    }

    /// Anything else, whole.
    pub fn bytes(content_type: &str, bytes: impl Into<bytes::Bytes>) -> AdminResponse {
        AdminResponse { status: StatusCode::OK, content_type: content_type.to_owned(), body: full(bytes) }
    }

    fn json_with(status: StatusCode, value: &Value) -> AdminResponse {
        let body = full(value.to_string());
        AdminResponse { status, content_type: "application/json".into(), body }
    }

    pub(crate) fn into_http(self) -> Response<Body> {
        Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.content_type)
            .body(self.body)
            .unwrap_or_else(|_| Response::new(full("")))
    }
}

fn parse_query(query: &str) -> BTreeMap<String, String> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = parse_query("root=1-2%2F3&follow&name=a+b");
        let expected = [("follow", ""), ("name", "a b"), ("root", "1-2/3")];
        assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
