//! Maps ports of the host to containers.
//!
//! A chained plugin: it reads the container's addresses from the result of the plugins before it, and returns that result
//! unchanged. The mappings are in `runtimeConfig.portMappings`. If there are none, the plugin does nothing.
//!
//! Modules: `config`, the network configuration, with `conditions`; `ports`, the mappings of each address; `owner`, the attachment
//! and its names in the kernel; `plan`, what to add and to remove; `rules` and `maps`, two layouts of nftables, with `made`, what
//! they share; `iptables`; `flows`, connection tracking; `localnet`, routing from the host's loopback address.

mod conditions;
mod config;
mod flows;
mod iptables;
mod localnet;
mod made;
mod maps;
mod owner;
mod plan;
mod ports;
mod rules;

use std::net::IpAddr;

use cni_skel::iptables::Iptables;
use cni_skel::net::NetError;
use cni_skel::nft::Nft;
use cni_skel::types::{AddResult, ErrorCode, PortMapping};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Error, Errors, GcRequest, Netns, Plugin, Result, StatusRequest,
    warn,
};

pub use config::Config;
use config::{Backend, Settings};
use owner::Owner;
use plan::{Unwanted, Wanted};
use ports::Ports;

/// The plugin.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to it")]
pub struct Portmap;

impl Plugin for Portmap {
    type Config = Config;

    const ABOUT: &'static str = concat!("CNI portmap plugin ", env!("CARGO_PKG_VERSION"));
    const SCHEMA: Option<&'static str> = Some(include_str!("../schema.json"));

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let settings = req.config.settings()?;
        let mappings = req.port_mappings()?;
        let missing = "missing prevResult: portmap must come after a plugin that adds the interface";
        let result = req.prev_result()?.ok_or_else(|| Error::invalid_config(missing))?;
        let ports = if mappings.is_empty() { Vec::new() } else { Ports::of(result, &req.ifname, &mappings) };
        if !ports.is_empty() {
            let owner = Owner::new(req.network(), &req.container_id, &req.ifname);
            map(req, &Wanted { owner: &owner, settings: &settings, ports: &ports }, &mappings)?;
        }
        Ok(result.clone())
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        // DEL must not fail because of mappings that do not decode. No ADD has mapped them.
        let mappings: Option<Vec<PortMapping>> = req.runtime_config("portMappings").unwrap_or_default();
        if mappings.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let owner = Owner::new(req.network(), &req.container_id, &req.ifname);
        let nets = req.prev_result().ok().flatten().map(|result| ports::container_nets(result, &req.ifname));
        let addresses = nets.into_iter().flatten().map(|net| net.addr()).collect();
        let unwanted = Unwanted { owner: &owner, addresses, mappings: mappings.as_deref() };
        unmap(Iptables::of(req), &unwanted, req.netns.as_ref())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        let settings = req.config.settings()?;
        let mappings = req.port_mappings()?;
        let result = req.prev_result()?;
        if mappings.is_empty() {
            return Ok(());
        }
        let ports = Ports::of(result, &req.ifname, &mappings);
        let owner = Owner::new(req.network(), &req.container_id, &req.ifname);
        let wanted = Wanted { owner: &owner, settings: &settings, ports: &ports };
        let iptables = Iptables::of(req);
        let lacking = missing(&iptables, &wanted, &mappings, backend(&iptables, &settings))?;
        // Other programs may have been installed at the time of the ADD.
        let elsewhere = match (lacking.is_empty(), settings.backend, backend(&iptables, &settings)) {
            (false, None, Backend::Iptables) => Some(Backend::Nftables),
            (false, None, _) => Some(Backend::Iptables),
            _ => None,
        };
        let is_elsewhere =
            |elsewhere| missing(&iptables, &wanted, &mappings, elsewhere).is_ok_and(|m| m.is_empty());
        if lacking.is_empty() || elsewhere.is_some_and(is_elsewhere) {
            return Ok(());
        }
        let mut errors = Errors::new();
        lacking.into_iter().for_each(|msg| errors.push(Error::new(ErrorCode::INTERNAL, msg)));
        errors.finish()
    }

    fn status(&self, req: &StatusRequest<Config>) -> Result<()> {
        let settings = req.config.settings().map_err(|error| error.with_code(ErrorCode::NOT_AVAILABLE))?;
        let iptables = Iptables::of(req);
        let nftables = || Nft::open().and_then(|nft| nft.generation()).map(drop).map_err(Error::from);
        let (name, usable) = match backend(&iptables, &settings) {
            Backend::Iptables => ("iptables", iptables::probe(&iptables)),
            _ => ("nftables", nftables()),
        };
        let usable = usable.or_else(|error| match settings.backend {
            None => nftables().map_err(|_| error),
            Some(_) => Err(error),
        });
        usable.map_err(|error| {
            let not_available = Error::new(ErrorCode::NOT_AVAILABLE, format!("{name} cannot be used"));
            not_available.with_source(error)
        })
    }

    fn gc(&self, req: &GcRequest<Config>) -> Result<()> {
        let Some(valid) = &req.valid_attachments else { return Ok(()) };
        let network = req.network();
        let valid: Vec<_> = valid.iter().map(|attachment| Owner::of(network, attachment)).collect();
        let mut errors = Errors::new();
        let (iptables, nft) = by_one_handle(Iptables::of(req), &mut errors);
        errors.attempt(iptables::collect(&iptables, network, &valid));
        if let Some(nft) = nft {
            errors.attempt(nft.transaction::<NetError>(|batch| {
                let batch = rules::collect(&nft, batch, network, &valid)?;
                maps::collect(&nft, batch, network, &valid)
            }));
        }
        errors.finish()
    }
}

