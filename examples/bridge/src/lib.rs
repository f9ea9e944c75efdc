//! Connects containers to a bridge on the host.
//!
//! ADD makes the bridge if it does not exist, and a veth pair that connects the container to it. Meanwhile the IPAM plugin
//! assigns the addresses. The bridge, its gateway address and IP forwarding belong to the network and stay when the last
//! container is gone.
//!
//! Modules:
//!
//! - `config`: the network configuration
//! - `names`: the name and the alias of the host's end
//! - `network`: the bridge
//! - `vlan`: the VLANs of a port
//! - `gateway`: the gateway interface of a VLAN
//! - `container`: the container's interface
//! - `spoof`: the check of source hardware addresses
//! - `masquerade`: source NAT for packets that leave the network
//! - `check`: the comparison with a result

mod check;
mod config;
mod container;
mod gateway;
mod masquerade;
mod names;
mod network;
mod spoof;
mod vlan;

use std::mem;
use std::time::Duration;

use cni_skel::net::{Link, Net, NetError, Veth};
use cni_skel::types::{AddResult, Attachment, Dns, ErrorCode, Interface, MacAddr};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Delegate, Error, Errors, GcRequest, PendingAdd, Plugin, Result,
    StatusRequest, Sysctl,
};

pub use config::Config;
use container::{Inside, own_ips};
use names::HostEnd;
use network::Network;
use vlan::PortVlans;

/// How long ADD waits until the new port forwards packets.
const PORT_TIMEOUT: Duration = Duration::from_secs(3);
/// A killed ADD, or an ADD without a DEL, left the host's end.
const HOST_END_EXISTS: &str = "the host's end of this attachment still exists, delete it with DEL first";
/// The number of times that ADD looks for the bridge, if other programs delete it meanwhile.
const ATTEMPTS: usize = 3;

/// The plugin.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a unit struct has nothing to add to")]
pub struct Bridge;

impl Plugin for Bridge {
    type Config = Config;

    const ABOUT: &'static str = concat!("CNI bridge plugin ", env!("CARGO_PKG_VERSION"));
    const SCHEMA: Option<&'static str> = Some(include_str!("../schema.json"));

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let config = &req.config;
        config.validate(req)?;
        let prev_result = req.prev_result()?.cloned();
        let mac = req.ethernet_mac()?;
        let ipam = req.ipam_if_any()?;
        let (host, inside) = (req.net()?, req.netns.net()?);
        refuse_existing(req, &host, &inside)?;
        // The IPAM plugin runs while the links are made. Both take about as long.
        let pending = ipam.as_ref().map(Delegate::start_add).transpose()?;
        let (network, port) = attach(req, &host, mac.as_ref())?;
        let inside = Inside::find(req, inside)?;
        if pending.is_some() {
            inside.write_sysctls(req)?;
        }
        // The container's end is still down, so no packet escapes the check.
        if let Some(mac) = inside.link.mac.as_ref().filter(|_| config.macspoofchk) {
            spoof::add(req, &port.name, mac)?;
        }

