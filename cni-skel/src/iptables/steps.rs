//! Encodes and decodes rules as `iptables-nft` stores them in nftables.
//!
//! Addresses, interfaces and the protocol are expressions of nftables; the rest are extensions. Newer versions of iptables use
//! expressions for more matches, and no mask for prefixes of whole bytes. All versions can read what is written here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_types::Protocol;
use ipnet::IpNet;

use super::extension;
use super::family::Family;
use super::rule::{Is, Match, Spec, Target};
use crate::nft::{Expression, Register, Verdict};

// Keys of `meta`.
const MARK: u32 = 3;
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;
const L4PROTO: u32 = 16;
// Bases of `payload`, and the offset of the port.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const DPORT: u32 = 2;
/// The offset of the protocol in an IPv4 header.
const PROTOCOL: u32 = 9;

/// The register that iptables uses.
const REGISTER: Register = Register(0);

/// Converts a rule into expressions. Returns `None` if only the program knows one of its conditions.
pub(super) fn of(spec: &Spec, family: Family) -> Option<Vec<Expression>> {
    let mut steps = Vec::new();
    let [source, destination] = family.offsets();
    for (key, interface) in [(IIFNAME, &spec.in_interface), (OIFNAME, &spec.out_interface)] {
        if let Some(interface) = interface {
            steps.extend([meta(key), Expression::compare(interface.not, name(&interface.value))]);
        }
    }
    if let Some(protocol) = spec.protocol {
        steps.extend([meta(L4PROTO), Expression::compare(false, vec![protocol.number()])]);
    }
    for (offset, net) in [(source, &spec.source), (destination, &spec.destination)] {
        if let Some(net) = net {
            put_address(&mut steps, offset, net);
        }
    }
    for found in &spec.matches {
        put_match(&mut steps, spec, found)?;
    }
    steps.push(Expression::Counter);
    if let Some(target) = &spec.target {
        steps.push(match target {
            Target::Accept => Expression::Verdict(Verdict::Accept),
            Target::Return => Expression::Verdict(Verdict::Return),
            Target::Jump(chain) => Expression::Verdict(Verdict::Jump(chain.clone())),
            Target::Goto(chain) => Expression::Verdict(Verdict::Goto(chain.clone())),
            Target::Masquerade => Expression::Target(extension::of_masquerade(family)),
            Target::Dnat { to, port } => Expression::Target(extension::of_dnat(*to, *port)),
            Target::Mark { mark, mask } => Expression::Target(extension::of_mark(*mark, *mask)),
            Target::Unknown => return None,
        });
    }
    Some(steps)
}

fn put_match(steps: &mut Vec<Expression>, spec: &Spec, found: &Match) -> Option<()> {
    match found {
        Match::Comment(comment) => steps.push(Expression::Match(extension::of_comment(comment))),
        Match::Dport(port) => {
            steps.push(Expression::Match(extension::of_port(spec.protocol?.number(), *port)?));
        }
        Match::Dports(ports) => steps.push(Expression::Match(extension::of_ports(ports))),
        Match::Local => steps.push(Expression::Match(extension::of_local())),
        Match::Mark { mark, mask } => steps.push(Expression::Match(extension::of_marked(mark, *mask))),
        Match::Words(_) | Match::Unknown => return None,
    }
    Some(())
}

