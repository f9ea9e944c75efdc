//! Routes, rules, and several changes at once.

use cni_skel::net::{Address, Bridge, LinkIndex, Net, Route, Scope};
use cni_skel::types;
use ipnet::IpNet;

use crate::{chain, network};

fn cidr(text: &str) -> IpNet {
    text.parse().expect("a literal")
}

/// A link that is up with addresses of both families.
fn ready(net: &Net, name: &str) -> LinkIndex {
    let index = net.add_bridge(&Bridge::new(name)).expect("the kernel takes it").index;
    net.set_up(index).expect("the kernel takes it");
    net.add_address(&Address::new(index, cidr("10.1.0.2/24"))).expect("the kernel takes it");
    net.add_address(&Address::new(index, cidr("fd00:1::2/64")).no_dad()).expect("the kernel takes it");
    index
}

#[test]
fn a_route_has_all_that_was_asked_for() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    for (dst, gateway, source) in
        [("10.7.0.0/16", "10.1.0.1", "10.1.0.2"), ("fd00:7::/48", "fd00:1::1", "fd00:1::2")]
    {
        let route = Route::new(cidr(dst))
            .gateway(gateway.parse().unwrap())
            .link(link)
            .source(source.parse().unwrap())
            .mtu(1300)
            .advmss(1200)
            .priority(77)
            .table(1000)
            .scope(Scope::UNIVERSE);
        net.add_route(&route).unwrap();
        assert!(net.routes(Some(1000)).unwrap().contains(&route), "{:?}", net.routes(Some(1000)));
        assert!(net.routes(None).unwrap().contains(&route));
        assert!(!net.routes(Some(254)).unwrap().contains(&route));

        assert!(net.add_route(&route).unwrap_err().is_exists());
        net.delete_route(&route).unwrap();
        let gone = net.delete_route(&route).unwrap_err();
        assert!(gone.is_not_found(), "{}", chain(&gone));
    }
    assert_eq!(net.routes(Some(1000)).unwrap(), []);
}

#[test]
fn a_route_of_a_result_becomes_one_of_the_kernel() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    let mut asked = types::Route::new(cidr("10.7.0.0/16")).gw([10, 1, 0, 1].into());
    asked.mtu = Some(1300);
    asked.table = Some(300);
    asked.scope = Some(0);
    let route = Route::try_from(&asked).unwrap().link(link);
    net.add_route(&route).unwrap();
    assert_eq!(net.routes(Some(300)).unwrap(), [route]);

    asked.scope = Some(256);
    let failed = Route::try_from(&asked).unwrap_err();
    assert_eq!(chain(&failed), "cannot use route 10.7.0.0/16: scope 256 is greater than 255");
}

#[test]
fn a_destination_with_host_bits_means_its_network() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    net.add_route(&Route::new(cidr("10.7.1.2/16")).link(link)).unwrap();
    let routes = net.routes(Some(254)).unwrap();
    assert!(routes.iter().any(|route| route.dst == cidr("10.7.0.0/16")), "{routes:?}");
}

#[test]
fn a_gateway_can_be_reached_by_a_route_without_one() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    net.add_route(&Route::new(cidr("169.254.1.1/32")).link(link)).unwrap();
    net.add_route(&Route::new(cidr("0.0.0.0/0")).gateway([169, 254, 1, 1].into()).link(link)).unwrap();
    let routes = net.routes(Some(254)).unwrap();
    let default = routes.iter().find(|route| route.dst == cidr("0.0.0.0/0")).expect("it is listed");
    assert_eq!(default.gateway, Some([169, 254, 1, 1].into()));
}

#[test]
fn an_ipv4_route_may_have_an_ipv6_gateway() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    let route = Route::new(cidr("10.8.0.0/16"))
        .gateway("fd00:1::1".parse().unwrap())
        .link(link)
        .scope(Scope::UNIVERSE);
    net.add_route(&route).unwrap();
    assert!(net.routes(Some(254)).unwrap().contains(&route));
    let wrong = Route::new(cidr("fd00:8::/32")).gateway([10, 1, 0, 1].into()).link(link);
    let failed = net.add_route(&wrong).unwrap_err();
    assert!(chain(&failed).ends_with("an IPv6 route cannot have an IPv4 gateway"), "{}", chain(&failed));
}

