//! What is asked of both, in this order: each request finds what those before it have left.

use cni_skel::Sysctl;
use cni_skel::net::{Address, Bridge, LinkIndex, Neighbour, Net, NetError, Route, Scope, Veth};
use cni_testing::types::MacAddr;

use crate::raw::{add_numbered_bridge, add_numbered_pair};
use crate::scene::{Scene, answer};

/// A request, and its answer as text.
pub(crate) type Request = Box<dyn Fn(&Scene) -> String>;

/// All requests, each with what it is about.
pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    let mut list = List(Vec::new());
    loopback(&mut list);
    bridges(&mut list);
    pairs(&mut list);
    ports(&mut list);
    links(&mut list);
    ipv4_addresses(&mut list);
    ipv6_addresses(&mut list);
    ipv4_routes(&mut list);
    ipv6_routes(&mut list);
    neighbours(&mut list);
    sysctls(&mut list);
    down_and_up(&mut list);
    deletions(&mut list);
    numbers(&mut list);
    list.0
}

struct List(Vec<(&'static str, Request)>);

impl List {
    fn ask(&mut self, what: &'static str, request: impl Fn(&Scene) -> Result<(), NetError> + 'static) {
        self.0.push((what, Box::new(move |scene| answer(request(scene)))));
    }

    /// A request on the host's links.
    fn host(&mut self, what: &'static str, request: impl Fn(&Net, &Scene) -> Result<(), NetError> + 'static) {
        self.ask(what, move |scene| request(&scene.host, scene));
    }

    /// A request on the container's links.
    fn inside(
        &mut self,
        what: &'static str,
        request: impl Fn(&Net, &Scene) -> Result<(), NetError> + 'static,
    ) {
        self.ask(what, move |scene| request(&scene.inside, scene));
    }

    /// Something else that answers with text.
    fn other(&mut self, what: &'static str, request: impl Fn(&Scene) -> String + 'static) {
        self.0.push((what, Box::new(request)));
    }
}

fn mac(last: u8) -> MacAddr {
    MacAddr::from_bytes(&[0x06, 0, 0, 0, 0, last]).unwrap()
}

fn index(index: u32) -> LinkIndex {
    LinkIndex::new(index).expect("not 0")
}

fn address(link: LinkIndex, text: &str) -> Address {
    Address::new(link, text.parse().unwrap()).no_dad()
}

fn route(dst: &str) -> Route {
    Route::new(dst.parse().unwrap())
}

fn via(dst: &str, gateway: &str) -> Route {
    route(dst).gateway(gateway.parse().unwrap())
}

fn loopback(list: &mut List) {
    list.inside("set lo up", |net, _| net.set_up(index(1)));
    list.inside("set lo up again", |net, _| net.set_up(index(1)));
    list.inside("set lo down", |net, _| net.set_down(index(1)));
    list.inside("set lo up a third time", |net, _| net.set_up(index(1)));
    list.host("delete lo", |net, _| net.delete_link(index(1)));
    list.host("change the mtu of lo", |net, _| net.set_mtu(index(1), 1400));
    list.host("give lo an address while it is down", |net, _| {
        net.add_address(&address(index(1), "10.99.0.1/32"))
    });
}

fn numbers(list: &mut List) {
    list.other("add a bridge of a number", |scene| add_numbered_bridge(scene, "number60", 60));
    list.other("add one of a number that is taken", |scene| add_numbered_bridge(scene, "number61", 60));
    list.other("add a pair of numbers", |scene| add_numbered_pair(scene, [("near70", 70), ("far71", 71)]));
    list.other("add one whose peer's number is taken", |scene| {
        add_numbered_pair(scene, [("near80", 80), ("far81", 71)])
    });
    list.other("add one whose own number is taken", |scene| {
        add_numbered_pair(scene, [("near80", 70), ("far81", 81)])
    });
    list.other("add one whose ends are to have one number", |scene| {
        add_numbered_pair(scene, [("near80", 80), ("far81", 80)])
    });
    list.other("add one whose peer alone is to have a number", |scene| {
        add_numbered_pair(scene, [("near90", 0), ("far91", 60)])
    });
    list.other("add a bridge of a number below zero", |scene| {
        add_numbered_bridge(scene, "number62", u32::MAX)
    });
    list.other("add a pair whose peer's number is below zero", |scene| {
        add_numbered_pair(scene, [("near80", 80), ("far81", u32::MAX)])
    });
    list.host("add a bridge of any number", |net, _| net.add_bridge(&Bridge::new("any0")).map(drop));
}

fn bridges(list: &mut List) {
    list.host("add a bridge", |net, _| net.add_bridge(&Bridge::new("br0")).map(drop));
    list.host("add it again", |net, _| net.add_bridge(&Bridge::new("br0")).map(drop));
    list.host("add a bridge of a bad name", |net, _| net.add_bridge(&Bridge::new("b/r")).map(drop));
    list.host("add one with mtu and mac", |net, _| {
        net.add_bridge(&Bridge::new("br1").mtu(1400).mac(mac(9))).map(drop)
    });
    list.host("add one with too large an mtu", |net, _| {
        net.add_bridge(&Bridge::new("br2").mtu(70_000)).map(drop)
    });
    list.host("add one with a multicast mac", |net, _| {
        net.add_bridge(&Bridge::new("br2").mac("01:00:00:00:00:01".parse().unwrap())).map(drop)
    });
    list.host("set it up", |net, scene| net.set_up(scene.at("br0")));
    list.host("set up a link that is not there", |net, _| net.set_up(index(77)));
    list.host("find a link that is not there", |net, _| net.link("nothing").map(drop));
    list.host("find a link by a number that is none", |net, _| net.link_by_index(index(77)).map(drop));
    list.host("find by a name that is too long", |net, _| net.link("a-name-that-is-too-long").map(drop));
    list.host("make it promiscuous", |net, scene| net.set_promisc(scene.at("br0"), true));
    list.host("and no more", |net, scene| net.set_promisc(scene.at("br0"), false));
}

fn pairs(list: &mut List) {
    list.ask("add a pair", |scene| {
        let veth = Veth::new("veth0", "eth0").master(scene.at("br0")).mtu(1400).mac(mac(5)).alias("first");
        scene.host.add_veth(&veth, &scene.container).map(drop)
    });
    list.ask("add a pair of a name that the host has", |scene| {
        scene.host.add_veth(&Veth::new("veth0", "eth1"), &scene.container).map(drop)
    });
    list.ask("add a pair of a name that the container has", |scene| {
        scene.host.add_veth(&Veth::new("veth1", "eth0"), &scene.container).map(drop)
    });
    list.ask("add a pair with too large an mtu", |scene| {
        scene.host.add_veth(&Veth::new("veth1", "eth1").mtu(70_000), &scene.container).map(drop)
    });
    list.ask("add a pair with too large an mtu on the host only", |scene| {
        let mut veth = Veth::new("veth1", "eth1");
        veth.mtu = Some(70_000);
        scene.host.add_veth(&veth, &scene.container).map(drop)
    });
    list.ask("add a pair with too small an mtu", |scene| {
        scene.host.add_veth(&Veth::new("veth1", "eth1").mtu(40), &scene.container).map(drop)
    });
    list.ask("add a pair with a multicast mac inside", |scene| {
        let mac = "01:00:00:00:00:01".parse().unwrap();
        scene.host.add_veth(&Veth::new("veth1", "eth1").peer_mac(mac), &scene.container).map(drop)
    });
    list.ask("add a pair to a bridge that is not there", |scene| {
        scene.host.add_veth(&Veth::new("veth1", "eth1").master(index(77)), &scene.container).map(drop)
    });
    list.ask("add a pair to a bridge that is none", |scene| {
        scene.host.add_veth(&Veth::new("veth1", "eth1").master(index(1)), &scene.container).map(drop)
    });
    list.ask("add a second pair, up", |scene| {
        let veth =
            Veth::new("veth1", "eth1").mac(mac(4)).master(scene.at("br0")).up().hairpin(true).isolated(true);
        scene.host.add_veth(&veth, &scene.container).map(drop)
    });
    list.host("set the first up", |net, scene| net.set_up(scene.at("veth0")));
    list.inside("set its peer up", |net, scene| net.set_up(scene.in_container("eth0")));
    list.inside("set the peer of the second up", |net, scene| net.set_up(scene.in_container("eth1")));
    list.inside("set the peer of the second down", |net, scene| net.set_down(scene.in_container("eth1")));
}

fn ports(list: &mut List) {
    list.host("set hairpin", |net, scene| net.set_hairpin(scene.at("veth0"), true));
    list.host("set isolation", |net, scene| net.set_isolated(scene.at("veth0"), true));
    list.host("take hairpin back", |net, scene| net.set_hairpin(scene.at("veth0"), false));
    list.inside("set hairpin of what is no port", |net, scene| {
        net.set_hairpin(scene.in_container("eth0"), true)
    });
    list.host("set hairpin of a bridge", |net, scene| net.set_hairpin(scene.at("br0"), true));
    list.host("set hairpin of nothing", |net, _| net.set_hairpin(index(77), true));
    list.host("move a port to another bridge", |net, scene| {
        net.set_master(scene.at("veth1"), Some(scene.at("br1")))
    });
    list.host("and back", |net, scene| net.set_master(scene.at("veth1"), Some(scene.at("br0"))));
    list.host("once more to the same", |net, scene| net.set_master(scene.at("veth1"), Some(scene.at("br0"))));
    list.host("take it off", |net, scene| net.set_master(scene.at("veth1"), None));
    list.host("make a bridge a port of another", |net, scene| {
        net.set_master(scene.at("br1"), Some(scene.at("br0")))
    });
    list.host("make a bridge a port of itself", |net, scene| {
        net.set_master(scene.at("br0"), Some(scene.at("br0")))
    });
    list.host("make a link a port of nothing", |net, scene| {
        net.set_master(scene.at("veth1"), LinkIndex::new(77))
    });
    list.host("make a link a port of what is no bridge", |net, scene| {
        net.set_master(scene.at("veth1"), Some(scene.at("veth0")))
    });
    list.host("put it back", |net, scene| net.set_master(scene.at("veth1"), Some(scene.at("br0"))));
}

fn links(list: &mut List) {
    list.host("set an mtu", |net, scene| net.set_mtu(scene.at("veth1"), 1300));
    list.host("set too large an mtu", |net, scene| net.set_mtu(scene.at("veth1"), 70_000));
    list.host("set too small an mtu", |net, scene| net.set_mtu(scene.at("veth1"), 20));
    list.host("set the mtu of the bridge", |net, scene| net.set_mtu(scene.at("br0"), 1290));
    list.host("set the mtu of nothing", |net, _| net.set_mtu(index(77), 1400));
    list.host("set a mac", |net, scene| net.set_mac(scene.at("veth1"), &mac(3)));
    list.host("set a multicast mac", |net, scene| {
        net.set_mac(scene.at("veth1"), &"01:00:00:00:00:01".parse().unwrap())
    });
    list.host("set a mac of zeros", |net, scene| {
        net.set_mac(scene.at("veth1"), &"00:00:00:00:00:00".parse().unwrap())
    });
    list.host("set a mac that is too short", |net, scene| {
        net.set_mac(scene.at("veth1"), &"02:00".parse().unwrap())
    });
    list.host("set the mac of the bridge", |net, scene| net.set_mac(scene.at("br0"), &mac(8)));
    list.host("set an alias", |net, scene| net.set_alias(scene.at("veth1"), "cni:a:b:c"));
    list.host("take the alias away", |net, scene| net.set_alias(scene.at("veth1"), ""));
    list.host("set the longest alias", |net, scene| net.set_alias(scene.at("veth1"), &"x".repeat(255)));
    list.host("set too long an alias", |net, scene| net.set_alias(scene.at("veth1"), &"x".repeat(256)));
    list.host("rename", |net, scene| net.rename(scene.at("veth1"), "veth9"));
    list.host("rename to a name that is taken", |net, scene| net.rename(scene.at("veth9"), "veth0"));
    list.host("rename to its own name", |net, scene| net.rename(scene.at("veth9"), "veth9"));
    list.host("rename nothing", |net, _| net.rename(index(77), "veth7"));
    list.host("rename back", |net, scene| net.rename(scene.at("veth9"), "veth1"));
}

fn ipv4_addresses(list: &mut List) {
    list.host("add an address", |net, scene| net.add_address(&address(scene.at("br0"), "10.1.0.1/24")));
    list.host("add it again", |net, scene| net.add_address(&address(scene.at("br0"), "10.1.0.1/24")));
    list.host("add another of its network", |net, scene| {
        net.add_address(&address(scene.at("br0"), "10.1.0.7/24"))
    });
    list.host("add one of a smaller network", |net, scene| {
        net.add_address(&address(scene.at("br0"), "10.1.0.1/16"))
    });
    list.host("add a single one", |net, scene| net.add_address(&address(scene.at("br0"), "10.2.0.1/32")));
    list.host("add one of a network of two", |net, scene| {
        net.add_address(&address(scene.at("br0"), "10.3.0.0/31"))
    });
    list.host("add one to nothing", |net, _| net.add_address(&address(index(77), "10.1.0.1/24")));
    list.host("delete one that is not there", |net, scene| {
        net.delete_address(&address(scene.at("br0"), "10.9.0.1/24"))
    });
    list.host("delete one of another prefix", |net, scene| {
        net.delete_address(&address(scene.at("br0"), "10.1.0.7/25"))
    });
    list.host("delete one of nothing", |net, _| net.delete_address(&address(index(77), "10.9.0.1/24")));
    list.host("list those of nothing", |net, _| net.addresses(LinkIndex::new(77)).map(drop));
    list.inside("add one inside", |net, scene| {
        net.add_address(&address(scene.in_container("eth0"), "10.1.0.2/24"))
    });
    list.inside("add one to a link that is down", |net, scene| {
        net.add_address(&address(scene.in_container("eth1"), "10.5.0.2/24"))
    });
    list.inside("set that link up", |net, scene| net.set_up(scene.in_container("eth1")));
    list.host("delete the first of its network", |net, scene| {
        net.delete_address(&address(scene.at("br0"), "10.1.0.1/24"))
    });
    list.host("add it anew", |net, scene| net.add_address(&address(scene.at("br0"), "10.1.0.1/24")));
    list.host("delete the one of the smaller network", |net, scene| {
        net.delete_address(&address(scene.at("br0"), "10.1.0.1/16"))
    });
}

fn ipv6_addresses(list: &mut List) {
    list.host("add an address", |net, scene| net.add_address(&address(scene.at("br0"), "fd00:1::1/64")));
    list.host("add it again", |net, scene| net.add_address(&address(scene.at("br0"), "fd00:1::1/64")));
    list.host("add it with another prefix", |net, scene| {
        net.add_address(&address(scene.at("br0"), "fd00:1::1/48"))
    });
    list.host("add another", |net, scene| net.add_address(&address(scene.at("br0"), "fd00:1::7/64")));
    list.host("add a single one", |net, scene| net.add_address(&address(scene.at("br0"), "fd00:2::1/128")));
    list.host("add one to a link that carries too little", |net, scene| {
        net.set_mtu(scene.at("br1"), 1200)?;
        net.add_address(&address(scene.at("br1"), "fd00:7::1/64"))
    });
    list.host("let it carry more", |net, scene| net.set_mtu(scene.at("br1"), 1400));
    list.host("add a multicast one", |net, scene| net.add_address(&address(scene.at("br0"), "ff02::9/64")));
    list.host("add the one of the host itself", |net, scene| {
        net.add_address(&address(scene.at("br0"), "::1/128"))
    });
    list.host("add one to nothing", |net, _| net.add_address(&address(index(77), "fd00:1::1/64")));
    list.host("delete one that is not there", |net, scene| {
        net.delete_address(&address(scene.at("br0"), "fd00:9::1/64"))
    });
    list.host("delete the other", |net, scene| net.delete_address(&address(scene.at("br0"), "fd00:1::7/64")));
    list.inside("add one inside", |net, scene| {
        net.add_address(&address(scene.in_container("eth0"), "fd00:1::2/64"))
    });
}

fn ipv4_routes(list: &mut List) {
    list.inside("add a default route", |net, _| net.add_route(&via("0.0.0.0/0", "10.1.0.1")));
    list.inside("add it again", |net, _| net.add_route(&via("0.0.0.0/0", "10.1.0.1")));
    list.inside("add another", |net, _| net.add_route(&via("0.0.0.0/0", "10.1.0.3").priority(50)));
    list.inside("add one over a link", |net, scene| {
        net.add_route(&via("10.8.0.0/16", "10.1.0.1").link(scene.in_container("eth0")))
    });
    list.inside("add one over the wrong link", |net, scene| {
        net.add_route(&via("10.9.0.0/16", "10.1.0.1").link(scene.in_container("eth1")))
    });
    list.inside("add one over a gateway out of reach", |net, _| {
        net.add_route(&via("10.9.0.0/16", "192.0.2.1"))
    });
    list.inside("add one over an own address", |net, _| net.add_route(&via("10.9.0.0/16", "10.1.0.2")));
    list.inside("add one to the link", |net, scene| {
        net.add_route(&route("10.7.0.0/16").link(scene.in_container("eth0")))
    });
    list.inside("add one with all there is", |net, scene| {
        let link = scene.in_container("eth0");
        let route = via("10.6.0.0/16", "10.1.0.1").link(link).mtu(1300).advmss(1200).priority(7);
        net.add_route(&route.source([10, 1, 0, 2].into()))
    });
    list.inside("add one with a source that is nobody's", |net, scene| {
        net.add_route(&route("10.9.0.0/16").link(scene.in_container("eth0")).source([9, 9, 9, 9].into()))
    });
    list.inside("add one over nothing", |net, _| net.add_route(&route("10.9.0.0/16").link(index(77))));
    list.inside("add one to a gateway over nothing", |net, _| {
        net.add_route(&via("10.9.0.0/16", "10.1.0.1").link(index(77)))
    });
    list.inside("add one that goes nowhere", |net, _| net.add_route(&route("10.9.0.0/16")));
    list.host("add one over a link that is down", |net, scene| {
        net.add_route(&route("10.9.0.0/16").link(scene.at("br1")))
    });
    list.host("add one to a gateway over a link that is down", |net, scene| {
        net.add_route(&via("10.9.0.0/16", "10.1.0.1").link(scene.at("br1")))
    });
    list.inside("add one of the wrong scope", |net, _| {
        net.add_route(&via("10.9.0.0/16", "10.1.0.1").scope(Scope::LINK))
    });
    list.inside("add one to a table of its own", |net, scene| {
        net.add_route(&route("10.9.0.0/16").link(scene.in_container("eth0")).table(100))
    });
    list.inside("list a table that is not there", |net, _| net.routes(Some(101)).map(drop));
    list.inside("delete one", |net, _| net.delete_route(&via("10.8.0.0/16", "10.1.0.1")));
    list.inside("delete it again", |net, _| net.delete_route(&via("10.8.0.0/16", "10.1.0.1")));
    list.inside("delete one by its destination", |net, _| net.delete_route(&route("10.6.0.0/16")));
    list.inside("delete one of another gateway", |net, _| net.delete_route(&via("0.0.0.0/0", "10.1.0.9")));
    list.inside("add one over IPv6", |net, scene| {
        net.add_route(&via("10.4.0.0/16", "fd00:1::1").link(scene.in_container("eth0")))
    });
    list.inside("delete the address that routes have as source", |net, scene| {
        net.delete_address(&address(scene.in_container("eth0"), "10.1.0.2/24"))
    });
    list.inside("add that address again", |net, scene| {
        net.add_address(&address(scene.in_container("eth0"), "10.1.0.2/24"))
    });
}

fn ipv6_routes(list: &mut List) {
    list.inside("add a default route", |net, _| net.add_route(&via("::/0", "fd00:1::1")));
    list.inside("add it again", |net, _| net.add_route(&via("::/0", "fd00:1::1")));
    list.inside("add one of another metric", |net, _| net.add_route(&via("::/0", "fd00:1::1").priority(50)));
    list.inside("add one over a link", |net, scene| {
        net.add_route(&via("fd08::/16", "fd00:1::1").link(scene.in_container("eth0")))
    });
    list.inside("add one over the wrong link", |net, scene| {
        net.add_route(&via("fd09::/16", "fd00:1::1").link(scene.in_container("eth1")))
    });
    list.inside("add one over a gateway out of reach", |net, _| {
        net.add_route(&via("fd09::/16", "2001:db8::1"))
    });
    list.inside("add one over an own address", |net, _| net.add_route(&via("fd09::/16", "fd00:1::2")));
    list.inside("add one to the link", |net, scene| {
        net.add_route(&route("fd07::/16").link(scene.in_container("eth0")))
    });
    list.inside("add one over nothing", |net, _| net.add_route(&route("fd09::/16").link(index(77))));
    list.inside("add one that goes nowhere", |net, _| net.add_route(&route("fd09::/16")));
    list.host("add one over a link that is down", |net, scene| {
        net.add_route(&route("fd09::/16").link(scene.at("br1")))
    });
    list.inside("delete one", |net, _| net.delete_route(&via("fd08::/16", "fd00:1::1")));
    list.inside("delete it again", |net, _| net.delete_route(&via("fd08::/16", "fd00:1::1")));
}

fn neighbours(list: &mut List) {
    let neighbour = |link, ip: &str| Neighbour::new(link, ip.parse().unwrap(), mac(1));
    list.inside("add a neighbour", move |net, scene| {
        net.add_neighbour(&neighbour(scene.in_container("eth0"), "10.1.0.9"))
    });
    list.inside("add it again", move |net, scene| {
        net.add_neighbour(&neighbour(scene.in_container("eth0"), "10.1.0.9"))
    });
    list.inside("add one of IPv6", move |net, scene| {
        net.add_neighbour(&neighbour(scene.in_container("eth0"), "fd00:1::9"))
    });
    list.inside("add one to nothing", move |net, _| net.add_neighbour(&neighbour(index(77), "10.1.0.9")));
    list.inside("delete one that is not there", move |net, scene| {
        net.delete_neighbour(&neighbour(scene.in_container("eth0"), "10.1.0.8"))
    });
    list.inside("delete the one of IPv6", move |net, scene| {
        net.delete_neighbour(&neighbour(scene.in_container("eth0"), "fd00:1::9"))
    });
    list.inside("delete one of nothing", move |net, _| {
        net.delete_neighbour(&neighbour(index(77), "10.1.0.9"))
    });
}

fn sysctls(list: &mut List) {
    let keys = [
        "ipv4/ip_forward",
        "ipv4/conf/br0/arp_notify",
        "ipv4/conf/br0/forwarding",
        "ipv6/conf/br0/accept_dad",
        "ipv6/conf/br0/accept_ra",
        "ipv6/conf/br0/disable_ipv6",
        "ipv6/conf/br0/keep_addr_on_down",
        "ipv6/conf/all/forwarding",
        "ipv6/conf/br0/forwarding",
        "ipv4/conf/nothing/forwarding",
        "ipv4/conf/br0/nothing",
    ];
    let sysctl = |key: &str| Sysctl::at(&key.split('/').collect::<Vec<_>>()).unwrap();
    let read = move |scene: &Scene| {
        let values = scene.on_host(|| keys.map(|key| format!("{key}={:?}", sysctl(key).read().unwrap())));
        values.join(" ")
    };
    list.other("read sysctls", read);
    list.other("write one", move |scene| {
        format!("{:?}", scene.on_host(|| sysctl("ipv4/conf/br0/arp_notify").write("1").unwrap()))
    });
    list.other("write one that is not there", move |scene| {
        format!("{:?}", scene.on_host(|| sysctl("ipv4/conf/br0/nothing").write("1").unwrap()))
    });
    list.other("write nonsense", move |scene| {
        let refused = scene.on_host(|| sysctl("ipv4/conf/br0/arp_notify").write("nonsense")).unwrap_err();
        format!("{:?} {refused}", refused.kind())
    });
    list.other("let the host forward", move |scene| {
        format!("{:?}", scene.on_host(|| sysctl("ipv4/ip_forward").write("1").unwrap()))
    });
    list.other("let it forward IPv6", move |scene| {
        format!("{:?}", scene.on_host(|| sysctl("ipv6/conf/all/forwarding").write("1").unwrap()))
    });
    list.other("read sysctls again", read);
    list.other("do without IPv6", move |scene| {
        format!("{:?}", scene.on_host(|| sysctl("ipv6/conf/br1/disable_ipv6").write("1").unwrap()))
    });
    list.host("add an IPv6 address then", |net, scene| {
        net.add_address(&address(scene.at("br1"), "fd00:3::1/64"))
    });
    list.other("keep IPv6 addresses", move |scene| {
        format!("{:?}", scene.on_host(|| sysctl("ipv6/conf/br0/keep_addr_on_down").write("1").unwrap()))
    });
}

fn down_and_up(list: &mut List) {
    list.inside("set a link down", |net, scene| net.set_down(scene.in_container("eth0")));
    list.inside("and up", |net, scene| net.set_up(scene.in_container("eth0")));
    list.host("set a bridge down", |net, scene| net.set_down(scene.at("br0")));
    list.host("and up", |net, scene| net.set_up(scene.at("br0")));
    list.host("set a port down", |net, scene| net.set_down(scene.at("veth0")));
    list.host("and up", |net, scene| net.set_up(scene.at("veth0")));
    list.inside("add IPv6 to a link that is down", |net, scene| {
        net.set_down(scene.in_container("eth1"))?;
        net.add_address(&address(scene.in_container("eth1"), "fd00:5::2/64"))
    });
    list.inside("and set it up", |net, scene| net.set_up(scene.in_container("eth1")));
    list.inside("address, up and route in one go", |net, scene| {
        let link = scene.in_container("eth1");
        net.set_down(link)?;
        let address = address(link, "10.50.0.2/24");
        net.batch()
            .add_address(&address)
            .set_up(link)
            .add_route(&via("10.51.0.0/16", "10.50.0.1").link(link))
            .send()
    });
}

fn deletions(list: &mut List) {
    list.inside("delete the peer's end", |net, scene| net.delete_link(scene.in_container("eth1")));
    list.host("delete a link that is not there", |net, _| net.delete_link(index(77)));
    list.host("delete the bridge", |net, scene| net.delete_link(scene.at("br0")));
    list.host("delete the pair", |net, scene| net.delete_link(scene.at("veth0")));
    list.host("add a bridge again", |net, _| net.add_bridge(&Bridge::new("br0")).map(drop));
}
