//! Connects containers to a bridge on the host.
//!
//! ADD makes the bridge if it is not there, and a veth pair with one end on the bridge and the other in the container; the
//! IPAM plugin, which works beside that, gives the addresses. The bridge, its gateway address and IP forwarding belong to
//! the network: they stay when the last container goes.
//!
//! Modules: `config`, what an administrator writes; `names`, what the host's end of an attachment is called; `network`, the
//! bridge; `vlan`, the VLANs of a port; `gateway`, the gateway of a VLAN; `container`, the container's end; `spoof`, what
//! keeps it from sending in another's name; `masquerade`, what makes it reach the world outside; `check`, the comparison of
//! all that with a result.

mod check;
mod config;
mod container;
mod gateway;
mod masquerade;
mod names;
mod network;
mod spoof;
mod vlan;

use std::time::Duration;

use cni_skel::net::{Link, Net, NetError, Veth};
use cni_skel::types::{AddResult, Dns, ErrorCode, Interface, MacAddr};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Delegate, Error, Errors, GcRequest, Plugin, Result, StatusRequest,
    Sysctl,
};

pub use config::Config;
use container::Inside;
use names::HostEnd;
use network::Network;
use vlan::PortVlans;

/// How long a new port may take until packets pass it.
const PORT_DEADLINE: Duration = Duration::from_secs(3);
/// What is to be done about an end that a killed or forgotten attachment left.
const TAKEN_OUTSIDE: &str = "the host's end of this attachment is still there, DEL it first";
/// How often an ADD begins anew because the bridge was taken away under its feet.
const ATTEMPTS: usize = 3;

/// The plugin.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to it")]
pub struct Bridge;

impl Plugin for Bridge {
    type Config = Config;

    const ABOUT: &'static str = concat!("CNI bridge plugin ", env!("CARGO_PKG_VERSION"));
    const SCHEMA: Option<&'static str> = Some(include_str!("../schema.json"));

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let config = &req.config;
        config.validate(req)?;
        let before = req.prev_result()?.cloned();
        let mac = req.ethernet_mac()?;
        let ipam = req.ipam_if_any()?;
        let (host, inside) = (req.net()?, req.netns.net()?);
        refuse_what_is_there(req, &host, &inside)?;
        // It works beside all that needs no address: its process and the kernel's work on links take as long.
        let pending = ipam.as_ref().map(Delegate::start_add).transpose()?;
        let (network, port) = attach(req, &host, mac.as_ref())?;
        let inside = Inside::find(req, inside)?;
        if pending.is_some() {
            inside.expect_addresses(req)?;
        }
        // Before it is up, so that nothing gets past it.
        if let Some(mac) = inside.link.mac.as_ref().filter(|_| config.macspoofchk) {
            spoof::add(req, &port.name, mac)?;
        }

        let mut result = match (ipam, pending) {
            (Some(ipam), Some(pending)) => with_ips(pending.finish()?, ipam.name().as_str())?,
            _ => AddResult::default(),
        };
        describe(req, &mut result, &network, &port)?;
        tell(&mut result.interfaces[container::INDEX], &inside.link);
        if config.ip_masq {
            masquerade::add(req, &result)?;
        }
        inside.configure(req, &result)?;
        if let Some(gateway) = network.serve_gateways(req, &result, port.index)? {
            let mut interface = Interface::new(&gateway.name);
            tell(&mut interface, &gateway);
            result.interfaces.push(interface);
        }
        if !config.disable_container_interface {
            host.wait_until_up(port.index, PORT_DEADLINE)?;
        }
        // The gateway's address may have changed it.
        tell(&mut result.interfaces[0], &host.link_by_index(network.bridge.index)?);
        // In a chain the result is what the plugins before made, and this.
        let mut all = before.unwrap_or_default();
        all.append(result);
        Ok(all)
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        let mut errors = Errors::new();
        // The handles are kept for as long as the link is deleted: the kernel's waits for all of them are then one.
        // A configuration that does not decode any more must not block DEL: all that ADD may have made is looked for.
        let config = req.config();
        let may_have = |has: fn(&Config) -> bool| config.as_ref().map_or(true, |config| has(config));
        let masquerade = may_have(|config| config.ip_masq).then(|| masquerade::del(req, &mut errors));
        let spoof = may_have(|config| config.macspoofchk).then(|| errors.attempt(spoof::del(req)));
        if let Some(host) = errors.attempt(req.net()) {
            errors.attempt(detach(req, &host));
        }
        drop((masquerade, spoof));
        // Only now can nobody send from the address any more, so only now may another have it.
        if let Some(Some(ipam)) = errors.attempt(req.ipam_if_any()) {
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
        let not_available = |error: Error| Error::new(ErrorCode::NOT_AVAILABLE, error.msg());
        req.config.validate(req)?;
        network::find(&req.net()?, &req.config).map_err(not_available)?;
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
            let host = req.net()?;
            for link in host.links()? {
                let stale =
                    names::attachment_of(&link, req.network()).is_some_and(|found| !valid.contains(&found));
                if stale {
                    errors.attempt(host.delete_link_if_exists(link.index));
                }
            }
        }
        errors.attempt(req.gc_of_ipam());
        errors.finish()
    }
}

/// Looks whether the attachment, or something in its place, is there already, and whether the bridge will do: before the
/// IPAM plugin is asked, because the DEL that follows a failed ADD takes the addresses of whoever has the attachment.
fn refuse_what_is_there(req: &AddRequest<Config>, host: &Net, inside: &Net) -> Result<()> {
    network::find(host, &req.config)?;
    if inside.find_link(&req.ifname)?.is_some() {
        return Err(taken_inside(req));
    }
    let end = HostEnd::of(req.network(), &req.container_id, &req.ifname);
    match host.find_link(&end.name)? {
        Some(_) => Err(Error::new(ErrorCode::INTERNAL, format!("interface {} already exists", end.name))
            .context(TAKEN_OUTSIDE)),
        None => Ok(()),
    }
}

