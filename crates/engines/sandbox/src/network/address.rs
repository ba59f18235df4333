//! The addresses on the cable. They are the same for every environment, as none sees another's.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The gateway, which answers names at port 53, and whose other ports stand for the host's loopback. Of the range that
/// RFC 6333 keeps for the two ends of a link.
pub(crate) const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
/// The environment.
pub(crate) const SANDBOX_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 2);
/// The environment. A unique local address (RFC 4193), so that names with addresses of both kinds lead to IPv4 first
/// (RFC 6724): the host may have no IPv6.
pub(crate) const SANDBOX_V6: Ipv6Addr = Ipv6Addr::new(0xfd6b, 0x6f62, 0x656c, 0, 0, 0, 0, 2);
/// The gateway's own, where the protocols ask for one.
pub(crate) const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd6b, 0x6f62, 0x656c, 0, 0, 0, 0, 1);
/// Locally administered.
pub(crate) const SANDBOX_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
pub(crate) const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// The largest packet on the cable, in bytes: nothing that one sends to the gateway is cut into fragments.
pub(crate) const CABLE_MTU: u32 = 65_520;
