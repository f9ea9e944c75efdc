//! The plugin: each method passes the values of its request to the module of the command.

use std::fs;

use cni_skel::types::{AddResult, Attachment, ContainerId, Dns, ErrorCode, IfName};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, GcRequest, Plugin, Result, StatusRequest};

use crate::config::{Config, PoolConfig};
use crate::reservation::Reservation;
use crate::{add, check, config, del, gc, reclaim, resolv, status};

/// The IPAM plugin `host-local`: allocates addresses from ranges, and keeps its state in files on this host.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a plugin without state of its own is made by its name")]
pub struct HostLocal;

impl Plugin for HostLocal {
    type Config = Config;

    const ABOUT: &'static str = concat!("CNI host-local plugin ", env!("CARGO_PKG_VERSION"));
    const SCHEMA: Option<&'static str> = Some(include_str!("../schema.json"));

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        // Everything is validated before the state is changed.
        let pool = PoolConfig::decode(req.plugin_config())?;
        let sets = pool.range_sets(req.cni_version())?;
        let requested = config::place(&req.all_requested_ips()?, &sets)?;
        let mut result = AddResult::default();
        result.dns = dns(&pool)?;
        result.routes = pool.routes().to_vec();

        let store = req.config.store(req.network());
        let attachment = attachment(&req.container_id, &req.ifname);
        let reservation = Reservation::prepare(&store, &attachment, sets.len(), pool.fsync())?;
        let locked = store.lock_or_create()?;
        if pool.reclaim_after_reboot() {
            reclaim::reclaim(&locked)?;
        }
        let allocation = add::allocate(&locked, &attachment, &reservation, &sets, &requested)?;
        drop(locked);
        result.ips = allocation.ips();
        req.on_failure("release the addresses", move || allocation.undo(&store));
        Ok(result)
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        del::release(&req.config()?.store(req.network()), &attachment(&req.container_id, &req.ifname))
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        let sets = PoolConfig::decode(req.plugin_config())?.range_sets(req.cni_version())?;
        let previous = req.prev_result()?.ips.iter().map(|ip| ip.address.addr());
        let attachment = attachment(&req.container_id, &req.ifname);
        check::check(&req.config.store(req.network()), &attachment, &sets, previous)
    }

    fn status(&self, req: &StatusRequest<Config>) -> Result<()> {
        let ready = || {
            let pool = PoolConfig::decode(req.plugin_config())?;
            let sets = pool.range_sets_so_far(req.plugin_config(), req.cni_version())?;
            status::ready(&req.config.store(req.network()), &sets, pool.reclaim_after_reboot())
        };
        ready().map_err(|error: Error| error.with_code(ErrorCode::NOT_AVAILABLE))
    }

    fn gc(&self, req: &GcRequest<Config>) -> Result<()> {
        // Without a list of valid attachments, none is known to be gone.
        let Some(valid) = &req.valid_attachments else { return Ok(()) };
        gc::collect(&req.config()?.store(req.network()), valid)
    }
}

fn attachment(container_id: &ContainerId, ifname: &IfName) -> Attachment {
    Attachment::new(container_id.clone(), ifname.clone())
}

/// Reads the DNS settings from the configured file.
fn dns(config: &PoolConfig) -> Result<Dns> {
    let Some(path) = config.resolv_conf() else { return Ok(Dns::default()) };
    let contents = fs::read(path)
        .map_err(|cause| Error::io(format!("cannot read ipam.resolvConf {}", path.display()), cause))?;
    Ok(resolv::parse(&String::from_utf8_lossy(&contents)))
}
