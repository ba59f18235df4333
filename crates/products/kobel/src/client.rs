//! Speaks to a running Kobel over its admin API.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How many bytes of an answer are read at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many bytes of a file are sent at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A running Kobel.
#[derive(Debug, Clone)]
pub struct Client {
    /// `host:port`.
    authority: String,
    region: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{endpoint}` is no endpoint; write it like http://127.0.0.1:4566")]
    Endpoint { endpoint: String },
    #[error(
        "no Kobel answers at http://{authority} ({reason}); start one with `kobel serve`, or name it with --endpoint"
    )]
    Unreachable { authority: String, reason: String },
    #[error("the connection to Kobel at http://{authority} broke: {reason}")]
    Broken { authority: String, reason: String },
    #[error("{message}")]
    Refused { code: String, message: String, status: u16 },
}

impl Client {
    pub fn new(endpoint: &str, region: &str) -> Result<Client, Error> {
        let wrong = || Error::Endpoint { endpoint: endpoint.to_owned() };
        let authority = endpoint.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let authority = match (authority.is_empty() || authority.contains('/'), port) {
            (true, _) => return Err(wrong()),
            (false, Some(_)) => authority.to_owned(),
            (false, None) => format!("{authority}:80"),
        };
        Ok(Client { authority, region: region.to_owned() })
    }

    /// Calls an operation by its name, with input and output as JSON.
    pub async fn call(&self, service: &str, operation: &str, input: Value) -> Result<Value, Error> {
        let path = format!("/_kobel/api/{service}/{operation}?region={}", self.region);
        self.json(Method::POST, &path, Some(input)).await
    }

    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.json(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Error> {
        self.json(Method::POST, path, Some(body)).await
    }

    /// Stores an object, unless the bucket has it.
    pub async fn put_object(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), Error> {
        let request = self
            .request(Method::PUT, &format!("/{bucket}/{key}"))
            .header(header::AUTHORIZATION, self.credential("s3"))
            .body(Full::new(bytes));
        self.stored(bucket, key, self.send(request).await?).await
    }

    /// Stores a file as an object, piece by piece.
    pub async fn put_file(&self, bucket: &str, key: &str, file: &Path) -> Result<(), Error> {
        let opened = async {
            let opened = tokio::fs::File::open(file).await?;
            let bytes = opened.metadata().await?.len();
            Ok::<_, std::io::Error>((opened, bytes))
        };
        let (opened, bytes) = opened.await.map_err(|error| self.broken(error))?;
        let pieces = futures_util::stream::try_unfold(opened, async |mut file| {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            let read = file.read_buf(&mut piece).await?;
            Ok::<_, std::io::Error>((read > 0).then(|| (Frame::data(piece.freeze()), file)))
        });
        let request = self
            .request(Method::PUT, &format!("/{bucket}/{key}"))
            .header(header::AUTHORIZATION, self.credential("s3"))
            .header(header::CONTENT_LENGTH, bytes)
            .body(StreamBody::new(Box::pin(pieces)));
        self.stored(bucket, key, self.send(request).await?).await
    }

    async fn stored(&self, bucket: &str, key: &str, response: Response<Incoming>) -> Result<(), Error> {
        match response.status().is_success() {
            true => Ok(()),
            false => {
                let status = response.status().as_u16();
                let text = String::from_utf8_lossy(&self.collect(response).await?).into_owned();
                let message = format!("the upload of {bucket}/{key} was refused: {text}");
                Err(Error::Refused { code: String::new(), message, status })
            }
        }
    }

    /// Invokes a function: the status, the function's error if it had one, the payload, and the end of its log.
    pub async fn invoke(&self, function: &str, payload: Bytes, asynchronous: bool) -> Result<Invoked, Error> {
        let kind = if asynchronous { "Event" } else { "RequestResponse" };
        let name = percent_encoding::utf8_percent_encode(function, percent_encoding::NON_ALPHANUMERIC);
        let request = self
            .request(Method::POST, &format!("/2015-03-31/functions/{name}/invocations"))
            .header(header::AUTHORIZATION, self.credential("lambda"))
            .header("x-amz-invocation-type", kind)
            .header("x-amz-log-type", if asynchronous { "None" } else { "Tail" })
            .body(Full::new(payload));
        let response = self.send(request).await?;
        let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (function_error, log, code) =
            (text("x-amz-function-error"), text("x-amz-log-result"), text("x-amzn-errortype"));
        let request_id = text("x-amzn-requestid").unwrap_or_default();
        let status = response.status().as_u16();
        let payload = self.collect(response).await?;
        if status >= 400 {
            let body: Value = serde_json::from_slice(&payload).unwrap_or_default();
            let message = body["Message"].as_str().or(body["message"].as_str()).unwrap_or("the call failed");
            return Err(Error::Refused { code: code.unwrap_or_default(), message: message.to_owned(), status });
        }
        Ok(Invoked { request_id, function_error, log, payload })
    }

    /// Opens a stream of JSON lines.
    pub async fn lines(&self, path: &str) -> Result<LineReader, Error> {
        let response = self.send(self.request(Method::GET, path).body(Full::new(Bytes::new()))).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        Ok(LineReader { body: response.into_body(), read: BytesMut::new(), authority: self.authority.clone() })
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Error> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let response = self.send(self.request(method, path).body(Full::new(body))).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let bytes = self.collect(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(error))
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(header::HOST, &self.authority)
    }

    /// Names the service and region, as a signature would; Kobel accepts any on the local machine.
    fn credential(&self, service: &str) -> String {
        let scope = format!("{}/20000101/{}/{service}/aws4_request", base::Account::DEFAULT, self.region);
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={:064}", 0)
    }

    async fn send<B>(&self, request: Result<Request<B>, http::Error>) -> Result<Response<Incoming>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = request.map_err(|error| self.broken(error))?;
        let unreachable =
            |error: std::io::Error| Error::Unreachable { authority: self.authority.clone(), reason: error.to_string() };
        let stream = TcpStream::connect(&self.authority).await.map_err(unreachable)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| self.broken(error))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, Error> {
        let limited = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        Ok(limited.collect().await.map_err(|error| self.broken(error))?.to_bytes())
    }

    async fn refusal(&self, response: Response<Incoming>) -> Error {
        let status = response.status().as_u16();
        let body = match self.collect(response).await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| json!({})),
            Err(error) => return error,
        };
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Error::Refused { code: text("code"), message: text("message"), status }
    }

    fn broken(&self, error: impl std::fmt::Display) -> Error {
        Error::Broken { authority: self.authority.clone(), reason: error.to_string() }
    }
}

/// What an invocation gave.
#[derive(Debug)]
pub struct Invoked {
    pub request_id: String,
    pub function_error: Option<String>,
    /// Base64.
    pub log: Option<String>,
    pub payload: Bytes,
}

/// Lines of JSON, as they come.
pub struct LineReader {
    body: Incoming,
    read: BytesMut,
    authority: String,
}

impl LineReader {
    /// The next line; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Value>, Error> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                return serde_json::from_slice(&line).map(Some).map_err(|error| self.broken(error));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.read.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(self.broken(error)),
                None => return Ok(None),
            }
        }
    }

    fn broken(&self, error: impl std::fmt::Display) -> Error {
        Error::Broken { authority: self.authority.clone(), reason: error.to_string() }
    }
}

impl Error {
    /// Whether Kobel answered with an error of that code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Error::Refused { code, .. } if code == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked() {
        for (endpoint, authority) in [("http://localhost:4566/", "localhost:4566"), ("http://host", "host:80")] {
            assert_eq!(Client::new(endpoint, "us-east-1").expect(endpoint).authority, authority);
        }
        for endpoint in ["", "localhost:4566", "https://x", "http://", "http://a/b"] {
            assert!(Client::new(endpoint, "us-east-1").is_err(), "{endpoint}");
        }
    }
}
