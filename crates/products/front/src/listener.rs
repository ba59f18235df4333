use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::admin::Admin;
use crate::connection::{self, Site};
use crate::gate::Peer;
use crate::host::FabricHost;

/// How many connections are served at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 8_192;

/// How many connections of functions are served at once; further ones are closed.
const CONNECTIONS_INSIDE_MAX: usize = 8_192;

/// The listening port. Bound early, so that a port in use is told before anything starts.
pub struct Front {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error(
        "failed to listen on {address}: {source}. Is another Kobel running there? Choose another port with --port."
    )]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// Serves until it is told to stop.
pub struct Serving {
    site: Arc<Site>,
    room_inside: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Front {
    pub async fn bind(address: SocketAddr) -> Result<Front, FrontError> {
        let listen = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Front { listener, address })
        };
        listen.await.map_err(|source| FrontError::Listen { address, source })
    }

    /// The address with its port, also where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to serve.
    pub fn serve(self, services: Arc<wire::Services>, host: Arc<FabricHost>, admin: Admin) -> Serving {
        let (stop, stopping) = watch::channel(false);
        let site = Arc::new(Site { services, host, admin: Arc::new(admin), address: self.address, stopping });
        tokio::spawn(accept(self.listener, site.clone()));
        Serving { site, room_inside: Arc::new(Semaphore::new(CONNECTIONS_INSIDE_MAX)), stop }
    }
}

impl Serving {
    /// Serves a connection that a function opened inside its sandbox: AWS's APIs, but not the admin API. Drops `held`
    /// when it has ended.
    pub fn take(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, held: impl Send + 'static) {
        let Ok(permit) = self.room_inside.clone().try_acquire_owned() else {
            tracing::warn!("functions hold {CONNECTIONS_INSIDE_MAX} connections; a further one was closed");
            return;
        };
        let site = self.site.clone();
        tokio::spawn(async move {
            connection::serve(site, stream, Peer::Function).await;
            drop((permit, held));
        });
    }

    /// Accepts nothing further and lets requests under way end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// Resolves when Kobel stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender going away means the same.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stopping = site.stopping.clone();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                // A small answer must not wait for the peer's acknowledgement.
                stream.set_nodelay(true).ok();
                let site = site.clone();
                tokio::spawn(async move {
                    connection::serve(site, stream, Peer::Outside).await;
                    drop(permit);
                });
            }
            // Out of descriptors, or the peer has gone: the next one may do.
            Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
        }
    }
}
