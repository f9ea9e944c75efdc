//! CHECK.

use cni_skel::net::{Address, Link, Net, NetError, Route};
use cni_skel::nft::{Family, Nft, Rule};
use cni_skel::types::{Command, SpecVersion};
use serde_json::Value;

use super::section::CHECK;
use super::truth::{addresses, link_of};
use crate::conformance::bench::{Attached, Bench};
use crate::conformance::check::Check;
use crate::conformance::ending::{Ending, Outcome, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Must, Should};
use crate::conformance::world::Container;
use crate::scene::describe;

const SINCE: SpecVersion = SpecVersion::V0_4_0;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "check/after-add",
        CHECK,
        "CHECK right after ADD succeeds, ten times.",
        "A runtime may call CHECK as soon as ADD has succeeded.",
        |bench| {
            let attached = bench.attach()?;
            (0..10).try_for_each(|_| bench.call(bench.after(Command::Check, &attached))?.succeeded())
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "check/silent",
        CHECK,
        "A successful CHECK prints nothing on stdout.",
        "CHECK has no result.",
        |bench| {
            let exchange = bench.attach_then(Command::Check)?;
            if exchange.exit_code == Some(0) { exchange.silent_success() } else { not_run("CHECK does not succeed") }
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "check/changes-nothing",
        CHECK,
        "CHECK changes nothing, on the host or in the container.",
        "Runtimes call it repeatedly.",
        |bench| {
            let attached = bench.attach()?;
            bench.changes_nothing(&[&attached.container], bench.after(Command::Check, &attached))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "check/later-route",
        CHECK,
        "CHECK succeeds after another plugin has added a route to the container.",
        "A later plugin of the chain may change what this one made.",
        |bench| {
            use cni_skel::net::Route;

            let attached = bench.attach()?;
            let (net, link) = link_of(&attached)?;
            let Ok(dst) = "203.0.113.0/24".parse() else { return not_run("no route") };
            net.add_route(&Route::new(dst).link(link.index)).or_else(|why| not_run(describe(&why)))?;
            bench.call(bench.after(Command::Check, &attached))?.succeeded()
        },
    )
    .in_namespace()
    .of(&[Kind::Interface, Kind::Chained])
    .since(SINCE),
    Check::new(
        Should,
        "check/no-result",
        CHECK,
        "CHECK without `prevResult` is an error.",
        "A runtime must send it. Without it there is nothing to compare with, so a success would be wrong.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("checking lo needs no result");
            }
            let attached = bench.attach()?;
            bench.call(bench.about(Command::Check, &attached.container))?.failed().map(drop)
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SINCE),
    Check::new(
        Must,
        "check/link-gone",
        CHECK,
        "CHECK is an error if the container's interface is gone.",
        "The plugin made it, and it is in prevResult.",
        |bench| {
            broken(bench, |net, attached| {
                let Ok((_, link)) = link_of(attached) else { return Ok(false) };
                net.delete_link(link.index).map(|()| true)
            })
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SINCE),
    Check::new(
        Must,
        "check/host-interface-gone",
        CHECK,
        "CHECK is an error if an interface of the result on the host is gone.",
        "The container has no connection without it, and it is in prevResult.",
        |bench| {
            let host = &bench.world()?.net;
            broken(bench, |_, attached| {
                let interfaces = attached.result["interfaces"].as_array().cloned().unwrap_or_default();
                let is_host = |of: &&Value| of["sandbox"].as_str().is_none_or(str::is_empty);
                for interface in interfaces.iter().filter(is_host) {
                    if let Some(link) = host.find_link(interface["name"].as_str().unwrap_or_default())? {
                        return host.delete_link(link.index).map(|()| true);
                    }
                }
                Ok(false)
            })
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SINCE),
    Check::new(
        Must,
        "check/address-gone",
        CHECK,
        "CHECK is an error if an address of the result is gone.",
        "The plugin added it, and it is in prevResult.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("the kernel adds the addresses of lo");
            }
            broken(bench, |net, attached| {
                let Ok((_, link)) = link_of(attached) else { return Ok(false) };
                let there = net.addresses(Some(link.index))?;
                let of_result = addresses(attached, &attached.container.ifname);
                match there.iter().find(|address| of_result.contains(&address.address)) {
                    Some(address) => net.delete_address(address).map(|()| true),
                    None => Ok(false),
                }
            })
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SINCE),
    Check::new(
        Must,
        "check/route-gone",
        CHECK,
        "CHECK is an error if a route of the result is gone.",
        "The plugin added it, and it is in prevResult.",
        |bench| {
            broken(bench, |net, attached| {
                let dst = |route: &Value| route["dst"].as_str()?.parse::<ipnet::IpNet>().ok();
                let of_result: Vec<_> =
                    attached.result["routes"].as_array().into_iter().flatten().filter_map(dst).collect();
                match net.routes(None)?.iter().find(|route| of_result.contains(&route.dst)) {
                    Some(route) => net.delete_route(route).map(|()| true),
                    None => Ok(false),
                }
            })
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SINCE),
    Check::new(
        Should,
        "check/link-down",
        CHECK,
        "CHECK is an error if the container's interface is down.",
        "A plugin that knows why the container cannot be reached should report it.",
        |bench| {
            broken(bench, |net, attached| {
                let Ok((_, link)) = link_of(attached) else { return Ok(false) };
                net.set_down(link.index).map(|()| true)
            })
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SINCE),
    Check::new(
        Should,
        "check/undone-by-hand",
        CHECK,
        "CHECK of a chained plugin is an error if what its ADD did has been reverted: routes, addresses, MTU and \
         hardware address in the container, rules of nftables on the host.",
        "CHECK must report missing rules and settings too, although they are not in the result.",
        undone_by_hand,
    )
    .in_namespace()
    .of(&[Kind::Chained])
    .since(SINCE),
];

/// What a chained plugin may have changed.
struct Settings {
    routes: Vec<Route>,
    addresses: Vec<Address>,
    link: Link,
    rules: Vec<Rule>,
}

impl Settings {
    fn of(bench: &Bench<'_>, container: &Container) -> Result<Self, Ending> {
        let inside = || {
            let net = container.netns.net()?;
            let link = net.link(&container.ifname)?;
            Ok((net.routes(None)?, net.addresses(Some(link.index))?, link, rules(bench)?))
        };
        let (routes, addresses, link, rules) = inside().or_else(|why: NetError| not_run(describe(&why)))?;
        Ok(Self { routes, addresses, link, rules })
    }

    /// Reverts what was added since. Returns whether there was anything.
    fn take_back(&self, now: &Self, net: &Net) -> Result<bool, NetError> {
        let index = self.link.index;
        let mut count = 0;
        let mut undo = |outcome: Result<(), NetError>| outcome.map(|()| count += 1);
        for route in now.routes.iter().filter(|route| !self.routes.contains(route)) {
            undo(net.delete_route(route))?;
        }
        for address in now.addresses.iter().filter(|address| !self.addresses.contains(address)) {
            undo(net.delete_address(address))?;
        }
        if now.link.mtu != self.link.mtu {
            undo(net.set_mtu(index, self.link.mtu))?;
        }
        if let Some(mac) = self.link.mac.as_ref().filter(|mac| now.link.mac.as_ref() != Some(mac)) {
            undo(net.set_mac(index, mac))?;
        }
        let is_new = |rule: &&Rule| !self.rules.iter().any(|of| of.does_the_same(rule));
        let new: Vec<_> = now.rules.iter().filter(is_new).collect();
        if !new.is_empty() {
            let nft = Nft::open()?;
            undo(new.into_iter().fold(nft.batch(), |batch, rule| batch.delete_rule(rule)).send())?;
        }
        Ok(count > 0)
    }
}

/// The rules on the host, if there is a host.
fn rules(bench: &Bench<'_>) -> Result<Vec<Rule>, NetError> {
    let mut rules = Vec::new();
    let Ok(nft) = Nft::open() else { return Ok(rules) };
    if bench.world.is_none() {
        return Ok(rules);
    }
    for family in Family::ALL.iter().copied() {
        for table in nft.tables(family)? {
            for chain in nft.chains(&table)? {
                rules.extend(nft.rules(&chain)?);
            }
        }
    }
    Ok(rules)
}

fn undone_by_hand(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let container = bench.container()?;
    let request = bench.add_request(&container)?;
    let before = Settings::of(bench, &container)?;
    let result = bench.call(request)?.result()?;
    let attached = Attached { container, result };
    let after = Settings::of(bench, &attached.container)?;
    let net = attached.container.netns.net().or_else(|why| not_run(describe(&why)))?;
    match before.take_back(&after, &net) {
        Ok(true) => bench.call(bench.after(Command::Check, &attached))?.failed().map(drop),
        Ok(false) => not_run("it changes nothing that the suite can revert"),
        Err(why) => not_run(describe(&why)),
    }
}

/// Attaches a container, breaks something in it, and expects CHECK to fail.
fn broken(bench: &Bench<'_>, damage: impl FnOnce(&Net, &Attached) -> Result<bool, NetError>) -> Outcome {
    let attached = bench.attach()?;
    let net = attached.container.netns.net().or_else(|why| not_run(describe(&why)))?;
    match damage(&net, &attached) {
        Ok(true) => bench.call(bench.after(Command::Check, &attached))?.failed().map(drop),
        Ok(false) => not_run("the result has nothing of that kind"),
        Err(why) => not_run(describe(&why)),
    }
}
