//! Attaches a container to an existing bridge, or detaches it.

use std::fs;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use cni_skel::Netns;
use cni_skel::net::{Address, Net, Route, Veth};
use cni_skel::nft::{Chain, Family, Nft, Rule, Table};
use nix::sched::{CloneFlags, setns};

use crate::GATEWAY;

const IFNAME: &str = "eth0";

/// The parts of the work.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// The link and its address.
    Alone,
    /// The same and a default route.
    Gateway,
    /// The same and a rule of nftables.
    Masquerade,
}

impl Kind {
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "alone" => Self::Alone,
            "gateway" => Self::Gateway,
            "masquerade" => Self::Masquerade,
            other => panic!("unknown kind: {other}"),
        }
    }
}

pub(crate) fn add(own: &str, netns: &str, dir: &str, address: &str, id: &str, kind: Kind) {
    let host = Net::open().unwrap();
    let bridge = host.link("cni0").unwrap().index;
    let netns = Netns::open(netns).unwrap();
    let port = format!("veth{id}");
    let veth = Veth::new(&port, IFNAME).master(bridge).alias(format!("cni:bench:{id}:{IFNAME}"));
    let port_index = host.add_veth(&veth, &netns).unwrap().host.index;
    fs::write(format!("/proc/sys/net/ipv6/conf/{port}/accept_ra"), "0").unwrap();
    host.set_up(port_index).unwrap();

    start(own, &["host-local-add", dir, address, id]);
    let ip: IpAddr = address.parse().unwrap();
    if kind == Kind::Masquerade {
        let nft = Nft::open().unwrap();
        let subnet: ipnet::IpNet = format!("{address}/16").parse().unwrap();
        let rule = Rule::new(&checks()).saddr(ip).not_daddr(subnet.trunc()).masquerade().comment(id);
        nft.batch().add_rule(&rule).send().unwrap();
    }

    setns(netns.as_fd().unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
    fs::write(format!("/proc/sys/net/ipv4/conf/{IFNAME}/arp_notify"), "1").unwrap();
    fs::write(format!("/proc/sys/net/ipv6/conf/{IFNAME}/accept_dad"), "0").unwrap();
    let inside = Net::open().unwrap();
    let link = inside.link(IFNAME).unwrap().index;
    let address = Address::new(link, format!("{address}/16").parse().unwrap()).no_dad();
    let mut batch = inside.batch().add_address(&address).set_up(link);
    if kind != Kind::Alone {
        let everything = "0.0.0.0/0".parse().unwrap();
        batch = batch.add_route(&Route::new(everything).gateway(GATEWAY.into()).link(link));
    }
    batch.send().unwrap();
    host.wait_until_up(port_index, Duration::from_secs(3)).unwrap();
    println!(
        "{{\"cniVersion\": \"1.0.0\", \"interfaces\": [{{\"name\": \"{port}\"}}], \"ips\": [{{\"address\": \"{ip}/16\"}}]}}"
    );
}

pub(crate) fn del(own: &str, dir: &str, address: &str, id: &str, kind: Kind) {
    // The socket stays open until the end, so that the kernel waits once and not twice.
    let nft = (kind == Kind::Masquerade).then(|| {
        let nft = Nft::open().unwrap();
        let rules = nft.rules(&checks()).unwrap();
        let rule = rules.iter().find(|rule| rule.as_comment() == Some(id)).unwrap();
        nft.batch().delete_rule(rule).send().unwrap();
        nft
    });
    let host = Net::open().unwrap();
    let port = host.link(format!("veth{id}")).unwrap().index;
    host.delete_link(port).unwrap();
    drop(nft);
    start(own, &["host-local-del", dir, address]);
}

fn checks() -> Chain {
    Chain::new(&Table::new(Family::Inet, "cni_plugins_masquerade"), "masq_checks")
}

fn start(own: &str, arguments: &[&str]) {
    let output = Command::new(own).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
