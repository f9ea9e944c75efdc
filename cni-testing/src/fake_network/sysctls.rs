//! The sysctls of a namespace that plugins use.

use std::io;
use std::path::{Path, PathBuf};

use super::addresses::is_ipv6;
use super::state::State;

/// The settings of every interface, with their initial values.
const OF_LINKS: &[(&str, &str, &str)] = &[
    ("ipv4", "accept_local", "0"),
    ("ipv4", "arp_announce", "0"),
    ("ipv4", "arp_filter", "0"),
    ("ipv4", "arp_ignore", "0"),
    ("ipv4", "arp_notify", "0"),
    ("ipv4", "forwarding", "0"),
    ("ipv4", "promote_secondaries", "0"),
    ("ipv4", "proxy_arp", "0"),
    ("ipv4", "route_localnet", "0"),
    ("ipv4", "rp_filter", "0"),
    ("ipv6", "accept_dad", "1"),
    ("ipv6", "accept_ra", "1"),
    ("ipv6", "autoconf", "1"),
    ("ipv6", "dad_transmits", "1"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "enhanced_dad", "1"),
    ("ipv6", "forwarding", "0"),
    ("ipv6", "keep_addr_on_down", "0"),
    ("ipv6", "proxy_ndp", "0"),
];

/// The settings of a namespace.
const OF_NAMESPACE: &[(&str, &str)] = &[("ipv4/ip_forward", "0"), ("core/somaxconn", "4096")];

impl State {
    pub(super) fn read_sysctl(&self, netns: u32, path: &Path) -> io::Result<String> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let namespace = self.namespaces.get(&netns).ok_or_else(missing)?;
        let default = self.default_of(netns, path).ok_or_else(missing)?;
        Ok(namespace.sysctls.get(path).map_or(default, String::as_str).to_owned() + "\n")
    }

    pub(super) fn write_sysctl(&mut self, netns: u32, path: &Path, value: &str) -> io::Result<()> {
        if self.default_of(netns, path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let number: i64 =
            value.trim().parse().map_err(|_| io::Error::from_raw_os_error(nix::libc::EINVAL))?;
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Ok(()) };
        namespace.sysctls.insert(path.to_owned(), number.to_string());
        match names(path) {
            Names::Link("ipv6", name, "disable_ipv6") if number != 0 => self.disable_ipv6(netns, name),
            Names::Link(family @ ("ipv4" | "ipv6"), "all", "forwarding") => {
                self.forward(netns, family, number);
            }
            Names::Namespace("ipv4/ip_forward") => self.forward(netns, "ipv4", number),
            _ => {}
        }
        Ok(())
    }

    /// The value of an interface's setting, as a number.
    pub(super) fn setting(&self, netns: u32, family: &str, name: &str, key: &str) -> i64 {
        let path = setting(family, name, key);
        self.read_sysctl(netns, &path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn default_of(&self, netns: u32, path: &Path) -> Option<&str> {
        match names(path) {
            Names::Namespace(key) => {
                OF_NAMESPACE.iter().find(|(own, _)| *own == key).map(|(_, default)| *default)
            }
            Names::Link(family, name, key) => {
                let namespace = self.namespaces.get(&netns)?;
                let is_there = matches!(name, "all" | "default") || namespace.find(name).is_some();
                let (_, _, default) =
                    OF_LINKS.iter().find(|(own, own_key, _)| *own == family && *own_key == key)?;
                // A new link gets the default settings of its namespace.
                let inherited = namespace.sysctls.get(&setting(family, "default", key));
                Some(inherited.map_or(*default, String::as_str)).filter(|_| is_there)
            }
            Names::Nothing => None,
        }
    }

    /// Setting `all` sets each link.
    fn forward(&mut self, netns: u32, family: &str, number: i64) {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return };
        let mut links: Vec<_> = namespace.links.values().map(|link| link.name.clone()).collect();
        links.extend(["all".to_owned(), "default".to_owned()]);
        for name in links {
            namespace.sysctls.insert(setting(family, &name, "forwarding"), number.to_string());
        }
        if family == "ipv4" {
            namespace.sysctls.insert(PathBuf::from("/proc/sys/net/ipv4/ip_forward"), number.to_string());
        }
    }

    fn disable_ipv6(&mut self, netns: u32, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return };
        let mut disabled = Vec::new();
        for (index, link) in &mut namespace.links {
            if name == "all" || name == link.name {
                link.addresses.retain(|address| !is_ipv6(address.net));
                disabled.push(*index);
            }
        }
        namespace.routes.retain(|route| !is_ipv6(route.dst) || !disabled.contains(&route.link));
    }
}

/// The setting that a path names.
enum Names<'a> {
    Namespace(&'a str),
    /// The family, the link and the key.
    Link(&'a str, &'a str, &'a str),
    Nothing,
}

fn names(path: &Path) -> Names<'_> {
    let Some(rest) = path.to_str().and_then(|path| path.strip_prefix("/proc/sys/net/")) else {
        return Names::Nothing;
    };
    match rest.split('/').collect::<Vec<_>>()[..] {
        [family, "conf", name, key] => Names::Link(family, name, key),
        _ => Names::Namespace(rest),
    }
}

fn setting(family: &str, name: &str, key: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/{family}/conf/{name}/{key}"))
}