        let mut result = pending.map_or_else(|| Ok(AddResult::default()), PendingAdd::finish)?;
        describe(req, &mut result, &network, &port)?;
        if let Some(ipam) = ipam.filter(|_| own_ips(&result, &req.ifname).next().is_none()) {
            let msg = format!("IPAM plugin \"{}\" returned no IP address for {}", ipam.name(), req.ifname);
            return Err(Error::new(ErrorCode::INTERNAL, msg));
        }
        describe_link(&mut result.interfaces[container::INDEX], &inside.link);
        if config.ip_masq {
            masquerade::add(req, &result)?;
        }
        inside.configure(req, &result)?;
        if let Some(gateway) = network.serve_gateways(req, &result, port.index)? {
            let mut interface = Interface::new(&gateway.name);
            describe_link(&mut interface, &gateway);
            result.interfaces.push(interface);
        }
        if !config.disable_container_interface {
            host.wait_until_up(port.index, PORT_TIMEOUT)?;
        }
        // The bridge's hardware address can have changed with its gateway address.
        describe_link(&mut result.interfaces[0], &host.link_by_index(network.bridge.index)?);
        // In a chain, the result of this plugin is added to that of the plugins before.
        let mut all = prev_result.unwrap_or_default();
        all.append(result);
        Ok(all)
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        let mut errors = Errors::new();
        // A configuration that has become invalid must not block DEL, so DEL then looks for all that ADD can have made.
        let config = req.config();
        let may_have = |has: fn(&Config) -> bool| config.as_ref().map_or(true, |config| has(config));
        // Closing an nftables socket waits for the kernel, as deleting a link does. The sockets are closed after that, so that
        // there is one wait for all.
        let masquerade = may_have(|config| config.ip_masq).then(|| masquerade::del(req, &mut errors));
        let spoof = may_have(|config| config.macspoofchk).then(|| errors.attempt(spoof::del(req)));
        let detached = errors.attempt(req.net().and_then(|host| detach(req, &host)));
        drop((masquerade, spoof));
        // While the link exists, the container can use the address, so no other container may get it.
        if detached.is_some()
            && let Some(Some(ipam)) = errors.attempt(req.ipam_if_any())
        {
            errors.attempt(ipam.del());
        }
        errors.finish()
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        req.config.validate(req)?;
        let prev_result = req.prev_result()?;
        let mut errors = Errors::new();
        if let Some(Some(ipam)) = errors.attempt(req.ipam_if_any()) {
            errors.attempt(ipam.check());
        }
        errors.attempt(check::compare(req, prev_result));
        errors.finish()
    }

    fn status(&self, req: &StatusRequest<Config>) -> Result<()> {
        let network = req.config.validate(req).and_then(|()| network::find(&req.net()?, &req.config));
        network.map_err(|error| error.with_code(ErrorCode::NOT_AVAILABLE))?;
        req.status_of_ipam()
    }

    fn gc(&self, req: &GcRequest<Config>) -> Result<()> {
        let mut errors = Errors::new();
        if let Some(valid) = &req.valid_attachments {
            let config = req.config();
            let may_have = |has: fn(&Config) -> bool| config.as_ref().map_or(true, |config| has(config));
            if may_have(|config| config.ip_masq) {
                masquerade::collect(req, valid, &mut errors);
            }
            if may_have(|config| config.macspoofchk) {
                errors.attempt(spoof::collect(req.network(), valid));
            }
            collect_links(req, valid, &mut errors);
        }
        errors.attempt(req.gc_of_ipam());
        errors.finish()
    }
}

/// Refuses an attachment that exists already, and a bridge that cannot be used. This comes before IPAM's ADD: the DEL that
/// follows a failed ADD would release the addresses of the existing attachment.
fn refuse_existing(req: &AddRequest<Config>, host: &Net, inside: &Net) -> Result<()> {
    network::find(host, &req.config)?;
    if inside.find_link(&req.ifname)?.is_some() {
        return Err(ifname_exists(req));
    }
    let end = HostEnd::of(req.network(), &req.container_id, &req.ifname);
    match host.find_link(&end.name)? {
        Some(_) => Err(Error::new(ErrorCode::INTERNAL, format!("interface {} already exists", end.name))
            .context(HOST_END_EXISTS)),
        None => Ok(()),
    }
}

/// Makes the veth pair and connects it to the bridge, which is made if it does not exist.
fn attach(req: &AddRequest<Config>, host: &Net, mac: Option<&MacAddr>) -> Result<(Network, Link)> {
    let config = &req.config;
    let end = HostEnd::of(req.network(), &req.container_id, &req.ifname);
    for _ in 0..ATTEMPTS {
        let Some(network) = Network::ensure(req, host.clone())? else { continue };
        let mut veth = Veth::new(&end.name, &req.ifname).master(network.bridge.index);
        veth.alias.clone_from(&end.alias);
        veth.hairpin = config.hairpin_mode.then_some(true);
        veth.isolated = config.port_isolation.then_some(true);
        veth.peer_mac = mac.cloned();
        if let Some(mtu) = config.mtu() {
            veth = veth.mtu(mtu);
        }
        let pair = match host.add_veth(&veth, &req.netns) {
            Ok(pair) => pair,
            Err(error) if error.is_exists() => return Err(name_exists(req, error)),
            // Another ADD made the bridge, failed, and deleted it again.
            Err(_) if network.is_gone() => continue,
            Err(error) => return Err(error.into()),
        };
        let port = pair.host.clone();
        req.on_failure("delete the veth pair", move || pair.delete());
        ignore_router_advertisements(&port.name)?;
        let mut batch = host.batch();
        if let Some(vlans) = PortVlans::of(config)? {
            batch = vlans.apply(batch, &network.bridge, port.index);
        }
        batch.set_up(port.index).send()?;
        return Ok((network, port));
    }
    let msg = format!("bridge {} was deleted {ATTEMPTS} times during this ADD, try again", config.bridge);
    Err(Error::new(ErrorCode::TRY_AGAIN_LATER, msg))
}

/// Finds out which of the two names exists, which the kernel does not say. Neither existed a moment ago.
fn name_exists(req: &AddRequest<Config>, error: NetError) -> Error {
    match req.netns.net().and_then(|net| net.find_link(&req.ifname)) {
        Ok(Some(_)) => ifname_exists(req),
        _ => Error::from(error).context(HOST_END_EXISTS),
    }
}

