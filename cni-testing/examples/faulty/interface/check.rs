//! CHECK.

use cni_skel::Netns;
use cni_skel::net::Net;

use super::delegate::delegate;
use super::{host_name, refused};
use crate::input::Call;
use crate::reply::{Reply, nothing};
use crate::{has, leave};

pub(super) fn check(call: &Call) -> Result<String, Reply> {
    if has("check/changes-nothing") {
        leave("check");
    }
    let Some(prev) = call.prev()? else {
        return if has("check/no-result") {
            Ok(String::new())
        } else {
            Err(call.fails(7, "prevResult is missing"))
        };
    };
    if has("check/after-add") {
        return Err(call.fails(100, "CHECK failed"));
    }
    let host = Net::open().map_err(|why| refused(call, &why))?;
    let outer = host.find_link(host_name(call, &call.ifname)).map_err(|why| refused(call, &why))?;
    if outer.is_none() && has("check/host-interface-gone") {
        return Ok(String::new());
    }
    let netns = Netns::open(call.netns.as_deref().unwrap_or_default());
    let net = netns.ok().and_then(|netns| netns.net().ok()).ok_or_else(|| call.fails(4, "CNI_NETNS"))?;
    let Some(link) = net.find_link(&call.ifname).map_err(|why| refused(call, &why))? else {
        return if has("check/link-gone") {
            Ok(String::new())
        } else {
            Err(call.fails(100, "the link is gone"))
        };
    };
    let addresses = net.addresses(Some(link.index)).map_err(|why| refused(call, &why))?;
    let routes = net.routes(None).map_err(|why| refused(call, &why))?;
    let has_address = |ip: &cni_skel::types::IpConfig| addresses.iter().any(|of| of.address == ip.address);
    let has_route = |route: &cni_skel::types::Route| routes.iter().any(|of| of.dst == route.dst);
    // The routes are also missing if the link is down or has no addresses.
    let is_down = !link.flags.is_up();
    let is_bare = has("check/address-gone") && !addresses.iter().any(|of| of.address.addr().is_ipv4());
    for (fault, is_so) in [
        ("check/link-down", is_down),
        ("check/address-gone", !prev.ips.iter().all(has_address)),
        ("check/route-gone", !is_down && !is_bare && !prev.routes.iter().all(has_route)),
    ] {
        if is_so && !has(fault) {
            return Err(call.fails(100, fault));
        }
    }
    if has("check/later-route") && routes.iter().any(|of| of.dst.to_string() == "203.0.113.0/24") {
        return Err(call.fails(100, "unexpected route"));
    }
    if !has("delegation/check") {
        delegate(call, "CHECK")?;
    }
    Ok(nothing("check/silent"))
}
