//! Sysctls of the namespace, and those of links that differ from the default.

use std::collections::BTreeMap;
use std::fs;

use cni_skel::Sysctl;
use cni_skel::net::Link;
use cni_skel::seam::World;

/// The settings of a whole namespace that plugins change.
const OF_NAMESPACE: [&[&str]; 4] = [
    &["ipv4", "ip_forward"],
    &["bridge", "bridge-nf-call-iptables"],
    &["bridge", "bridge-nf-call-ip6tables"],
    &["bridge", "bridge-nf-call-arptables"],
];
/// The settings of a link that plugins change. A fake network has no others.
const KNOWN: [(&str, &[&str]); 2] = [
    (
        "ipv4",
        &[
            "accept_local",
            "arp_announce",
            "arp_filter",
            "arp_ignore",
            "arp_notify",
            "forwarding",
            "promote_secondaries",
            "proxy_arp",
            "route_localnet",
            "rp_filter",
        ],
    ),
    (
        "ipv6",
        &[
            "accept_dad",
            "accept_ra",
            "autoconf",
            "dad_transmits",
            "disable_ipv6",
            "enhanced_dad",
            "forwarding",
            "keep_addr_on_down",
            "proxy_ndp",
        ],
    ),
];

/// Which settings of links are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// Those that plugins are known to change.
    Known,
    /// All settings that the kernel has.
    All,
}

/// The settings in the namespace of this thread. A link adds a line for each setting that differs from the default.
pub(super) fn lines(links: &[Link], wanted: Keys) -> Vec<String> {
    let mut lines = Vec::new();
    for path in OF_NAMESPACE {
        if let Some(value) = read(path) {
            lines.push(format!("sysctl {} = {value}", path.join("/")));
        }
    }
    for (family, known) in KNOWN {
        let all = (wanted == Keys::All).then(|| keys(family)).flatten();
        let keys = all.unwrap_or_else(|| known.iter().map(ToString::to_string).collect());
        let mut of_new = BTreeMap::new();
        for key in &keys {
            for name in ["all", "default"] {
                let Some(value) = read(&[family, "conf", name, key]) else { continue };
                lines.push(format!("sysctl {family}/conf/{name}/{key} = {value}"));
                if name == "default" {
                    of_new.insert(key, value);
                }
            }
        }
        for link in links {
            for (key, usual) in &of_new {
                match read(&[family, "conf", &link.name, key]) {
                    Some(value) if value != *usual => {
                        lines.push(format!("sysctl {family}/conf/{}/{key} = {value}", link.name));
                    }
                    _ => {}
                }
            }
        }
    }
    lines
}

/// The settings that this kernel has for each link.
fn keys(family: &str) -> Option<Vec<String>> {
    if World::current().kernel.is_some() {
        return None;
    }
    let entries = fs::read_dir(format!("/proc/sys/net/{family}/conf/default")).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // The MTU is part of the link's own line.
    Some(names.filter(|name| name != "mtu").collect())
}

/// The value of a setting, or `None` if the setting does not exist or has no value yet.
fn read(path: &[&str]) -> Option<String> {
    Sysctl::at(path).and_then(|sysctl| sysctl.read()).ok().flatten()
}
