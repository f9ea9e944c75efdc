//! Requests that no handle makes: messages, byte for byte.

use std::io;
use std::os::fd::AsRawFd;

use cni_skel::seam::World;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::scene::Scene;

const RTM_NEWLINK: u16 = 16;
/// A request that wants an answer, and makes what must not be there yet.
const REQUEST_ACK_CREATE_EXCL: u16 = 0x605;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// A pair on the host, whose ends are to have these numbers.
pub(crate) fn add_numbered_pair(scene: &Scene, ends: [(&str, u32); 2]) -> String {
    let [near, far] = ends.map(|(name, number)| {
        let mut end = vec![0; 16];
        end[4..8].copy_from_slice(&number.to_ne_bytes());
        [end, attribute(IFLA_IFNAME, &text(name))].concat()
    });
    let data = attribute(IFLA_INFO_DATA, &attribute(VETH_INFO_PEER, &far));
    let info = attribute(IFLA_LINKINFO, &[attribute(IFLA_INFO_KIND, &text("veth")), data].concat());
    send(scene, &[near, info].concat())
}

/// A bridge on the host that is to have this number.
pub(crate) fn add_numbered_bridge(scene: &Scene, name: &str, number: u32) -> String {
    let mut payload = vec![0; 16];
    payload[4..8].copy_from_slice(&number.to_ne_bytes());
    payload.extend(attribute(IFLA_IFNAME, &text(name)));
    payload.extend(attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, &text("bridge"))));
    send(scene, &payload)
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn send(scene: &Scene, payload: &[u8]) -> String {
    let mut message = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_ACK_CREATE_EXCL.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(payload);
    let answer = scene.on_host(|| match World::current().kernel {
        Some(kernel) => kernel.answer(&message),
        None => ask_the_kernel(&message).unwrap(),
    });
    match i32::from_ne_bytes(*answer[16..].first_chunk().unwrap()) {
        0 => "done".to_owned(),
        errno => io::Error::from_raw_os_error(-errno).to_string(),
    }
}

fn ask_the_kernel(message: &[u8]) -> nix::Result<Vec<u8>> {
    let protocol = SockProtocol::NetlinkRoute;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    sendto(fd.as_raw_fd(), message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = vec![0; 1 << 16];
    let length = recv(fd.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}
