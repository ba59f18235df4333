//! Which destinations are outside: not this host, not its neighbours, not what stands for a link or a group.
//!
//! It is asked about addresses only, after all names have been resolved: a name that leads back inside (DNS rebinding)
//! gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Allowed;
use super::address::GATEWAY_V4;
use crate::netlink::{self, Message, Netlink};

/// The port at which the gateway answers names.
pub(super) const NAME_PORT: u16 = 53;

/// Never outside: this host, private networks (RFC 1918, RFC 4193), shared ones of carriers (RFC 6598), links with the
/// metadata services of clouds (169.254.169.254, `fd00:ec2::254`), groups, and what is reserved (RFC 6890). Addresses
/// for documentation are not among them: they lead nowhere by themselves, and test networks use them.
const INSIDE: [Allowed; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // What Azure gives machines at an address that is public by its number.
    v4([168, 63, 129, 16], 32),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([224, 0, 0, 0], 3),
    v6(0, 64),
    v6(0xfc00, 7),
    v6(0xfe80, 10),
    v6(0xfec0, 10),
    v6(0xff00, 8),
];

const fn v4(octets: [u8; 4], bits: u32) -> Allowed {
    let [a, b, c, d] = octets;
    Allowed::range(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits)
}

const fn v6(first: u16, bits: u32) -> Allowed {
    Allowed::range(IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)), bits)
}

/// Where a packet leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To a host outside.
    To(SocketAddr),
    /// To those who answer names.
    Names,
    /// Nowhere.
    Refused,
}

/// The rules of one server.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    allowed: Vec<Allowed>,
}

impl Policy {
    pub(super) fn new(allowed: Vec<Allowed>) -> Policy {
        Policy { allowed }
    }

    /// Where a packet to `destination` leads.
    pub(super) fn way(&self, destination: SocketAddr) -> Way {
        self.judge(destination, &is_elsewhere)
    }

    /// `is_elsewhere` tells whether the host's own routes lead an address to another host.
    fn judge(&self, destination: SocketAddr, is_elsewhere: &dyn Fn(IpAddr) -> bool) -> Way {
        let destination = if destination.ip() == GATEWAY_V4 {
            if destination.port() == NAME_PORT {
                return Way::Names;
            }
            SocketAddr::from((Ipv4Addr::LOCALHOST, destination.port()))
        } else {
            SocketAddr::new(destination.ip().to_canonical(), destination.port())
        };
        let allowed = |address: IpAddr| {
            let destination = SocketAddr::new(address, destination.port());
            self.allowed.iter().any(|allowed| allowed.contains(destination))
        };
        let inside = |address: IpAddr| INSIDE.iter().any(|range| range.contains_address(address));
        if allowed(destination.ip()) {
            return Way::To(destination);
        }
        let inner = embedded(destination.ip()).map(IpAddr::V4);
        let outside = |address: IpAddr| allowed(address) || (!inside(address) && is_elsewhere(address));
        let is_outside = outside(destination.ip()) && inner.is_none_or(outside);
        if is_outside { Way::To(destination) } else { Way::Refused }
    }
}

/// The IPv4 address for which an IPv6 one stands, by NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let bits = address.to_bits();
    match address.segments() {
        [0x64, 0xff9b, ..] => Some(Ipv4Addr::from_bits(bits as u32)),
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        _ => None,
    }
}

/// Whether the host would send to this address rather than keep it: neither one of its own nor a broadcast or such.
fn is_elsewhere(address: IpAddr) -> bool {
    match route_kind(address) {
        Ok(kind) => kind == libc::RTN_UNICAST,
        // The host has no route: the attempt to connect will say so better.
        Err(error) => matches!(error.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)),
    }
}

/// What kind of route (`RTN_…`) the host has to an address.
fn route_kind(address: IpAddr) -> io::Result<u8> {
    const RTM_GETROUTE: u16 = 26;
    const RTA_DST: u16 = 1;
    /// Where `struct rtmsg` has the kind.
    const KIND_OFFSET: usize = 7;
    let octets = netlink::octets(address);
    let mut fixed = [0; 12];
    fixed[0] = netlink::family(address);
    fixed[1] = (octets.len() * 8) as u8;
    let answer = Netlink::open()?.ask(Message::new(RTM_GETROUTE, 0, &fixed).with(RTA_DST, &octets))?;
    answer.get(KIND_OFFSET).copied().ok_or_else(|| io::Error::other("a route without a kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(allowed: &[&str], destination: &str) -> Way {
        let policy = Policy::new(allowed.iter().map(|text| text.parse().unwrap()).collect());
        // One address is the host's own.
        let own: [IpAddr; 2] = ["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        policy.judge(destination.parse().unwrap(), &|address| !own.contains(&address))
    }

    #[test]
    fn only_hosts_outside_are_reached() {
        for destination in ["93.184.216.34:443", "1.1.1.1:53", "203.0.113.80:80", "[2606:2800::1]:443"] {
            assert_eq!(way(&[], destination), Way::To(destination.parse().unwrap()), "{destination}");
        }
        let refused = [
            "0.0.0.0:80",
            "10.0.0.1:80",
            "100.64.0.1:80",
            "127.0.0.1:80",
            "127.9.9.9:80",
            "169.254.169.254:80",
            "172.16.0.1:80",
            "172.31.255.255:80",
            "192.168.1.1:80",
            "198.18.0.1:80",
            "203.0.113.7:22",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::]:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:203.0.113.7]:80",
            "[::7f00:1]:80",
            "[64:ff9b::7f00:1]:80",
            "[64:ff9b::cb00:7107]:80",
            "[2002:7f00:1::]:80",
            "[2002:a00:1::1]:80",
            "[2001:db8::7]:22",
            "[fd00:ec2::254]:80",
            "[fe80::1]:80",
            "[ff02::1]:80",
        ];
        for destination in refused {
            assert_eq!(way(&[], destination), Way::Refused, "{destination}");
        }
    }

    #[test]
    fn what_is_allowed_is_reached() {
        let to = |text: &str| Way::To(text.parse().unwrap());
        assert_eq!(way(&["10.1.0.0/16"], "10.1.2.3:80"), to("10.1.2.3:80"));
        assert_eq!(way(&["10.1.0.0/16:443"], "10.1.2.3:80"), Way::Refused);
        assert_eq!(way(&["203.0.113.7"], "203.0.113.7:80"), to("203.0.113.7:80"));
        assert_eq!(way(&["203.0.113.7"], "[::ffff:203.0.113.7]:80"), to("203.0.113.7:80"));
        assert_eq!(way(&["10.0.0.0/8"], "[64:ff9b::a00:1]:80"), to("[64:ff9b::a00:1]:80"));
    }

    #[test]
    fn the_gateway_answers_names_and_stands_for_the_hosts_loopback() {
        assert_eq!(way(&[], "192.0.0.1:53"), Way::Names);
        assert_eq!(way(&[], "192.0.0.1:5432"), Way::Refused);
        assert_eq!(way(&["127.0.0.1:5432"], "192.0.0.1:5432"), Way::To("127.0.0.1:5432".parse().unwrap()));
        assert_eq!(way(&["127.0.0.1:5432"], "192.0.0.1:22"), Way::Refused);
    }

    #[test]
    fn the_host_knows_its_own_addresses() {
        assert_eq!(route_kind(Ipv4Addr::LOCALHOST.into()).unwrap(), libc::RTN_LOCAL);
        assert!(!is_elsewhere(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_elsewhere(Ipv4Addr::BROADCAST.into()));
    }
}