/// Returns the configured backend, or else the one that is installed: iptables first, as in the reference plugin.
fn backend(iptables: &Iptables, settings: &Settings) -> Backend {
    settings
        .backend
        .unwrap_or_else(|| if iptables.is_installed() { Backend::Iptables } else { Backend::Nftables })
}

fn missing(
    iptables: &Iptables,
    wanted: &Wanted<'_>,
    mappings: &[PortMapping],
    backend: Backend,
) -> Result<Vec<String>> {
    Ok(match backend {
        Backend::Nftables => rules::missing(&Nft::open()?, wanted)?,
        Backend::NftablesMaps => maps::missing(&Nft::open()?, wanted)?,
        Backend::Iptables => iptables::missing(iptables, wanted, mappings)?,
    })
}

fn map(req: &AddRequest<Config>, wanted: &Wanted<'_>, mappings: &[PortMapping]) -> Result<()> {
    let iptables = Iptables::of(req);
    let nft = match backend(&iptables, wanted.settings) {
        Backend::Iptables => match map_by_iptables(req, &iptables, wanted, mappings) {
            Ok(()) => None,
            // The program may be installed and not work with this kernel. If it is only busy, it works.
            Err(error) if wanted.settings.backend.is_none() && error.code() != ErrorCode::TRY_AGAIN_LATER => {
                warn!(req.log(), "iptables failed, using nftables instead: {error}");
                Some(map_by_nftables(req, Backend::Nftables, wanted, mappings).map_err(|_| error)?)
            }
            Err(error) => return Err(error),
        },
        backend => Some(map_by_nftables(req, backend, wanted, mappings)?),
    };
    let host = req.net()?;
    localnet::enable(&host, wanted.settings, wanted.ports)?;
    // The ports are mapped by now. A failure here is not an error, because old flows time out.
    if flows::has_udp(mappings) {
        let deleted = nft.map_or_else(Nft::open, Ok);
        let deleted = deleted.and_then(|nft| flows::delete_to_mapped(&nft, &host, wanted.ports));
        if let Err(error) = deleted {
            let error = Error::from(error);
            warn!(req.log(), "cannot delete old flows to mapped ports: {error}: {:?}", error.details());
        }
    }
    Ok(())
}

