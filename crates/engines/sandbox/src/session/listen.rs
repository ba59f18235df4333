//! Serves HTTP inside an environment: what the Runtime API and the Extensions API share.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;

use super::answer::Answer;
use crate::config::Connection;
use crate::driver::Listener;

/// Connections that the processes of an environment may hold at the same time.
const CONNECTIONS_MAX: usize = 64;

/// Answers requests.
pub(crate) trait Route: Send + Sync + 'static {
    fn route(&self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// Serves connections until dropped.
pub(crate) async fn accept<R: Route>(mut listener: Listener, routes: Arc<R>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let Ok(connection) = listener.accept().await else { return };
        let routes = routes.clone();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            let served = match connection {
                Connection::Tcp(stream) => serve(quick(stream), routes).await,
                Connection::Carried(stream) => serve(UnixStream::from_std(stream), routes).await,
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a connection from inside an environment was lost");
            }
            drop(slot);
        });
    }
}

/// Answers do not wait for acknowledgements.
fn quick(stream: std::net::TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    TcpStream::from_std(stream)
}

async fn serve<R: Route>(
    stream: std::io::Result<impl AsyncRead + AsyncWrite + Unpin + 'static>,
    routes: Arc<R>,
) -> std::io::Result<()> {
    let stream = stream?;
    let service = service_fn(move |request| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.route(request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // As on AWS: runtimes written as shell scripts look for `Lambda-Runtime-Aws-Request-Id`.
    let connection = http.title_case_headers(true).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection from inside an environment ended early");
    }
    Ok(())
}
