//! A registry, by the OCI distribution specification: manifests and blobs over HTTP.

mod challenge;
mod credentials;

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::{Blob, Found, Source, follow, read_document};
use crate::document::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::reference::Tagged;
use crate::{Digest, Error};
use challenge::Challenge;

/// Where Docker's registry answers.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// How long to wait for a connection, for an answer, and for each piece of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer to a request for a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 256 * 1024;

pub(super) struct Registry {
    agent: Agent,
    /// As the user names it.
    registry: String,
    origin: String,
    repository: String,
    version: Tagged,
    /// The `Authorization` that the registry was content with.
    authorization: Mutex<Option<String>>,
}

impl Registry {
    pub(super) fn new(registry: &str, repository: &str, version: Tagged) -> Result<Registry, Error> {
        let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
        // As container engines do: plain HTTP on this machine only.
        let scheme = if is_loopback(host) { "http" } else { "https" };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(scheme == "https")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(ANSWER_TIMEOUT))
            .user_agent(concat!("kobel/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Registry {
            agent: config.new_agent(),
            registry: registry.to_owned(),
            origin: format!("{scheme}://{host}"),
            repository: repository.to_owned(),
            version,
            authorization: Mutex::default(),
        })
    }

    fn name(&self) -> String {
        match &self.version {
            Tagged::Tag(tag) => format!("{}/{}:{tag}", self.registry, self.repository),
            Tagged::Digest(digest) => format!("{}/{}@{digest}", self.registry, self.repository),
        }
    }

    /// Asks for what is below the repository, with a token if the registry wants one.
    fn get(&self, path: &str, accept: &str) -> Result<Response<Body>, Error> {
        let url = format!("{}/v2/{}/{path}", self.origin, self.repository);
        let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut response = self.send(&url, accept, authorization.as_deref())?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let authorization = self.authorize(&response)?;
            response = self.send(&url, accept, Some(&authorization))?;
            *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        }
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND => {
                Err(Error::Missing { image: self.name(), reason: format!("the registry has no {path} of it") })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Denied {
                image: self.name(),
                reason: format!(
                    "status {}; log in with `docker login` or write ~/.docker/config.json",
                    response.status()
                ),
            }),
            status => Err(self.failed(format!("it answers {status} for {path}"))),
        }
    }

    fn send(&self, url: &str, accept: &str, authorization: Option<&str>) -> Result<Response<Body>, Error> {
        let mut request = self.agent.get(url).header(header::ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.call().map_err(|error| self.failed(error.to_string()))
    }

    /// The `Authorization` for which the registry asks.
    fn authorize(&self, response: &Response<Body>) -> Result<String, Error> {
        let credentials = credentials::of(&self.registry);
        let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
        let mut challenges = headers.iter().filter_map(|value| Challenge::parse(value.to_str().ok()?));
        let denied = |reason: &str| Error::Denied { image: self.name(), reason: reason.to_owned() };
        match challenges.next_back() {
            None => Err(denied("it does not say which credentials it wants")),
            Some(Challenge::Basic) => credentials
                .map(|basic| format!("Basic {basic}"))
                .ok_or_else(|| denied("it wants a name and a password")),
            Some(Challenge::Bearer { realm, service, scope }) => {
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository));
                let url = challenge::token_url(&realm, service.as_deref(), &scope);
                let url =
                    url.ok_or_else(|| self.failed(format!("it sends for a token to `{realm}`, which is no URL")))?;
                let basic = credentials.map(|basic| format!("Basic {basic}"));
                let mut response = self.send(&url, "application/json", basic.as_deref())?;
                if !response.status().is_success() {
                    return Err(denied(&format!("its token service answers {}", response.status())));
                }
                let body = response.body_mut().with_config().limit(TOKEN_BYTES_MAX).read_to_vec();
                let body = body.map_err(|error| self.failed(error.to_string()))?;
                challenge::token(&body)
                    .map(|token| format!("Bearer {token}"))
                    .ok_or_else(|| denied("it gives no token"))
            }
        }
    }

    fn failed(&self, reason: String) -> Error {
        Error::Registry { registry: self.registry.clone(), reason }
    }
}

impl Source for Registry {
    fn find(&self) -> Result<Found, Error> {
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let version = match &self.version {
            Tagged::Tag(tag) => tag.clone(),
            Tagged::Digest(digest) => digest.to_string(),
        };
        let response = self.get(&format!("manifests/{version}"), &accept)?;
        let bytes = read_document(response.into_body().into_reader(), "manifest")?;
        let found = Digest::of(&bytes);
        if let Tagged::Digest(wanted) = &self.version
            && *wanted != found
        {
            return Err(Error::invalid(format!("its manifest has the digest {found} where {wanted} was asked for")));
        }
        let get = |descriptor: &Descriptor| {
            // A manifest of an index, or a configuration, which is a blob.
            let kind = descriptor.media_type.as_str();
            let is_manifest = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].contains(&kind);
            let folder = if is_manifest { "manifests" } else { "blobs" };
            let accept = if is_manifest { kind } else { "*/*" };
            let response = self.get(&format!("{folder}/{}", descriptor.digest), accept)?;
            read_document(response.into_body().into_reader(), &descriptor.digest)
        };
        follow(found, bytes, &get)
    }

    fn open(&self, layer: &Blob) -> Result<Box<dyn Read + '_>, Error> {
        let response = self.get(&format!("blobs/{}", layer.name), "*/*")?;
        Ok(Box::new(response.into_body().into_reader()))
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (host, loopback) in [
            ("localhost:5000", true),
            ("localhost", true),
            ("127.0.0.1:5000", true),
            ("127.0.0.1.example.com", false),
            ("localhost.example.com:80", false),
            ("10.0.0.1:5000", false),
            ("registry-1.docker.io", false),
        ] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
