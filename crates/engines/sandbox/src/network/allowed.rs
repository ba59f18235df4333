//! Destinations that are reached although the policy would refuse them: `CIDR` or `CIDR:PORT`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A range of addresses, at one port or at all: `10.1.0.0/16`, `127.0.0.1:5432`, `[fd00::/8]:443`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    network: IpAddr,
    prefix_bits: u32,
    port: Option<u16>,
}

impl Allowed {
    /// A whole range.
    pub const fn range(network: IpAddr, prefix_bits: u32) -> Allowed {
        Allowed { network, prefix_bits, port: None }
    }

    /// Whether it holds this destination.
    pub fn contains(&self, destination: SocketAddr) -> bool {
        self.contains_address(destination.ip()) && self.port.is_none_or(|port| port == destination.port())
    }

    /// Whether the address lies in the range, whatever the port.
    pub fn contains_address(&self, address: IpAddr) -> bool {
        let (width, network, address) = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => (32, network.to_bits().into(), address.to_bits().into()),
            (IpAddr::V6(network), IpAddr::V6(address)) => (128, network.to_bits(), address.to_bits()),
            _ => return false,
        };
        let ignored_bits = width - self.prefix_bits;
        u128::checked_shr(network ^ address, ignored_bits).unwrap_or(0) == 0
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Allowed, String> {
        let wrong = || {
            format!("`{text}` is no range of addresses; write it like 10.1.0.0/16, 127.0.0.1:5432 or [fd00::/8]:443")
        };
        let (range, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']').ok_or_else(wrong)) {
            Some(parts) => {
                let (range, port) = parts?;
                (range, port.strip_prefix(':'))
            }
            None if text.matches(':').count() == 1 => {
                text.split_once(':').map(|(range, port)| (range, Some(port))).ok_or_else(wrong)?
            }
            None => (text, None),
        };
        let (address, prefix) = match range.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (range, None),
        };
        let network: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if prefix_bits > width {
            return Err(wrong());
        }
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        Ok(Allowed { network, prefix_bits, port })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allowed { network, prefix_bits, port } = self;
        match (network, port) {
            (_, None) => write!(f, "{network}/{prefix_bits}"),
            (IpAddr::V4(_), Some(port)) => write!(f, "{network}/{prefix_bits}:{port}"),
            (IpAddr::V6(_), Some(port)) => write!(f, "[{network}/{prefix_bits}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_ports_are_read() {
        let cases = [
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("127.0.0.1:5432", "127.0.0.1/32:5432"),
            ("10.0.0.0/8:443", "10.0.0.0/8:443"),
            ("fd00::/8", "fd00::/8"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
            ("::1", "::1/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Allowed>().map(|allowed| allowed.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["", "10.0.0.0/33", "fd00::/129", "localhost", "10.0.0.0/8:http", "[fd00::1", "10.0.0.0/-1"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_holds_its_addresses_at_its_port() {
        let holds = |range: &str, destination: &str| {
            range.parse::<Allowed>().unwrap().contains(destination.parse::<SocketAddr>().unwrap())
        };
        assert!(holds("10.1.0.0/16", "10.1.255.255:80"));
        assert!(!holds("10.1.0.0/16", "10.2.0.0:80"));
        assert!(holds("10.1.0.0/16:80", "10.1.2.3:80"));
        assert!(!holds("10.1.0.0/16:80", "10.1.2.3:81"));
        assert!(holds("0.0.0.0/0", "203.0.113.9:1"));
        assert!(!holds("0.0.0.0/0", "[::1]:1"));
        assert!(holds("[fd00::/8]:443", "[fd12::1]:443"));
        assert!(!holds("fd00::/8", "[fe80::1]:443"));
    }
}
