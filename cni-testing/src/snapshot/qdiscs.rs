//! Queueing disciplines. cni-skel has no requests for them, because no plugin needs them.

use std::io;
use std::os::fd::AsRawFd;

use cni_skel::net::Link;
use cni_skel::seam::World;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The flags of a request for a list.
const REQUEST_DUMP: u16 = 0x301;
/// The length of a message header, and of the fixed part of a message about a queueing discipline.
const HEADER: usize = 16;
const TCMSG: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// The queueing disciplines in the namespace of this thread, except those that each link starts with.
pub(super) fn lines(links: &[Link]) -> io::Result<Vec<String>> {
    if World::current().kernel.is_some() {
        return Ok(Vec::new());
    }
    let answer = dump()?;
    Ok(messages(&answer).filter_map(|(kind, payload)| line(kind, payload, links)).collect())
}

fn dump() -> io::Result<Vec<u8>> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        Some(SockProtocol::NetlinkRoute),
    )?;
    let mut request = Vec::with_capacity(HEADER + TCMSG);
    request.extend(u32::try_from(HEADER + TCMSG).unwrap_or_default().to_ne_bytes());
    request.extend(RTM_GETQDISC.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.resize(HEADER + TCMSG, 0);
    sendto(fd.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let part = &buffer[..length];
        let refused = messages(part).find(|(kind, _)| *kind == NLMSG_ERROR);
        if let Some(errno) = refused.and_then(|(_, payload)| payload.first_chunk()) {
            return Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(*errno)));
        }
        answer.extend_from_slice(part);
        if length == 0 || messages(part).any(|(kind, _)| kind == NLMSG_DONE) {
            return Ok(answer);
        }
    }
}

/// The types and payloads of messages.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    records(bytes, HEADER, |header| {
        let length = u32::from_ne_bytes(*header.first_chunk()?);
        let kind = u16::from_ne_bytes(*header.get(4..)?.first_chunk()?);
        Some((usize::try_from(length).ok()?, kind))
    })
}

/// The types and payloads of attributes.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    records(bytes, 4, |header| {
        let length = u16::from_ne_bytes(*header.first_chunk()?);
        let kind = u16::from_ne_bytes(*header.get(2..)?.first_chunk()?);
        Some((length.into(), kind & 0x3fff))
    })
}

/// The records in some bytes. Each begins with a header that has its length and type. A broken record ends the list.
fn records(
    mut bytes: &[u8],
    header: usize,
    read: impl Fn(&[u8]) -> Option<(usize, u16)>,
) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = read(bytes.get(..header)?)?;
        let payload = bytes.get(header..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

fn line(kind: u16, payload: &[u8], links: &[Link]) -> Option<String> {
    if kind != RTM_NEWQDISC {
        return None;
    }
    let number = |at: usize| Some(u32::from_ne_bytes(*payload.get(at..)?.first_chunk()?));
    let (index, handle, parent) = (number(4)?, number(8)?, number(12)?);
    let mut name = String::new();
    let mut options = String::new();
    for (kind, value) in attributes(payload.get(TCMSG..)?) {
        match kind {
            TCA_KIND => name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            TCA_OPTIONS => options = value.iter().map(|byte| format!("{byte:02x}")).collect(),
            _ => {}
        }
    }
    // The discipline that a link starts with has no handle.
    if handle == 0 {
        return None;
    }
    let link = links.iter().find(|link| link.index.get() == index).map_or("-", |link| &link.name);
    let place = match parent {
        0xffff_ffff => "root".to_owned(),
        0xffff_fff1 => "ingress".to_owned(),
        parent => format!("below {:x}:{:x}", parent >> 16, parent & 0xffff),
    };
    // The options of htb contain counters.
    let options = if name == "htb" || options.is_empty() { String::new() } else { format!(", {options}") };
    Some(format!("qdisc {name} on {link} ({place}{options})"))
}