/// An existing interface is the caller's mistake, and is not changed.
fn ifname_exists(req: &AddRequest<Config>) -> Error {
    let (ifname, netns) = (&req.ifname, req.netns.path().display());
    let msg = format!("invalid CNI_IFNAME: interface {ifname} already exists in {netns}");
    Error::new(ErrorCode::INVALID_ENVIRONMENT, msg)
}

/// Turns off router advertisements. Those of a container must not configure the host (CVE-2020-10749), so this comes before
/// the link is up, and cannot be turned off.
fn ignore_router_advertisements(ifname: &str) -> Result<()> {
    let accept_ra = Sysctl::ipv6(ifname, "accept_ra")?;
    if accept_ra.read()?.is_some_and(|value| value != "0") {
        accept_ra.write("0")?;
    }
    Ok(())
}

/// Completes IPAM's result: adds the interfaces, puts the addresses on the container's interface, and adds gateways.
fn describe(req: &AddRequest<Config>, result: &mut AddResult, network: &Network, port: &Link) -> Result<()> {
    let mut host_end = Interface::new(&port.name);
    describe_link(&mut host_end, port);
    let container = Interface::new(&req.ifname).sandbox(&req.netns);
    let interfaces = vec![Interface::new(&network.bridge.name), host_end, container];
    let from_ipam = mem::replace(&mut result.interfaces, interfaces);
    for ip in &mut result.ips {
        let interface = ip.interface.and_then(|index| from_ipam.get(index));
        if let Some(other) = interface.filter(|interface| req.ifname != *interface.name) {
            let known = result.interfaces.iter().position(|interface| interface == other);
            ip.interface = known.or(Some(result.interfaces.len()));
            result.interfaces.extend(known.is_none().then(|| other.clone()));
            continue;
        }
        ip.interface = Some(container::INDEX);
        if req.config.is_gateway() && ip.gateway.is_none() {
            ip.gateway = Some(network::first_address(ip.address)?);
        }
    }
    if req.config.is_default_gateway {
        network::add_default_routes(result, &req.ifname)?;
    }
    if req.config.dns != Dns::default() {
        result.dns = req.config.dns.clone();
    }
    Ok(())
}

/// Copies hardware address and MTU of a link into the result.
fn describe_link(interface: &mut Interface, link: &Link) {
    interface.mac = link.mac.as_ref().map(ToString::to_string);
    interface.mtu = Some(link.mtu);
}

/// Deletes the veth pair by the end that can be found. The host's end is found without the namespace. The reference plugin
/// gives it a random name, so its attachments are found by the container's end or by the previous result.
fn detach(req: &DelRequest<Config>, host: &Net) -> Result<()> {
    let end = HostEnd::of(req.network(), &req.container_id, &req.ifname);
    if let Some(link) = host.find_link(&end.name)?.filter(|link| end.is(link)) {
        return Ok(host.delete_link_if_exists(link.index)?);
    }
    if let Some(netns) = &req.netns {
        let inside = netns.net()?;
        if let Some(link) = inside.find_link(&req.ifname)?.filter(is_veth) {
            // An attachment to another network can have an interface of the same name.
            let is_other = match link.peer.map(|port| host.link_by_index(port)) {
                Some(Ok(port)) => port.peer == Some(link.index) && names::is_host_end(&port),
                Some(Err(error)) if !error.is_not_found() => return Err(error.into()),
                _ => false,
            };
            if !is_other {
                return Ok(inside.delete_link_if_exists(link.index)?);
            }
        }
    }
    // DEL must not fail because of a previous result that is not valid.
    let Ok(Some(prev_result)) = req.prev_result() else { return Ok(()) };
    for interface in prev_result.interfaces.iter().filter(|interface| interface.sandbox.is_none()) {
        let has_mac = |link: &Link| {
            let mac = link.mac.as_ref().map(ToString::to_string);
            mac.is_some() && mac == interface.mac
        };
        let link = host.find_link(&interface.name)?;
        if let Some(link) = link.filter(|link| is_veth(link) && has_mac(link) && !names::is_host_end(link)) {
            host.delete_link_if_exists(link.index)?;
        }
    }
    Ok(())
}

fn is_veth(link: &Link) -> bool {
    link.kind.as_deref() == Some("veth")
}

/// Deletes the host's ends of attachments that are not valid any more.
fn collect_links(req: &GcRequest<Config>, valid: &[Attachment], errors: &mut Errors) {
    let Some(host) = errors.attempt(req.net()) else { return };
    for link in errors.attempt(host.links()).unwrap_or_default() {
        if names::attachment_of(&link, req.network()).is_some_and(|found| !valid.contains(&found)) {
            errors.attempt(host.delete_link_if_exists(link.index));
        }
    }
}
