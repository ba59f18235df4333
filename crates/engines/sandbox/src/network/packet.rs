//! Packets of IP: what the gateway reads of those of a function, and what it answers by itself.

use std::io;
use std::net::{IpAddr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr, IpAddress,
    IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
    UdpRepr,
};

use super::{SANDBOX_V4, SANDBOX_V6};

const HOP_LIMIT: u8 = 64;
/// How much of a refused packet goes back, behind its IP header: enough for any header of TCP.
const QUOTED_BYTES_MAX: usize = 60;
/// The larger one of both IP headers, of UDP's or ICMP's, and what is quoted.
const OVERHEAD_BYTES_MAX: usize = 40 + 8;

/// A function's packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'p> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub content: Content<'p>,
    /// All of it.
    pub whole: &'p [u8],
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'p> {
    Udp(&'p [u8]),
    /// The first segment of a connection.
    Syn,
    Tcp,
}

/// Why a packet leads nowhere, as the function is to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody listens: `ECONNREFUSED`.
    Port,
    /// No route there: `ENETUNREACH`.
    Network,
    /// The host does not answer: `EHOSTUNREACH`.
    Host,
    /// By the policy: `EHOSTUNREACH`.
    Prohibited,
}

impl Refusal {
    /// What the host's failure to connect means. `None` where a function would hear nothing either.
    pub(super) fn of(error: &io::Error) -> Option<Refusal> {
        match error.raw_os_error() {
            Some(libc::ECONNREFUSED | libc::ECONNRESET) => Some(Refusal::Port),
            Some(libc::ENETUNREACH) => Some(Refusal::Network),
            Some(libc::ETIMEDOUT) => None,
            _ => Some(Refusal::Host),
        }
    }
}

/// Reads a packet of TCP or UDP that is whole and comes from the environment's own addresses.
pub(super) fn parse(whole: &[u8]) -> Option<Packet<'_>> {
    match whole.first()? >> 4 {
        4 => {
            let packet = Ipv4Packet::new_checked(whole).ok()?;
            if packet.more_frags() || packet.frag_offset() != 0 || packet.src_addr() != SANDBOX_V4 {
                return None;
            }
            let addresses = (packet.src_addr().into(), packet.dst_addr().into());
            transport(whole, addresses, packet.next_header(), packet.payload())
        }
        6 => {
            let packet = Ipv6Packet::new_checked(whole).ok()?;
            if packet.src_addr() != SANDBOX_V6 {
                return None;
            }
            let addresses = (packet.src_addr().into(), packet.dst_addr().into());
            transport(whole, addresses, packet.next_header(), packet.payload())
        }
        _ => None,
    }
}

fn transport<'p>(
    whole: &'p [u8],
    (source, destination): (IpAddr, IpAddr),
    protocol: IpProtocol,
    payload: &'p [u8],
) -> Option<Packet<'p>> {
    let (ports, content) = match protocol {
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(payload).ok()?;
            ((udp.src_port(), udp.dst_port()), Content::Udp(udp.payload()))
        }
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(payload).ok()?;
            let content = if tcp.syn() && !tcp.ack() { Content::Syn } else { Content::Tcp };
            ((tcp.src_port(), tcp.dst_port()), content)
        }
        _ => return None,
    };
    let (source, destination) = (SocketAddr::new(source, ports.0), SocketAddr::new(destination, ports.1));
    Some(Packet { source, destination, content, whole })
}

/// A datagram to the function; `None` if it is too large to be one.
pub(super) fn datagram(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    const UDP_HEADER_BYTES: usize = 8;
    if payload.len() > super::CABLE_MTU as usize - OVERHEAD_BYTES_MAX {
        return None;
    }
    let repr = UdpRepr { src_port: source.port(), dst_port: destination.port() };
    let length = UDP_HEADER_BYTES + payload.len();
    wrapped(source.ip(), destination.ip(), IpProtocol::Udp, length, |content, (source, destination)| {
        let fill = |buffer: &mut [u8]| buffer.copy_from_slice(payload);
        let mut udp = UdpPacket::new_unchecked(content);
        repr.emit(&mut udp, &source, &destination, payload.len(), fill, &ChecksumCapabilities::default());
    })
}

