//! The cable between a sandbox and the server's gateway: a pair of interfaces in the sandbox's own network namespace. One
//! end has the sandbox's addresses and all routes; at the other one hangs a packet socket, which is the server's.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::sys::at;
use crate::netlink::{self, Message, Netlink};
use crate::network::{CABLE_MTU, GATEWAY_MAC, SANDBOX_MAC, SANDBOX_V4, SANDBOX_V6};

const INTERFACE: &[u8] = b"eth0\0";
const GATEWAY: &[u8] = b"gateway\0";
/// Numbers that no interface of a new namespace has.
const INTERFACE_INDEX: i32 = 100;
const GATEWAY_INDEX: i32 = 101;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;

/// Lays the cable; gives the server's end.
pub(super) fn lay() -> io::Result<OwnedFd> {
    let netlink = Netlink::open()?;
    netlink.change(pair()).map_err(at("make a pair of interfaces (the kernel's module `veth`)"))?;
    // Neither asks for the other's hardware address: there is only one.
    let (up, silent) = (libc::IFF_UP as u32, libc::IFF_NOARP as u32);
    netlink.change(flags(GATEWAY_INDEX, up)).map_err(at("bring the gateway's interface up"))?;
    netlink.change(flags(INTERFACE_INDEX, up | silent)).map_err(at("bring the sandbox's interface up"))?;
    netlink.change(address(SANDBOX_V4.into())).map_err(at("give the sandbox an address"))?;
    netlink.change(route(SANDBOX_V4.into())).map_err(at("route to the gateway"))?;
    // A kernel may be without IPv6.
    if netlink.change(address(SANDBOX_V6.into())).is_ok() {
        netlink.change(route(SANDBOX_V6.into())).map_err(at("route to the gateway over IPv6"))?;
    }
    tap().map_err(at("listen on the cable (the kernel's module `af_packet`)"))
}

/// Removes it with all its routes.
pub(super) fn remove() -> io::Result<()> {
    let message = Message::new(libc::RTM_DELLINK, libc::NLM_F_ACK, &interface(INTERFACE_INDEX, 0));
    Netlink::open()?.change(message).map_err(at("remove the cable"))
}

/// Both interfaces.
fn pair() -> Message {
    let mut peer = interface(GATEWAY_INDEX, 0).to_vec();
    describe(&mut peer, GATEWAY, GATEWAY_MAC);
    let mut data = Vec::new();
    netlink::push(&mut data, VETH_INFO_PEER, &peer);
    let mut info = Vec::new();
    netlink::push(&mut info, IFLA_INFO_KIND, b"veth");
    netlink::push(&mut info, IFLA_INFO_DATA, &data);
    let mut fixed = interface(INTERFACE_INDEX, 0).to_vec();
    describe(&mut fixed, INTERFACE, SANDBOX_MAC);
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    Message::new(libc::RTM_NEWLINK, flags, &fixed).with_nested(IFLA_LINKINFO, &info)
}

/// Sets an interface's flags.
fn flags(index: i32, flags: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &interface(index, flags))
}

fn describe(attributes: &mut Vec<u8>, name: &[u8], hardware: [u8; 6]) {
    netlink::push(attributes, IFLA_IFNAME, name);
    netlink::push(attributes, IFLA_ADDRESS, &hardware);
    netlink::push(attributes, IFLA_MTU, &CABLE_MTU.to_ne_bytes());
}

/// `struct ifinfomsg`
fn interface(index: i32, flags: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

fn address(address: IpAddr) -> Message {
    let octets = netlink::octets(address);
    let no_detection = libc::IFA_F_NODAD as u8;
    // `struct ifaddrmsg`
    let mut fixed = vec![netlink::family(address), (octets.len() * 8) as u8, no_detection, 0];
    fixed.extend_from_slice(&INTERFACE_INDEX.to_ne_bytes());
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE;
    Message::new(libc::RTM_NEWADDR, flags, &fixed).with(IFA_LOCAL, &octets).with(IFA_ADDRESS, &octets)
}

/// All addresses of the family lie behind the interface.
fn route(source: IpAddr) -> Message {
    let scope = if source.is_ipv4() { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
    let (table, protocol) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT);
    // `struct rtmsg`
    let fixed = [netlink::family(source), 0, 0, 0, table, protocol, scope, libc::RTN_UNICAST, 0, 0, 0, 0];
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE;
    Message::new(libc::RTM_NEWROUTE, flags, &fixed).with(RTA_OIF, &INTERFACE_INDEX.to_ne_bytes())
}

/// The packet socket. It hears what comes out of the cable and is TCP or UDP, nothing else.
fn tap() -> io::Result<OwnedFd> {
    let every = u16::to_be(libc::ETH_P_ALL as u16);
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
    let mut filter = only_tcp_and_udp();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
    // SAFETY: the structure is plain integers, for which zero is valid.
    let mut place: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    place.sll_family = libc::AF_PACKET as u16;
    place.sll_protocol = every;
    place.sll_ifindex = GATEWAY_INDEX;
    let length = size_of::<libc::sockaddr_ll>() as u32;
    // SAFETY: passes an address of the length that is told.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const place).cast(), length) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

fn set<T>(socket: &OwnedFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as u32;
    // SAFETY: the kernel reads one value of the size that is told.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const *value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A program of the classic filter: the server is not woken for what the kernel says by itself.
fn only_tcp_and_udp() -> [libc::sock_filter; 10] {
    const TYPE_OFFSET: u32 = 12;
    const PROTOCOL_V4_OFFSET: u32 = 14 + 9;
    const PROTOCOL_V6_OFFSET: u32 = 14 + 6;
    let load = |size: u32, offset| code(libc::BPF_LD | size | libc::BPF_ABS, 0, 0, offset);
    let equal =
        |value: u32, if_true, if_false| code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, if_true, if_false, value);
    let give = |bytes| code(libc::BPF_RET | libc::BPF_K, 0, 0, bytes);
    [
        load(libc::BPF_H, TYPE_OFFSET),
        equal(libc::ETH_P_IPV6 as u32, 3, 0),
        equal(libc::ETH_P_IP as u32, 0, 5),
        load(libc::BPF_B, PROTOCOL_V4_OFFSET),
        code(libc::BPF_JMP | libc::BPF_JA, 0, 0, 1),
        load(libc::BPF_B, PROTOCOL_V6_OFFSET),
        equal(libc::IPPROTO_TCP as u32, 2, 0),
        equal(libc::IPPROTO_UDP as u32, 1, 0),
        give(0),
        give(u32::MAX),
    ]
}

fn code(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}
