//! A veth pair between host and container: a plugin with a configuration, IPAM and an error of its own.
use std::process::ExitCode;

use cni_skel::net::{Address, Veth};
use cni_skel::types::{AddResult, ErrorCode, IfName, Interface};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Errors, Plugin, Result};

fn main() -> ExitCode {
    cni_skel::run(Pair)
}

struct Pair;

#[derive(serde::Deserialize)]
struct Config {
    host: IfName,
}

#[rustfmt::skip]
impl Plugin for Pair {
    type Config = Config;
    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let mut result = req.ipam()?.add()?; // gets a DEL should anything below fail
        let ip = result.ips.iter_mut().find(|ip| ip.address.addr().is_ipv4());
        let ip = ip.ok_or_else(|| Error::new(ErrorCode::new(100), "the IPAM plugin gave no IPv4 address"))?;
        let veth = Veth::new(req.config.host.as_str(), req.ifname.as_str()).up();
        let pair = req.net()?.add_veth(&veth, &req.netns)?;
        req.on_failure("delete the veth pair", move || Ok(pair.delete()?));
        let inside = req.netns.net()?;
        let link = inside.link(req.ifname.as_str())?.index;
        inside.batch().add_address(&Address::new(link, ip.address)).set_up(link).send()?;
        ip.interface = Some(0);
        result.push_interface(Interface::new(req.ifname.as_str()).sandbox(&req.netns));
        Ok(result)
    }
    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        let mut errors = Errors::new(); // goes on after a failure, and reports all
        let host = req.net()?;
        let link = errors.attempt(host.find_link(req.config.host.as_str())).flatten();
        link.map(|link| errors.attempt(host.delete_link(link.index)));
        errors.attempt(req.ipam().and_then(|ipam| ipam.del()));
        errors.finish()
    }
    fn check(&self, req: &CheckRequest<Config>) -> Result<()> { req.ipam()?.check() }
}
