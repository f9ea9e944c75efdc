//! Whether the result of ADD is true.

use std::net::IpAddr;

use cni_skel::net::{Link, Net};
use cni_skel::types::SpecVersion;
use ipnet::IpNet;
use serde_json::Value;

use super::add::own_interface;
use super::section::RESULT;
use crate::conformance::bench::{Attached, Bench};
use crate::conformance::check::Check;
use crate::conformance::ending::{Ending, fail, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::Must;
use crate::scene::describe;

const KINDS: &[Kind] = &[Kind::Interface];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "truth/interface",
        RESULT,
        "After ADD the container has the interface, and it is up.",
        "That is the purpose of ADD.",
        |bench| {
            let attached = bench.attach()?;
            let link = link_of(&attached)?.1;
            if link.flags.is_up() { Ok(()) } else { fail(format!("{} is down", link.name)) }
        },
    )
    .in_namespace()
    .of(KINDS),
    Check::new(
        Must,
        "truth/mac",
        RESULT,
        "`mac` of each interface in the result is correct.",
        "Runtimes pass it to virtual machines, and chained plugins filter by it.",
        |bench| {
            let attached = bench.attach()?;
            for (interface, link) in interfaces(bench, &attached)? {
                let found = link.mac.as_ref().map(ToString::to_string).unwrap_or_default();
                let said = interface["mac"].as_str().unwrap_or_default();
                if !said.is_empty() && !said.eq_ignore_ascii_case(&found) {
                    return fail(format!(
                        "mac of {} is {said} in the result, but {found} in the kernel",
                        link.name
                    ));
                }
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "truth/host-interfaces",
        RESULT,
        "Each interface of the result exists: in the container if it has `sandbox`, else on the host.",
        "Chained plugins add rules and limits to them.",
        |bench| {
            let attached = bench.attach()?;
            let count = attached.result["interfaces"].as_array().map_or(0, Vec::len);
            if interfaces(bench, &attached)?.len() == count {
                return Ok(());
            }
            let listed = &attached.result["interfaces"];
            fail(format!("some of these do not exist: {listed}"))
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "truth/mtu",
        RESULT,
        "`mtu` of each interface in the result is correct.",
        "Programs in the container may rely on it.",
        |bench| {
            let attached = bench.attach()?;
            for (interface, link) in interfaces(bench, &attached)? {
                if interface["mtu"].as_u64().is_some_and(|mtu| mtu != u64::from(link.mtu)) {
                    return fail(format!("mtu of {} is {}, not {}", link.name, link.mtu, interface["mtu"]));
                }
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V1_1_0),
    Check::new(
        Must,
        "truth/addresses",
        RESULT,
        "The addresses of the result are on the container's interface.",
        "A runtime publishes them in the cluster.",
        |bench| {
            let attached = bench.attach()?;
            let (net, link) = link_of(&attached)?;
            let there = net.addresses(Some(link.index)).or_else(|why| not_run(describe(&why)))?;
            for address in addresses(&attached, &link.name) {
                if !there.iter().any(|of| of.address == address) {
                    return fail(format!("{address} is not on {}", link.name));
                }
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "truth/routes",
        RESULT,
        "The routes of the result are in the container.",
        "The result lists the routes of this attachment.",
        |bench| {
            let attached = bench.attach()?;
            let (net, _) = link_of(&attached)?;
            let there = net.routes(None).or_else(|why| not_run(describe(&why)))?;
            for route in attached.result["routes"].as_array().into_iter().flatten() {
                let Some(dst) = route["dst"].as_str().and_then(|dst| dst.parse::<IpNet>().ok()) else {
                    return fail(format!("dst of {route} is not a network"));
                };
                let gateway = route["gw"].as_str().and_then(|gw| gw.parse::<IpAddr>().ok());
                let is_it = |of: &cni_skel::net::Route| {
                    of.dst.trunc() == dst.trunc() && gateway.is_none_or(|gateway| of.gateway == Some(gateway))
                };
                if !there.iter().any(is_it) {
                    return fail(format!("route {route} does not exist"));
                }
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
];

pub(super) fn link_of(attached: &Attached) -> Result<(Net, Link), Ending> {
    let container = &attached.container;
    let net = container.netns.net().or_else(|why| not_run(describe(&why)))?;
    match net.find_link(&container.ifname) {
        Ok(Some(link)) => Ok((net, link)),
        Ok(None) => fail(format!("{} does not exist in the container", container.ifname)),
        Err(why) => not_run(describe(&why)),
    }
}

/// The addresses of the result that are on this interface.
pub(super) fn addresses(attached: &Attached, ifname: &str) -> Vec<IpNet> {
    let interfaces = attached.result["interfaces"].as_array().cloned().unwrap_or_default();
    let is_here = |ip: &&Value| match ip["interface"].as_u64() {
        Some(index) => interfaces.get(index as usize).is_some_and(|of| of["name"] == *ifname),
        None => true,
    };
    let ips = attached.result["ips"].as_array().into_iter().flatten().filter(is_here);
    ips.filter_map(|ip| ip["address"].as_str()?.parse().ok()).collect()
}

/// The interfaces of the result that exist, with the kernel's attributes.
fn interfaces(bench: &Bench<'_>, attached: &Attached) -> Result<Vec<(Value, Link)>, Ending> {
    let inner = attached.container.netns.net().or_else(|why| not_run(describe(&why)))?;
    let outer = &bench.world()?.net;
    let own = own_interface(&attached.result, &attached.container.ifname);
    let mut found = Vec::new();
    for interface in attached.result["interfaces"].as_array().into_iter().flatten() {
        let name = interface["name"].as_str().unwrap_or_default();
        let is_inside =
            Some(interface) == own || !interface["sandbox"].as_str().unwrap_or_default().is_empty();
        let net = if is_inside { &inner } else { outer };
        if let Some(link) = net.find_link(name).or_else(|why| not_run(describe(&why)))? {
            found.push((interface.clone(), link));
        }
    }
    Ok(found)
}
