//! Encodes and decodes matches and targets of iptables, as rules of nftables contain them.
//!
//! The structures are those of linux/netfilter/xt_*.h and nf_nat.h. Numbers are in the machine's byte order unless noted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_types::Protocol;

use super::family::Family;
use super::rule::{Is, Match, Target};
use crate::nft::Extension;

const IPPROTO_TCP: u8 = Protocol::Tcp.number();
const IPPROTO_UDP: u8 = Protocol::Udp.number();
const IPPROTO_SCTP: u8 = Protocol::Sctp.number();

const COMMENT: usize = 256;
const PORTS: usize = 15;
const MULTIPORT: usize = 48;
const MULTIPORT_DESTINATION: u8 = 1;
const ADDRTYPE_LOCAL: u16 = 1 << 2;
const TCP: usize = 12;
const UDP: usize = 10;
const MARK: usize = 12;
const SCTP: usize = 292;
const SCTP_DESTINATION: u32 = 1 << 1;
/// Offsets in `struct xt_sctp_info` of the flags of chunk types, and of the flags that select what is compared.
const SCTP_CHUNK_FLAGS: usize = 268;
const SCTP_FLAGS: usize = 284;
const RANGE4: usize = 20;
const RANGE6: usize = 40;
const RANGE2: usize = 42;
const MAP_ADDRESS: u32 = 1;
const MAP_PORT: u32 = 1 << 1;

pub(super) fn of_comment(comment: &str) -> Extension {
    new("comment", 0, COMMENT, &[(0, comment.as_bytes())])
}

pub(super) fn of_ports(ports: &[u16]) -> Extension {
    let count = u8::try_from(ports.len()).unwrap_or(u8::MAX);
    let ports: Vec<_> = ports.iter().flat_map(|port| port.to_ne_bytes()).collect();
    new("multiport", 1, MULTIPORT, &[(0, &[MULTIPORT_DESTINATION, count]), (2, &ports)])
}

pub(super) fn of_local() -> Extension {
    new("addrtype", 1, 8, &[(2, &ADDRTYPE_LOCAL.to_ne_bytes())])
}

/// The match of a port, or `None` if only the program knows the match of this protocol.
pub(super) fn of_port(protocol: u8, port: u16) -> Option<Extension> {
    let port = port.to_ne_bytes();
    // Source ports from 0 to 65535, and a range with this destination port only.
    let ports: [(usize, &[u8]); 3] = [(2, &[0xff; 2]), (4, &port), (6, &port)];
    match protocol {
        IPPROTO_TCP => Some(new("tcp", 0, TCP, &ports)),
        IPPROTO_UDP => Some(new("udp", 0, UDP, &ports)),
        IPPROTO_SCTP => Some(of_sctp_port(port)),
        _ => None,
    }
}

fn of_sctp_port(port: [u8; 2]) -> Extension {
    // Chunk types are not compared.
    let none = [0xff, 0, 0].repeat(4);
    let flags = SCTP_DESTINATION.to_ne_bytes();
    let parts: [(usize, &[u8]); 4] =
        [(0, &port), (2, &port), (SCTP_CHUNK_FLAGS, &none), (SCTP_FLAGS, &flags)];
    new("sctp", 0, SCTP, &parts)
}

pub(super) fn of_marked(mark: &Is<u32>, mask: u32) -> Extension {
    let (value, not) = (mark.value.to_ne_bytes(), [u8::from(mark.not)]);
    new("mark", 1, MARK, &[(0, &value), (4, &mask.to_ne_bytes()), (8, &not)])
}

pub(super) fn of_masquerade(family: Family) -> Extension {
    match family {
        // One range without addresses and ports.
        Family::Ipv4 => new("MASQUERADE", 0, RANGE4, &[(0, &1_u32.to_ne_bytes())]),
        Family::Ipv6 => new("MASQUERADE", 0, RANGE6, &[]),
    }
}

pub(super) fn of_dnat(to: IpAddr, port: Option<u16>) -> Extension {
    let flags = MAP_ADDRESS | port.map_or(0, |_| MAP_PORT);
    let address = octets(to);
    let port = port.unwrap_or(0).to_be_bytes();
    let flags = flags.to_ne_bytes();
    // A range whose ends are equal.
    let parts: [(usize, &[u8]); 5] = [(0, &flags), (4, &address), (20, &address), (36, &port), (38, &port)];
    new("DNAT", 2, RANGE2, &parts)
}

