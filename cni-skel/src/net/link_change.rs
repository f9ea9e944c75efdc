//! Changing and deleting a link.

use super::constants::{
    AF_BRIDGE, AF_UNSPEC, IFF_PROMISC, IFF_UP, IFLA_ADDRESS, IFLA_BRPORT_ISOLATED, IFLA_BRPORT_MODE,
    IFLA_IFALIAS, IFLA_IFNAME, IFLA_MASTER, IFLA_MTU, IFLA_PROTINFO, IFNAME_MAX, RTM_DELLINK, RTM_SETLINK,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::link::{Link, by_name, decode, header, no_link};
use super::numbers::LinkIndex;
use crate::netlink::Request;
use crate::types::MacAddr;

impl Net {
    /// Sets a link up.
    ///
    /// # Errors
    ///
    /// There is no such link, or the kernel refuses.
    pub fn set_up(&self, link: LinkIndex) -> Result<(), NetError> {
        self.change(Task::on("set up", link), flags(link, IFF_UP, true))
    }

    /// Sets a link down.
    ///
    /// # Errors
    ///
    /// There is no such link, or the kernel refuses.
    pub fn set_down(&self, link: LinkIndex) -> Result<(), NetError> {
        self.change(Task::on("set down", link), flags(link, IFF_UP, false))
    }

    /// Turns promiscuous mode of a link on or off: in that mode it accepts packets for any hardware address.
    ///
    /// # Errors
    ///
    /// There is no such link, or the kernel refuses.
    pub fn set_promisc(&self, link: LinkIndex, on: bool) -> Result<(), NetError> {
        self.change(Task::on("set promiscuous mode of", link), flags(link, IFF_PROMISC, on))
    }

    /// Attaches a link to a bridge or another master. `None` detaches it.
    ///
    /// # Errors
    ///
    /// There is no such link or master, or the kernel refuses.
    pub fn set_master(&self, link: LinkIndex, master: Option<LinkIndex>) -> Result<(), NetError> {
        self.change(Task::on("set the master of", link), master_request(link, master))
    }

    /// Sets the MTU of a link.
    ///
    /// # Errors
    ///
    /// There is no such link, or its driver refuses the value.
    pub fn set_mtu(&self, link: LinkIndex, mtu: u32) -> Result<(), NetError> {
        let mut request = set_link(link);
        request.u32(IFLA_MTU, mtu);
        self.change(Task::on(format!("set mtu {mtu} on"), link), request)
    }

    /// Sets a link's hardware address.
    ///
    /// # Errors
    ///
    /// There is no such link, or its driver refuses the address.
    pub fn set_mac(&self, link: LinkIndex, mac: &MacAddr) -> Result<(), NetError> {
        let mut request = set_link(link);
        request.bytes(IFLA_ADDRESS, mac.as_bytes());
        self.change(Task::on(format!("set mac {mac} on"), link), request)
    }

    /// Sets the alias of a link: a text of up to 255 bytes. An empty text removes it.
    ///
    /// # Errors
    ///
    /// There is no such link, or the text is too long.
    pub fn set_alias(&self, link: LinkIndex, alias: &str) -> Result<(), NetError> {
        self.change(Task::on("set the alias of", link), alias_request(link, alias))
    }

    /// Renames a link. Before Linux 6.2 the link has to be down.
    ///
    /// # Errors
    ///
    /// There is no such link, or the name is taken ([`NetError::is_exists`]) or invalid.
    pub fn rename(&self, link: LinkIndex, name: impl AsRef<str>) -> Result<(), NetError> {
        let name = name.as_ref();
        let mut request = set_link(link);
        put_new_name(&mut request, name);
        self.change(Task::on(format!("set name {name} on"), link), request)
    }

    /// Turns hairpin mode of a bridge's port on or off: whether packets may leave through the port that they arrived on.
    ///
    /// # Errors
    ///
    /// The link is not a bridge's port, or the kernel refuses.
    pub fn set_hairpin(&self, link: LinkIndex, on: bool) -> Result<(), NetError> {
        self.change(Task::on("set hairpin mode of", link), port_request(link, Some(on), None))
    }

    /// Turns isolation of a bridge's port on or off: whether packets to and from other isolated ports are dropped.
    ///
    /// # Errors
    ///
    /// The link is not a bridge's port, or the kernel refuses.
    pub fn set_isolated(&self, link: LinkIndex, on: bool) -> Result<(), NetError> {
        self.change(Task::on("set isolation of", link), port_request(link, None, Some(on)))
    }

    /// Deletes a link. A veth's peer is deleted with it.
    ///
    /// # Errors
    ///
    /// There is no such link ([`NetError::is_not_found`]), or it cannot be deleted.
    pub fn delete_link(&self, link: LinkIndex) -> Result<(), NetError> {
        let mut request = Request::change(RTM_DELLINK, 0);
        request.fixed(&header(AF_UNSPEC, Some(link), 0, 0));
        self.change(Task::on("delete", link), request)
    }

    /// Deletes a link if it exists, as [`delete_link`](Self::delete_link) does.
    ///
    /// # Errors
    ///
    /// The link exists and cannot be deleted.
    pub fn delete_link_if_exists(&self, link: LinkIndex) -> Result<(), NetError> {
        match self.delete_link(link) {
            Err(e) if e.is_not_found() => Ok(()),
            deleted => deleted,
        }
    }

    /// Creates a link, and finds it by its name. Deletes it if it exists and cannot be read.
    pub(super) fn make(&self, task: &Task, new: Request, name: &str) -> Result<Link, NetError> {
        let mut answers = self.ask_all(task, &mut [new, by_name(name)])?.into_iter();
        if let Some(refusal) = answers.next().and_then(|made| made.refusal) {
            return Err(self.failed(task, refusal));
        }
        let found = answers.next().unwrap_or_default();
        if let Some(link) = found.messages().find_map(decode) {
            return Ok(link);
        }
        let error = self.failed(task, found.refusal.unwrap_or_else(no_link));
        // If the name was not found, another program has deleted or renamed the link, and a link that has the name by now is
        // another one. Any other refusal, such as a lack of memory, is about the link that was just created.
        if !error.is_not_found() {
            let mut request = Request::change(RTM_DELLINK, 0);
            request.fixed(&header(AF_UNSPEC, None, 0, 0)).text(IFLA_IFNAME, name);
            let _ = self.ask(task, request);
        }
        Err(error)
    }

    /// Sends a request whose answer holds nothing but success or failure.
    pub(super) fn change(&self, task: Task, request: Request) -> Result<(), NetError> {
        self.ask(&task, request).map(drop)
    }
}

pub(super) fn flags(link: LinkIndex, flag: u32, on: bool) -> Request {
    let mut request = Request::change(RTM_SETLINK, 0);
    request.fixed(&header(AF_UNSPEC, Some(link), if on { flag } else { 0 }, flag));
    request
}

pub(super) fn master_request(link: LinkIndex, master: Option<LinkIndex>) -> Request {
    let mut request = set_link(link);
    request.u32(IFLA_MASTER, master.map_or(0, LinkIndex::get));
    request
}

pub(super) fn alias_request(link: LinkIndex, alias: &str) -> Request {
    let mut request = set_link(link);
    if alias.is_empty() || alias.contains('\0') {
        request.text(IFLA_IFALIAS, alias);
    } else {
        // Without a NUL, which would count as one of the 255 bytes.
        request.bytes(IFLA_IFALIAS, alias.as_bytes());
    }
    request
}

pub(super) fn port_request(link: LinkIndex, hairpin: Option<bool>, isolated: Option<bool>) -> Request {
    let mut request = Request::change(RTM_SETLINK, 0);
    request.fixed(&header(AF_BRIDGE, Some(link), 0, 0)).nest(IFLA_PROTINFO, |port| {
        if let Some(on) = hairpin {
            port.u8(IFLA_BRPORT_MODE, on.into());
        }
        if let Some(on) = isolated {
            port.u8(IFLA_BRPORT_ISOLATED, on.into());
        }
    });
    request
}

/// Appends the name of a new or renamed link. The kernel would replace a `%d` by a number, and choose a name of its own if it
/// is empty.
pub(super) fn put_new_name(request: &mut Request, name: &str) {
    let plain = |b: u8| !b.is_ascii_whitespace() && !matches!(b, b'/' | b':' | b'%' | 0);
    if matches!(name.len(), 1..=IFNAME_MAX) && !matches!(name, "." | "..") && name.bytes().all(plain) {
        request.text(IFLA_IFNAME, name);
    } else {
        request.refuse("invalid name of a link");
    }
}

fn set_link(link: LinkIndex) -> Request {
    let mut request = Request::change(RTM_SETLINK, 0);
    request.fixed(&header(AF_UNSPEC, Some(link), 0, 0));
    request
}