/// Makes the veth pair, with one end on the bridge, which is made if it is not there.
fn attach(req: &AddRequest<Config>, host: &Net, mac: Option<&MacAddr>) -> Result<(Network, Link)> {
    let config = &req.config;
    let end = HostEnd::of(req.network(), &req.container_id, &req.ifname);
    for attempt in 1.. {
        let network = Network::ensure(req, host.clone())?;
        let mut veth = Veth::new(&end.name, req.ifname.as_str()).master(network.bridge.index);
        veth.alias.clone_from(&end.alias);
        veth.hairpin = config.hairpin_mode.then_some(true);
        veth.isolated = config.port_isolation.then_some(true);
        veth.peer_mac = mac.cloned();
        if let Some(mtu) = config.mtu() {
            veth = veth.mtu(mtu);
        }
        let pair = match host.add_veth(&veth, &req.netns) {
            Ok(pair) => pair,
            // Another ADD has made the bridge, failed, and taken it away again.
            Err(_) if attempt < ATTEMPTS && host.link_by_index(network.bridge.index).is_err() => continue,
            Err(error) if error.is_exists() => return Err(taken(req, error)),
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
    Err(Error::new(ErrorCode::TRY_AGAIN_LATER, format!("bridge {} keeps going away", config.bridge)))
}

/// The kernel does not say which of the two names is taken. Neither was a moment ago.
fn taken(req: &AddRequest<Config>, error: NetError) -> Error {
    match req.netns.net().and_then(|net| net.find_link(&req.ifname)) {
        Ok(Some(_)) => taken_inside(req),
        _ => Error::from(error).context(TAKEN_OUTSIDE),
    }
}

/// An interface that is there already is the caller's mistake, and stays as it is.
fn taken_inside(req: &AddRequest<Config>) -> Error {
    let (ifname, netns) = (&req.ifname, req.netns.path().display());
    let msg = format!("invalid CNI_IFNAME: interface {ifname} already exists in {netns}");
    Error::new(ErrorCode::INVALID_ENVIRONMENT, msg)
}

/// Router advertisements from a container must not configure the host (CVE-2020-10749), so this comes before the link is
/// up, and is no option.
fn ignore_router_advertisements(ifname: &str) -> Result<()> {
    let accept_ra = Sysctl::ipv6(ifname, "accept_ra")?;
    if accept_ra.read()?.is_some_and(|value| value != "0") {
        accept_ra.write("0")?;
    }
    Ok(())
}

fn with_ips(result: AddResult, ipam: &str) -> Result<AddResult> {
    if result.ips.is_empty() {
        return Err(Error::new(ErrorCode::INTERNAL, format!("IPAM plugin \"{ipam}\" gave no IP address")));
    }
    Ok(result)
}

/// Makes the IPAM plugin's result this plugin's: its interfaces, the addresses on the container's, the gateways.
fn describe(req: &AddRequest<Config>, result: &mut AddResult, network: &Network, port: &Link) -> Result<()> {
    let mut host_end = Interface::new(&port.name);
    tell(&mut host_end, port);
    let container = Interface::new(req.ifname.as_str()).sandbox(&req.netns);
    result.interfaces = vec![Interface::new(&network.bridge.name), host_end, container];
    for ip in &mut result.ips {
        ip.interface = Some(container::INDEX);
        if req.config.is_gateway() && ip.gateway.is_none() {
            ip.gateway = Some(network::first_address(ip.address)?);
        }
    }
    if req.config.is_default_gateway {
        network::add_default_routes(result)?;
    }
    if req.config.dns != Dns::default() {
        result.dns = req.config.dns.clone();
    }
    Ok(())
}

/// Tells of a link in the result what the version that the runtime speaks has a key for.
fn tell(interface: &mut Interface, link: &Link) {
    interface.mac = link.mac.as_ref().map(ToString::to_string);
    interface.mtu = Some(link.mtu);
}

/// Deletes the pair by whichever end is known, so that it works without the namespace and for the reference plugin's
/// attachments too.
fn detach(req: &DelRequest<Config>, host: &Net) -> Result<()> {
    let end = HostEnd::of(req.network(), &req.container_id, &req.ifname);
    if let Some(link) = host.find_link(&end.name)?.filter(|link| end.is(link)) {
        return Ok(host.delete_link_if_exists(link.index)?);
    }
    if let Some(netns) = &req.netns {
        let inside = netns.net()?;
        let link = inside.find_link(&req.ifname)?.filter(|link| link.kind.as_deref() == Some("veth"));
        return Ok(link.map_or(Ok(()), |link| inside.delete_link_if_exists(link.index))?);
    }
    // A result that does not decode names no interface; DEL does not need it and must not fail over it.
    let Ok(Some(prev_result)) = req.prev_result() else { return Ok(()) };
    for interface in prev_result.interfaces.iter().filter(|interface| interface.sandbox.is_none()) {
        let link = host.find_link(&interface.name)?.filter(|link| {
            let has_mac = link.mac.as_ref().map(ToString::to_string) == interface.mac;
            link.kind.as_deref() == Some("veth") && has_mac && interface.mac.is_some()
        });
        link.map_or(Ok(()), |link| host.delete_link_if_exists(link.index))?;
    }
    Ok(())
}
