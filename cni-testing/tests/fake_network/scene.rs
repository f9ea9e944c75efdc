//! A host and a container, real or in memory, and what can be told of them.

use std::collections::BTreeMap;

use cni_skel::Netns;
use cni_skel::net::{Address, LinkIndex, Neighbour, NeighbourState, Net, NetError, Route, Scope, Veth};
use cni_testing::types::MacAddr;
use cni_testing::{FakeNetwork, TestNetns};

/// The kernel's table of the addresses' own routes.
const TABLE_LOCAL: u32 = 255;
/// `IFA_F_TENTATIVE`: duplicate address detection takes its time, and the fake does without.
const TENTATIVE: u32 = 0x40;

/// A host and a container.
pub(crate) struct Scene {
    pub(crate) host: Net,
    pub(crate) inside: Net,
    /// The container's namespace.
    pub(crate) container: Netns,
    host_netns: Netns,
    /// Hardware addresses that the kernel made up, in the order in which they were seen.
    macs: Vec<MacAddr>,
    _real: Option<(TestNetns, TestNetns)>,
}

impl Scene {
    pub(crate) fn fake() -> Self {
        let network = FakeNetwork::new();
        Self::of(network.host(), network.container("c1"), None)
    }

    pub(crate) fn real() -> Self {
        let (host, container) = (TestNetns::new(), TestNetns::new());
        Self::of(host.netns().clone(), container.netns().clone(), Some((host, container)))
    }

    fn of(host_netns: Netns, container: Netns, real: Option<(TestNetns, TestNetns)>) -> Self {
        let (host, inside) = (host_netns.net().unwrap(), container.net().unwrap());
        Self { host, inside, container, host_netns, macs: Vec::new(), _real: real }
    }

    /// Something to do in the host's namespace.
    pub(crate) fn on_host<T: Send>(&self, step: impl FnOnce() -> T + Send) -> T {
        self.host_netns.run(step).unwrap()
    }

    /// The index of a link of the host, or a number that no link has.
    pub(crate) fn at(&self, name: &str) -> LinkIndex {
        index(&self.host, name)
    }

    /// The index of a link of the container.
    pub(crate) fn in_container(&self, name: &str) -> LinkIndex {
        index(&self.inside, name)
    }

    /// All that is there, by place, free of what is left to chance.
    pub(crate) fn describe(&mut self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        for (place, net) in [("host", self.host.clone()), ("container", self.inside.clone())] {
            let links = net.links().unwrap();
            for link in &links {
                let mac = link.mac.clone().map(|mac| self.name_of(mac));
                let flags = link.flags.bits();
                let mut link = link.clone();
                link.mac = None;
                if let Some(options) = &mut link.bridge {
                    // Depends on whether the kernel was built with VLANs of bridges.
                    options.default_pvid = None;
                }
                lines.insert(format!("{place} link {}", link.index), format!("{link:?} {flags:x} {mac:?}"));
            }
            let mut put = |kind: &str, texts: Vec<String>| {
                for text in texts {
                    lines.insert(format!("{place} {kind} {text}"), String::new());
                }
            };
            put("address", net.addresses(None).unwrap().iter().filter_map(address).collect());
            put("route", net.routes(None).unwrap().iter().filter_map(route).collect());
            put("neighbour", net.neighbours(None).unwrap().iter().filter_map(neighbour).collect());
            put("rule", net.routing_rules().unwrap().iter().map(|rule| format!("{rule:?}")).collect());
        }
        lines
    }

    fn name_of(&mut self, mac: MacAddr) -> String {
        // What a request gives, and what lo has. Only the first byte would not do: the kernel's own are random.
        if matches!(mac.as_bytes(), [0 | 0x06, 0, 0, 0, 0, _]) {
            return mac.to_string();
        }
        let place = self.macs.iter().position(|seen| *seen == mac).unwrap_or_else(|| {
            self.macs.push(mac);
            self.macs.len() - 1
        });
        format!("made up, number {place}")
    }
}

fn index(net: &Net, name: &str) -> LinkIndex {
    net.find_link(name).unwrap().map_or(LinkIndex::new(99).expect("not 0"), |link| link.index)
}

/// An answer, with the error and the words of the kernel.
pub(crate) fn answer(outcome: Result<(), NetError>) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("{error}: {}: {:?}", error.io_error(), error.kernel_text()),
    }
}

fn address(address: &Address) -> Option<String> {
    let flags = address.flags.bits() & !TENTATIVE;
    let Address { link, address, broadcast, scope, .. } = address;
    (*scope != Scope::LINK)
        .then(|| format!("{address} on {link}, {broadcast:?}, scope {scope:?}, flags {flags:x}"))
}

fn route(route: &Route) -> Option<String> {
    let is_ipv6 = route.dst.addr().is_ipv6();
    let is_link_local = matches!(route.dst.addr(), std::net::IpAddr::V6(ip) if ip.is_unicast_link_local());
    let is_left_out = is_ipv6 && (route.table == TABLE_LOCAL || is_link_local);
    (!is_left_out).then(|| format!("{route:?}"))
}

fn neighbour(neighbour: &Neighbour) -> Option<String> {
    (neighbour.state == NeighbourState::PERMANENT).then(|| format!("{neighbour:?}"))
}

#[test]
fn a_veth_of_a_real_host_cannot_be_born_in_a_fake_namespace() {
    let host = TestNetns::new();
    let container = FakeNetwork::new().container("c1");
    let net = host.net().unwrap();
    let refused = net.add_veth(&Veth::new("veth0", "eth0"), &container).unwrap_err();
    assert_eq!(refused.io_error().raw_os_error(), Some(9), "{refused:?}");
    assert!(net.find_link("veth0").unwrap().is_none());
}