pub(super) fn of_mark(mark: u32, mask: u32) -> Extension {
    new("MARK", 2, 8, &[(0, &mark.to_ne_bytes()), (4, &mask.to_ne_bytes())])
}

/// Decodes a match. It is `Unknown` unless encoding it again gives the same bytes.
pub(super) fn read_match(found: &Extension, protocol: Option<Protocol>) -> Match {
    let known = match (found.name.as_str(), found.revision) {
        ("comment", 0) => found.info.split(|b| *b == 0).next().and_then(|text| {
            let text = std::str::from_utf8(text).ok()?;
            Some(Match::Comment(text.to_owned()))
        }),
        ("multiport", 1) => read_ports(&found.info).map(Match::Dports),
        ("addrtype", 1) => Some(Match::Local),
        ("tcp" | "udp", 0) => u16_at(&found.info, 4).map(Match::Dport),
        ("sctp", 0) => u16_at(&found.info, 0).map(Match::Dport),
        ("mark", 1) => u32_at(&found.info, 0).and_then(|mark| {
            let not = *found.info.get(8)? != 0;
            Some(Match::Mark { mark: Is::new(not, mark), mask: u32_at(&found.info, 4)? })
        }),
        _ => None,
    };
    // If encoding gives the same bytes, no option was overlooked.
    let is_all = |known: &Match| match known {
        Match::Comment(comment) => of_comment(comment).info == found.info,
        Match::Dports(ports) => of_ports(ports).info == found.info,
        Match::Local => of_local().info == found.info,
        Match::Dport(port) => {
            let own = protocol.and_then(|protocol| of_port(protocol.number(), *port));
            own.is_some_and(|own| (own.name, own.info) == (found.name.clone(), found.info.clone()))
        }
        Match::Mark { mark, mask } => of_marked(mark, *mask).info == found.info,
        _ => false,
    };
    known.filter(is_all).unwrap_or(Match::Unknown)
}

pub(super) fn read_target(found: &Extension, family: Family) -> Target {
    let known = match (found.name.as_str(), found.revision) {
        ("MASQUERADE", 0) => Some(Target::Masquerade),
        ("DNAT", 2) => read_dnat(&found.info, family),
        ("MARK", 2) => {
            u32_at(&found.info, 0).and_then(|mark| Some(Target::Mark { mark, mask: u32_at(&found.info, 4)? }))
        }
        _ => None,
    };
    let is_all = |known: &Target| match *known {
        Target::Masquerade => of_masquerade(family).info == found.info,
        Target::Dnat { to, port } => of_dnat(to, port).info == found.info,
        Target::Mark { .. } => found.info.len() == 8,
        _ => false,
    };
    known.filter(is_all).unwrap_or(Target::Unknown)
}

fn read_ports(info: &[u8]) -> Option<Vec<u16>> {
    let count = usize::from(*info.get(1)?);
    (count <= PORTS).then(|| (0..count).map(|at| u16_at(info, 2 + 2 * at)).collect())?
}

fn read_dnat(info: &[u8], family: Family) -> Option<Target> {
    let address = info.get(4..20)?;
    let to = match family {
        Family::Ipv4 => Ipv4Addr::from(*address.first_chunk::<4>()?).into(),
        Family::Ipv6 => Ipv6Addr::from(*address.first_chunk::<16>()?).into(),
    };
    let has_port = u32_at(info, 0)? & MAP_PORT != 0;
    let port = info.get(36..38)?.first_chunk().map(|port| u16::from_be_bytes(*port));
    Some(Target::Dnat { to, port: port.filter(|_| has_port) })
}

/// Creates an extension from the parts of its structure that are not zero, padded to the kernel's alignment.
fn new(name: &str, revision: u32, length: usize, parts: &[(usize, &[u8])]) -> Extension {
    let mut info = vec![0; length.next_multiple_of(align_of::<u64>())];
    for (at, bytes) in parts {
        // A part that is too long was refused before.
        let bytes = &bytes[..bytes.len().min(length.saturating_sub(*at))];
        info[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    Extension { name: name.to_owned(), revision, info }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
