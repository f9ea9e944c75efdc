//! CHECK.

use cni_skel::net::{Net, NetError};
use cni_skel::types::{Command, SpecVersion};
use serde_json::Value;

use super::section::CHECK;
use super::truth::{addresses, link_of};
use crate::conformance::bench::{Attached, Bench};
use crate::conformance::check::Level::{Must, Should};
use crate::conformance::check::{Check, Kind, Outcome, fail, not_run};
use crate::conformance::world::told;

const SINCE: SpecVersion = SpecVersion::V0_4_0;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "check/after-add",
        CHECK,
        "CHECK right after ADD succeeds, ten times over.",
        "CHECK may come as soon as ADD has answered.",
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
        "It has no result.",
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
        "CHECK changes nothing on the host and in the container.",
        "It is a question, asked again and again.",
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
        "CHECK succeeds where another plugin has added a route to the container since.",
        "A later plugin of the chain may have changed what this one made, and that is no fault.",
        |bench| {
            use cni_skel::net::Route;

            let attached = bench.attach()?;
            let (net, link) = link_of(&attached)?;
            let Ok(dst) = "203.0.113.0/24".parse() else { return not_run("no route") };
            net.add_route(&Route::new(dst).link(link.index)).or_else(|why| not_run(told(&why)))?;
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
        "A runtime must send it, and without it there is nothing to compare with. A success would say that all is well.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("what there is to check of lo needs no result");
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
        "CHECK is an error where the container's interface is gone.",
        "It is in prevResult, and the plugin has made it.",
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
        "check/address-gone",
        CHECK,
        "CHECK is an error where an address of the result is gone.",
        "It is in prevResult, and the plugin has put it there.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("the kernel puts the addresses on lo");
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
        "CHECK is an error where a route of the result is gone.",
        "It is in prevResult, and the plugin has made it.",
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
        "CHECK is an error where the container's interface is down.",
        "A plugin that knows of a reason why the container cannot be reached should tell it.",
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
];

/// Attaches a container, breaks something in it, and expects CHECK to see it.
fn broken(bench: &Bench<'_>, damage: impl FnOnce(&Net, &Attached) -> Result<bool, NetError>) -> Outcome {
    let attached = bench.attach()?;
    let net = attached.container.netns.net().or_else(|why| not_run(told(&why)))?;
    match damage(&net, &attached) {
        Ok(true) => bench.call(bench.after(Command::Check, &attached))?.failed().map(drop),
        Ok(false) => not_run("there is nothing of that sort in the result"),
        Err(why) => not_run(told(&why)),
    }
}