/// Appends the comparison of an address. A prefix of length 0 needs none, and a single address needs no mask.
fn put_address(steps: &mut Vec<Expression>, offset: u32, net: &Is<IpNet>) {
    let prefix = net.value.prefix_len();
    let (octets, mask) = match net.value {
        IpNet::V4(net) => (net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (net.network().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    if prefix == 0 {
        return;
    }
    steps.push(payload(NETWORK, offset, octets.len()));
    if prefix < net.value.max_prefix_len() {
        steps.push(Expression::bitwise(&mask, &vec![0; mask.len()]));
    }
    steps.push(Expression::compare(net.not, octets));
}

/// Reads a rule.
pub(super) fn read(mut steps: &[Expression], family: Family) -> Spec {
    let mut spec = Spec::default();
    while !steps.is_empty() {
        steps = read_step(&mut spec, steps, family);
    }
    spec
}

/// Reads the first expression and those that belong to it. Returns the others.
fn read_step<'a>(spec: &mut Spec, steps: &'a [Expression], family: Family) -> &'a [Expression] {
    match steps {
        [Expression::Counter, rest @ ..] => rest,
        [Expression::Match(found), rest @ ..] => {
            spec.matches.push(extension::read_match(found, spec.protocol));
            rest
        }
        [Expression::Target(found), rest @ ..] => {
            spec.target = Some(extension::read_target(found, family));
            rest
        }
        [Expression::Verdict(verdict), rest @ ..] => {
            spec.target = Some(match verdict {
                Verdict::Accept => Target::Accept,
                Verdict::Return => Target::Return,
                Verdict::Jump(chain) => Target::Jump(chain.clone()),
                Verdict::Goto(chain) => Target::Goto(chain.clone()),
                Verdict::Drop => Target::Unknown,
            });
            rest
        }
        [load, Expression::Cmp { differs, value, .. }, rest @ ..]
            if read_compared(spec, load, None, &Is::new(*differs, value), family).is_some() =>
        {
            rest
        }
        [load, Expression::Bitwise { mask, xor, .. }, Expression::Cmp { differs, value, .. }, rest @ ..]
            if xor.iter().all(|b| *b == 0)
                && read_compared(spec, load, Some(mask), &Is::new(*differs, value), family).is_some() =>
        {
            rest
        }
        [_, rest @ ..] => {
            spec.matches.push(Match::Unknown);
            rest
        }
        [] => steps,
    }
}

fn read_compared(
    spec: &mut Spec,
    load: &Expression,
    mask: Option<&Vec<u8>>,
    value: &Is<&Vec<u8>>,
    family: Family,
) -> Option<()> {
    let [source, destination] = family.offsets();
    match (load, mask) {
        (Expression::Meta { key: IIFNAME, .. }, None) => {
            spec.in_interface = Some(Is::new(value.not, read_name(value.value)?));
        }
        (Expression::Meta { key: OIFNAME, .. }, None) => {
            spec.out_interface = Some(Is::new(value.not, read_name(value.value)?));
        }
        (Expression::Meta { key: L4PROTO, .. }, None) => spec.protocol = Some(read_protocol(value)?),
        (Expression::Payload { base: NETWORK, offset: PROTOCOL, length: 1, .. }, None)
            if family == Family::Ipv4 =>
        {
            spec.protocol = Some(read_protocol(value)?);
        }
        (Expression::Meta { key: MARK, .. }, mask) => {
            let mark = number(value.value)?;
            let mask = mask.map_or(Some(u32::MAX), |mask| number(mask))?;
            spec.matches.push(Match::Mark { mark: Is::new(value.not, mark), mask });
        }
        (Expression::Payload { base: TRANSPORT, offset: DPORT, length: 2, .. }, None) if !value.not => {
            spec.matches.push(Match::Dport(u16::from_be_bytes(*value.value.first_chunk()?)));
        }
        (Expression::Payload { base: NETWORK, offset, length, .. }, mask) => {
            let net = read_net(value.value, mask, usize::try_from(*length).ok()?, family)?;
            let place = match *offset {
                offset if offset == source => &mut spec.source,
                offset if offset == destination => &mut spec.destination,
                _ => return None,
            };
            *place = Some(Is::new(value.not, net));
        }
        _ => return None,
    }
    Some(())
}

/// Reads a protocol. Returns `None` if it is unknown here or excluded.
fn read_protocol(value: &Is<&Vec<u8>>) -> Option<Protocol> {
    Protocol::ALL.iter().copied().find(|protocol| !value.not && value.value[..] == [protocol.number()])
}

fn read_net(value: &[u8], mask: Option<&Vec<u8>>, length: usize, family: Family) -> Option<IpNet> {
    if value.len() != length || length > family.address_length() {
        return None;
    }
    let mut octets = value.to_vec();
    octets.resize(family.address_length(), 0);
    let address = address(&octets)?;
    match mask {
        None => IpNet::new(address, u8::try_from(length * 8).ok()?).ok(),
        Some(mask) => IpNet::with_netmask(address, self::address(mask)?).ok(),
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        16 => octets.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
        _ => None,
    }
}

/// Encodes the name of an interface: with a NUL it is the whole name, without one a prefix.
fn name(name: &str) -> Vec<u8> {
    match name.strip_suffix('+') {
        Some(beginning) => beginning.as_bytes().to_vec(),
        None => [name.as_bytes(), &[0]].concat(),
    }
}

fn read_name(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|b| *b == 0);
    let name = std::str::from_utf8(&value[..end.unwrap_or(value.len())]).ok()?;
    Some(if end.is_some() { name.to_owned() } else { format!("{name}+") })
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn meta(key: u32) -> Expression {
    Expression::Meta { to: REGISTER, key }
}

fn payload(base: u32, offset: u32, length: usize) -> Expression {
    Expression::Payload { to: REGISTER, base, offset, length: u32::try_from(length).unwrap_or(u32::MAX) }
}
