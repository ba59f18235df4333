//! What an environment reaches beside itself: nothing, Kobel's endpoint, or the outside too.
//!
//! The way outside is a virtual cable, not a socket of the host: the environment's network namespace has one interface
//! whose other end is read by the server. There a gateway takes the packets, asks the policy whether their
//! destination is outside, connects to it in the function's name, and carries the bytes between that
//! connection and its own TCP and UDP. A function never holds a socket that belongs to the host, so that nothing it does
//! to one (binding, listening, disconnecting, changing an address while a call looks at it) can lead anywhere else; every
//! kind of call works as it does elsewhere, because the kernel of the host serves it; and nobody can connect to it, as
//! the gateway never begins a conversation.
//!
//! It needs no privilege of the host, no `/dev/net/tun`, no forwarding and no firewall rule.

#[cfg(target_os = "linux")]
mod address;
mod allowed;
#[cfg(target_os = "linux")]
mod cable;
#[cfg(target_os = "linux")]
mod dns;
#[cfg(target_os = "linux")]
mod gateway;
#[cfg(target_os = "linux")]
mod packet;
#[cfg(target_os = "linux")]
mod policy;
#[cfg(target_os = "linux")]
mod stack;
#[cfg(target_os = "linux")]
mod tcp;
#[cfg(target_os = "linux")]
mod udp;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
pub(crate) use address::{CABLE_MTU, GATEWAY_MAC, GATEWAY_V4, SANDBOX_MAC, SANDBOX_V4, SANDBOX_V6};
pub use allowed::Allowed;
#[cfg(target_os = "linux")]
pub(crate) use gateway::{Outside, serve};

/// How far a function's connections reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Network {
    /// Nowhere: only its own Runtime API, which is how it is spoken with.
    None,
    /// Kobel's endpoint.
    Kobel,
    /// Kobel's endpoint, and what lies outside of this host.
    Host,
}

impl Network {
    /// All of them, the narrowest first.
    pub const ALL: [Network; 3] = [Network::None, Network::Kobel, Network::Host];
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Network::None => "none",
            Network::Kobel => "kobel",
            Network::Host => "host",
        })
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let found = Network::ALL.into_iter().find(|network| network.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no network; it must be none, kobel or host"))
    }
}

/// How functions reach the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// What functions have that say nothing else. `None` is the outside where the host can give it, else the endpoint with
    /// a warning.
    pub default: Option<Network>,
    /// Destinations that the policy would refuse and that are reached all the same.
    pub allowed: Vec<Allowed>,
    /// Servers that answer names; empty for those of the host's `/etc/resolv.conf`.
    pub name_servers: Vec<SocketAddr>,
}