fn map_by_iptables(
    req: &AddRequest<Config>,
    iptables: &Iptables,
    wanted: &Wanted<'_>,
    mappings: &[PortMapping],
) -> Result<()> {
    let (undo, owner, netns) = (iptables.clone(), wanted.owner.clone(), req.netns.clone());
    let addresses: Vec<_> = wanted.ports.iter().map(Ports::address).collect();
    req.on_failure("remove the port mappings", move || {
        let unwanted = Unwanted { owner: &owner, addresses, mappings: Some(&[]) };
        iptables::remove(&undo, &unwanted, Some(&netns), &mut Vec::new())
    });
    iptables::add(iptables, wanted, mappings, &req.netns)
}

fn map_by_nftables(
    req: &AddRequest<Config>,
    backend: Backend,
    wanted: &Wanted<'_>,
    mappings: &[PortMapping],
) -> Result<Nft> {
    let nft = Nft::open()?;
    let (undo, owner) = (nft.clone(), wanted.owner.clone());
    req.on_failure("remove the port mappings", move || {
        let unwanted = Unwanted { owner: &owner, addresses: Vec::new(), mappings: None };
        undo.transaction::<NetError>(|batch| {
            let mut freed = Vec::new();
            let batch = rules::remove_known(&undo, batch, &owner, false, &mut freed)?;
            maps::remove(&undo, batch, &unwanted, false, &mut freed)
        })
    });
    let earlier = Unwanted { owner: wanted.owner, addresses: Vec::new(), mappings: Some(mappings) };
    nft.transaction::<NetError>(|batch| {
        let mut freed = Vec::new();
        let batch = rules::remove_known(&nft, batch, wanted.owner, backend == Backend::Nftables, &mut freed)?;
        let has_maps = backend == Backend::NftablesMaps;
        let batch = maps::remove(&nft, batch, &earlier, has_maps, &mut freed)?;
        if has_maps { maps::add(&nft, batch, wanted) } else { rules::add(&nft, batch, wanted) }
    })?;
    Ok(nft)
}

/// Gives both backends one handle. Closing a handle waits until the kernel has freed what was deleted.
fn by_one_handle(iptables: Iptables, errors: &mut Errors) -> (Iptables, Option<Nft>) {
    let nft = errors.attempt(Nft::open_if_supported()).flatten();
    (nft.iter().fold(iptables, |iptables, nft| iptables.over(nft)), nft)
}

/// Removes everything of an attachment, with every backend.
fn unmap(iptables: Iptables, unwanted: &Unwanted<'_>, netns: Option<&Netns>) -> Result<()> {
    let mut errors = Errors::new();
    // If the runtime passes no mappings, only what is found counts.
    let mut freed: Vec<IpAddr> = unwanted.mappings.map_or_else(Vec::new, |_| unwanted.addresses.clone());
    let (iptables, nft) = by_one_handle(iptables, &mut errors);
    errors.attempt(iptables::remove(&iptables, unwanted, netns, &mut freed));
    let Some(nft) = &nft else { return errors.finish() };
    errors.attempt(nft.transaction::<NetError>(|batch| {
        // Without mappings, only an attachment in the map is looked for.
        let batch = match unwanted.mappings {
            Some(_) => rules::remove(nft, batch, unwanted, &mut freed)?,
            None => rules::remove_known(nft, batch, unwanted.owner, false, &mut freed)?,
        };
        maps::remove(nft, batch, unwanted, false, &mut freed)
    }));
    if unwanted.mappings.is_none_or(flows::has_udp) {
        match flows::delete_to_freed(nft, unwanted, &freed) {
            Err(error) if !error.is_unsupported() => errors.push(error),
            _ => {}
        }
    }
    errors.finish()
}