/// The answer to a packet that leads nowhere.
pub(super) fn refusal(whole: &[u8], refusal: Refusal) -> Option<Vec<u8>> {
    let packet = parse(whole)?;
    match (packet.content, refusal) {
        (Content::Syn | Content::Tcp, Refusal::Port) => reset(&packet),
        _ => unreachable(&packet, refusal),
    }
}

/// Resets a connection that has just been asked for.
fn reset(packet: &Packet<'_>) -> Option<Vec<u8>> {
    let header_bytes = ip_header_bytes(packet.whole)?;
    let syn = TcpPacket::new_checked(packet.whole.get(header_bytes..)?).ok()?;
    let repr = TcpRepr {
        src_port: packet.destination.port(),
        dst_port: packet.source.port(),
        control: TcpControl::Rst,
        seq_number: TcpSeqNumber(0),
        ack_number: Some(syn.seq_number() + 1),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None, None, None],
        timestamp: None,
        payload: &[],
    };
    let (source, destination) = (packet.destination.ip(), packet.source.ip());
    wrapped(source, destination, IpProtocol::Tcp, repr.buffer_len(), |content, (source, destination)| {
        let mut tcp = TcpPacket::new_unchecked(content);
        repr.emit(&mut tcp, &source, &destination, &ChecksumCapabilities::default());
    })
}

/// Tells by ICMP that a packet has not arrived. It comes from where the packet went.
fn unreachable(packet: &Packet<'_>, refusal: Refusal) -> Option<Vec<u8>> {
    let header_bytes = ip_header_bytes(packet.whole)?;
    let rest = packet.whole.get(header_bytes..)?;
    let quoted = &rest[..rest.len().min(QUOTED_BYTES_MAX)];
    let checksums = ChecksumCapabilities::default();
    match (packet.destination.ip(), packet.source.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let original = Ipv4Packet::new_checked(packet.whole).ok()?;
            let header = Ipv4Repr {
                src_addr: original.src_addr(),
                dst_addr: original.dst_addr(),
                next_header: original.next_header(),
                payload_len: quoted.len(),
                hop_limit: original.hop_limit(),
            };
            let reason = match refusal {
                Refusal::Port => Icmpv4DstUnreachable::PortUnreachable,
                Refusal::Network => Icmpv4DstUnreachable::NetUnreachable,
                Refusal::Host => Icmpv4DstUnreachable::HostUnreachable,
                Refusal::Prohibited => Icmpv4DstUnreachable::CommProhibited,
            };
            let repr = Icmpv4Repr::DstUnreachable { reason, header, data: quoted };
            wrapped(source.into(), destination.into(), IpProtocol::Icmp, repr.buffer_len(), |content, _| {
                repr.emit(&mut Icmpv4Packet::new_unchecked(content), &checksums);
            })
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let original = Ipv6Packet::new_checked(packet.whole).ok()?;
            let header = Ipv6Repr {
                src_addr: original.src_addr(),
                dst_addr: original.dst_addr(),
                next_header: original.next_header(),
                payload_len: quoted.len(),
                hop_limit: original.hop_limit(),
            };
            let reason = match refusal {
                Refusal::Port => Icmpv6DstUnreachable::PortUnreachable,
                Refusal::Network => Icmpv6DstUnreachable::NoRoute,
                Refusal::Host | Refusal::Prohibited => Icmpv6DstUnreachable::AddrUnreachable,
            };
            let repr = Icmpv6Repr::DstUnreachable { reason, header, data: quoted };
            wrapped(source.into(), destination.into(), IpProtocol::Icmpv6, repr.buffer_len(), |content, _| {
                repr.emit(&source, &destination, &mut Icmpv6Packet::new_unchecked(content), &checksums);
            })
        }
        _ => None,
    }
}

