//! Leads ports of the host into containers.
//!
//! A chained plugin: it takes the container's addresses from the result of the plugins before it, and gives that result
//! back as it came. What the runtime asks for is in `runtimeConfig.portMappings`; where that is empty nothing is done, and
//! nothing is looked at.
//!
//! Modules: `config`, what an administrator writes, with `conditions`; `ports`, which ports lead where; `owner`, whose they
//! are; `plan`, what is to be there or not to be there any more; `rules` and `maps`, two layouts of nftables; `flows`, what
//! the kernel decided before; `localnet`, the way from the host's loopback address.

mod conditions;
mod config;
mod flows;
mod localnet;
mod maps;
mod owner;
mod plan;
mod ports;
mod rules;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cni_skel::net::NetError;
use cni_skel::nft::Nft;
use cni_skel::types::{AddResult, ErrorCode, PortMapping};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Error, Errors, GcRequest, Plugin, Result, StatusRequest, warn,
};

pub use config::Config;
use config::{Backend, Settings};
use maps::Replaced;
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
        let missing = "missing prevResult: portmap comes after a plugin that gives the container an address";
        let result = req.prev_result()?.ok_or_else(|| Error::invalid_config(missing))?;
        let ports = if mappings.is_empty() { Vec::new() } else { Ports::of(result, &req.ifname, &mappings) };
        if !ports.is_empty() {
            let owner = Owner::new(req.network(), &req.container_id, &req.ifname);
            map(req, &Wanted { owner: &owner, settings: &settings, ports: &ports }, &mappings)?;
        }
        Ok(result.clone())
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        // What does not decode was not mapped, or not by this plugin; and DEL must not fail over it.
        let mappings: Option<Vec<PortMapping>> = req.runtime_config("portMappings").unwrap_or_default();
        if mappings.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let owner = Owner::new(req.network(), &req.container_id, &req.ifname);
        let nets = req.prev_result().ok().flatten().map(|result| ports::container_nets(result, &req.ifname));
        let addresses = nets.into_iter().flatten().map(|net| net.addr()).collect();
        let unwanted = Unwanted { owner: &owner, addresses, mappings: mappings.as_deref() };
        let mut errors = Errors::new();
        errors.attempt(unmap(&unwanted));
        errors.finish()
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
        let nft = Nft::open()?;
        let missing = match backend(&settings)? {
            Backend::NftablesMaps => maps::missing(&nft, &wanted)?,
            _ => rules::missing(&nft, &wanted)?,
        };
        let mut errors = Errors::new();
        for msg in missing {
            errors.push(Error::new(ErrorCode::INTERNAL, msg));
        }
        errors.finish()
    }

    fn status(&self, req: &StatusRequest<Config>) -> Result<()> {
        let settings = req.config.settings()?;
        let usable = backend(&settings).and_then(|_| Ok(Nft::open()?.generation()?));
        let not_available = |error: Error| {
            let details = error.details().unwrap_or_default();
            Error::new(ErrorCode::NOT_AVAILABLE, format!("nftables cannot be used: {}", error.msg()))
                .with_details(details)
        };
        usable.map(|_| ()).map_err(not_available)
    }

    fn gc(&self, req: &GcRequest<Config>) -> Result<()> {
        let Some(valid) = &req.valid_attachments else { return Ok(()) };
        let network = req.network();
        let valid: Vec<_> = valid.iter().map(|attachment| Owner::of(network, attachment)).collect();
        let nft = Nft::open()?;
        nft.transaction::<NetError>(|batch| {
            let batch = rules::collect(&nft, batch, network, &valid)?;
            maps::collect(&nft, batch, network, &valid)
        })?;
        Ok(())
    }
}

/// The backend that is asked for, or else the one that is there.
fn backend(settings: &Settings) -> Result<Backend> {
    match settings.backend {
        Some(Backend::Iptables) => Err(Error::unsupported_field("backend", "iptables")),
        Some(backend) => Ok(backend),
        None => Ok(Backend::Nftables),
    }
}

fn map(req: &AddRequest<Config>, wanted: &Wanted<'_>, mappings: &[PortMapping]) -> Result<()> {
    let backend = backend(wanted.settings)?;
    let nft = Nft::open()?;
    let replaced = Arc::new(Mutex::new(Replaced::new()));
    let (undo, owner, taken) = (nft.clone(), wanted.owner.clone(), Arc::clone(&replaced));
    req.on_failure("take the mapped ports back", move || {
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let unwanted = Unwanted { owner: &owner, addresses: Vec::new(), mappings: None };
        undo.transaction::<NetError>(|batch| {
            let mut freed = Vec::new();
            let batch = rules::remove_known(&undo, batch, &owner, &mut freed)?;
            let batch = maps::remove(&undo, batch, &unwanted, &mut freed)?;
            maps::give_back(&undo, batch, &owner, &taken)
        })?;
        Ok(())
    });
    let earlier = Unwanted { owner: wanted.owner, addresses: Vec::new(), mappings: Some(mappings) };
    nft.transaction::<NetError>(|batch| {
        let mut freed = Vec::new();
        let batch = rules::remove_known(&nft, batch, wanted.owner, &mut freed)?;
        let batch = maps::remove(&nft, batch, &earlier, &mut freed)?;
        match backend {
            Backend::NftablesMaps => {
                let mut replaced = replaced.lock().unwrap_or_else(PoisonError::into_inner);
                maps::add(&nft, batch, wanted, &mut replaced)
            }
            _ => rules::add(&nft, batch, wanted),
        }
    })?;
    let host = req.net()?;
    localnet::enable(&host, wanted.settings, wanted.ports)?;
    // The ports lead to the container by now, and old flows end by themselves.
    if let Err(error) = flows::forget_before(&nft, &host, wanted.ports) {
        let details = Error::from(error);
        warn!(req.log(), "old flows to mapped ports stay: {details}: {:?}", details.details());
    }
    Ok(())
}

/// Removes all that an attachment has with any backend.
fn unmap(unwanted: &Unwanted<'_>) -> Result<()> {
    let mut errors = Errors::new();
    let mut freed: Vec<IpAddr> = unwanted.addresses.clone();
    let nft = match Nft::open() {
        Ok(nft) => nft,
        Err(error) if error.is_unsupported() => return errors.finish(),
        Err(error) => return Err(error.into()),
    };
    let removed = nft.transaction::<NetError>(|batch| {
        // What the runtime does not tell is looked for only where we know of the attachment.
        let batch = match unwanted.mappings {
            Some(_) => rules::remove(&nft, batch, unwanted, &mut freed)?,
            None => rules::remove_known(&nft, batch, unwanted.owner, &mut freed)?,
        };
        maps::remove(&nft, batch, unwanted, &mut freed)
    });
    // A kernel without nftables has nothing to remove.
    if removed.is_ok() || has_nftables(&nft) {
        errors.attempt(removed);
    }
    match flows::forget_after(&nft, unwanted, &freed) {
        Err(error) if !is_missing(&error) => errors.push(error),
        _ => {}
    }
    errors.finish()
}

fn has_nftables(nft: &Nft) -> bool {
    !nft.generation().is_err_and(|error| is_missing(&error))
}

/// Whether the kernel does not know what is spoken of. Netfilter calls the message of a part that is not there invalid.
fn is_missing(error: &NetError) -> bool {
    error.is_unsupported() || error.io_error().kind() == std::io::ErrorKind::InvalidInput
}