#[test]
fn each_next_hop_of_an_ipv6_route_is_listed() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    for gateway in ["fd00:1::5", "fd00:1::6"] {
        net.add_route(&Route::new(cidr("fd00:9::/32")).gateway(gateway.parse().unwrap()).link(link)).unwrap();
    }
    let routes = net.routes(Some(254)).unwrap();
    let hops = |dst: &str| -> Vec<_> {
        routes.iter().filter(|r| r.dst == cidr(dst)).map(|r| r.gateway.unwrap().to_string()).collect()
    };
    assert_eq!(hops("fd00:9::/32"), ["fd00:1::5", "fd00:1::6"]);
}

#[test]
fn the_kernel_says_why_a_route_is_refused() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    let route = Route::new(cidr("0.0.0.0/0")).gateway([10, 99, 99, 99].into()).link(link);
    let failed = net.add_route(&route).unwrap_err();
    assert_eq!(
        chain(&failed),
        "cannot add route default via 10.99.99.99 on br0: Network is unreachable (os error 101): \
         Nexthop has invalid gateway"
    );
    assert_eq!(failed.io_error().raw_os_error(), Some(101));
}

#[test]
fn a_table_that_nobody_uses_is_empty() {
    let (_netns, net) = network();
    assert_eq!(net.routes(Some(4711)).unwrap(), []);
}

#[test]
fn a_batch_is_carried_out_in_order() {
    let (_netns, net) = network();
    let link = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    net.batch()
        .add_address(&Address::new(link, cidr("10.1.0.2/24")))
        .add_address(&Address::new(link, cidr("fd00:1::2/64")).no_dad())
        .set_up(link)
        .add_route(&Route::new(cidr("0.0.0.0/0")).gateway([10, 1, 0, 1].into()).link(link))
        .add_route(&Route::new(cidr("::/0")).gateway("fd00:1::1".parse().unwrap()).link(link))
        .send()
        .unwrap();
    let routes = net.routes(Some(254)).unwrap();
    for (dst, gateway) in [("0.0.0.0/0", "10.1.0.1"), ("::/0", "fd00:1::1")] {
        let default = routes.iter().find(|route| route.dst == cidr(dst)).expect("it is listed");
        assert_eq!(default.gateway, Some(gateway.parse().unwrap()));
    }
}

#[test]
fn a_batch_tells_the_first_refusal() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    let failed = net
        .batch()
        .add_address(&Address::new(link, cidr("10.2.0.2/24")))
        .add_address(&Address::new(link, cidr("10.1.0.2/24")))
        .add_route(&Route::new(cidr("0.0.0.0/0")).gateway([10, 99, 0, 1].into()).link(link))
        .send()
        .unwrap_err();
    assert!(failed.is_exists());
    assert_eq!(failed.to_string(), "cannot add address 10.1.0.2/24 to br0");
}

#[test]
fn a_batch_may_be_larger_than_the_receive_buffer() {
    let (_netns, net) = network();
    let link = ready(&net, "br0");
    let mut batch = net.batch();
    for n in 0..2000_u32 {
        let dst = IpNet::new(std::net::Ipv4Addr::from(0x0b00_0000 + n).into(), 32).unwrap();
        batch = batch.add_route(&Route::new(dst).link(link));
    }
    batch.send().unwrap();
    let routes = net.routes(Some(254)).unwrap();
    assert_eq!(routes.iter().filter(|route| route.dst.prefix_len() == 32).count(), 2000);
}

#[test]
fn the_link_that_leads_to_an_address_is_told() {
    let (_netns, net) = network();
    let towards = |address: &str| net.route_link(address.parse().unwrap()).unwrap();
    assert_eq!((towards("10.1.0.9"), towards("fd00:1::9")), (None, None));
    let link = ready(&net, "br0");
    assert_eq!((towards("10.1.0.9"), towards("fd00:1::9")), (Some(link), Some(link)));
    assert_eq!(towards("192.0.2.1"), None);
}