fn ip_header_bytes(whole: &[u8]) -> Option<usize> {
    match whole.first()? >> 4 {
        4 => Some(usize::from(Ipv4Packet::new_checked(whole).ok()?.header_len())),
        _ => Some(40),
    }
}

/// A packet of IP around the content that `fill` writes.
fn wrapped(
    source: IpAddr,
    destination: IpAddr,
    protocol: IpProtocol,
    length: usize,
    fill: impl FnOnce(&mut [u8], (IpAddress, IpAddress)),
) -> Option<Vec<u8>> {
    let addresses = (source.into(), destination.into());
    let mut bytes;
    let header_bytes = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let repr = Ipv4Repr {
                src_addr: source,
                dst_addr: destination,
                next_header: protocol,
                payload_len: length,
                hop_limit: HOP_LIMIT,
            };
            bytes = vec![0; repr.buffer_len() + length];
            repr.emit(&mut Ipv4Packet::new_unchecked(&mut bytes[..]), &ChecksumCapabilities::default());
            repr.buffer_len()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let repr = Ipv6Repr {
                src_addr: source,
                dst_addr: destination,
                next_header: protocol,
                payload_len: length,
                hop_limit: HOP_LIMIT,
            };
            bytes = vec![0; repr.buffer_len() + length];
            repr.emit(&mut Ipv6Packet::new_unchecked(&mut bytes[..]));
            repr.buffer_len()
        }
        _ => return None,
    };
    fill(&mut bytes[header_bytes..], addresses);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn datagrams_are_written_as_they_are_read() {
        for (source, destination) in
            [("192.0.0.2:40000", "203.0.113.9:53"), ("[fd6b:6f62:656c::2]:40000", "[2001:db8::9]:53")]
        {
            let bytes = datagram(address(source), address(destination), b"question").unwrap();
            let packet = parse(&bytes).unwrap();
            assert_eq!((packet.source, packet.destination), (address(source), address(destination)));
            assert!(matches!(packet.content, Content::Udp(b"question")));
        }
        assert!(datagram(address("192.0.0.2:1"), address("203.0.113.9:53"), &vec![0; 65_510]).is_none());
    }

    #[test]
    fn packets_of_others_and_fragments_are_not_read() {
        let mut bytes = datagram(address("192.0.0.2:1"), address("203.0.113.9:53"), b"x").unwrap();
        assert!(parse(&datagram(address("192.0.0.3:1"), address("203.0.113.9:53"), b"x").unwrap()).is_none());
        assert!(parse(&bytes[..20]).is_none());
        assert!(parse(&[]).is_none());
        Ipv4Packet::new_unchecked(&mut bytes[..]).set_more_frags(true);
        assert!(parse(&bytes).is_none());
    }

    #[test]
    fn a_refused_datagram_is_quoted() {
        let bytes = datagram(address("192.0.0.2:40000"), address("203.0.113.9:53"), b"question").unwrap();
        let answer = refusal(&bytes, Refusal::Port).unwrap();
        let ip = Ipv4Packet::new_checked(&answer[..]).unwrap();
        assert_eq!((ip.dst_addr(), ip.next_header()), (SANDBOX_V4, IpProtocol::Icmp));
        let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
        assert!(icmp.verify_checksum());
        assert_eq!(icmp.msg_code(), 3);
        assert_eq!(icmp.data()[..20][12..20], bytes[12..20]);
    }

    #[test]
    fn failures_are_told_as_the_host_was_told_them() {
        let of = |errno| Refusal::of(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(libc::ECONNREFUSED), Some(Refusal::Port));
        assert_eq!(of(libc::ENETUNREACH), Some(Refusal::Network));
        assert_eq!(of(libc::EHOSTUNREACH), Some(Refusal::Host));
        assert_eq!(of(libc::ETIMEDOUT), None);
    }
}
