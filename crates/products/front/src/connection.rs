use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::admin::{self, Admin};
use crate::body::Body;
use crate::gate::{self, Peer};
use crate::host::FabricHost;
use crate::listener::stopped;

/// What every connection is served from.
pub(crate) struct Site {
    pub(crate) services: Arc<wire::Services>,
    pub(crate) host: Arc<FabricHost>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) address: SocketAddr,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Serves the requests of one connection, one after another, until the peer closes or Kobel stops.
pub(crate) async fn serve(site: Arc<Site>, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
    let mut stopping = site.stopping.clone();
    let answer = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(answer(site, request, peer).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(site: Arc<Site>, request: http::Request<Incoming>, peer: Peer) -> Response<Body> {
    if request.uri().path().starts_with(admin::PREFIX) {
        if let Some(refusal) = gate::refusal(peer, request.uri().path(), request.headers()) {
            return refusal.into_http();
        }
        let origin = origin(&request, site.address);
        return site.admin.clone().serve(request, origin).await;
    }
    wire::handle(&site.services, site.host.as_ref(), request, origin_of_port(site.address)).await
}

/// The origin by which a client reached Kobel: its `Host`, or else the listening address.
fn origin<B>(request: &http::Request<B>, address: SocketAddr) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    host.map_or_else(|| origin_of_port(address), |host| format!("http://{host}"))
}

fn origin_of_port(address: SocketAddr) -> String {
    format!("http://{address}")
}
