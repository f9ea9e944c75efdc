//! A veth pair between host and container: a plugin with a configuration, IPAM and an error of its own.
use cni_skel::net::{Address, Veth};
use cni_skel::types::{AddResult, ErrorCode, Interface, IpConfig};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Errors, Plugin, Result};

fn main() -> std::process::ExitCode {
    cni_skel::run(Pair)
}

struct Pair;

#[derive(serde::Deserialize)]
#[rustfmt::skip]
struct Config { host: String }

#[rustfmt::skip]
impl Plugin for Pair {
    type Config = Config;
    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let mut result = req.ipam()?.add()?; // gets a DEL should anything below fail
        let address = result.ips.first().ok_or_else(|| Error::new(ErrorCode::new(100), "IPAM gave no address"))?.address;
        let name = req.host_ifname(&req.config.host)?;
        let pair = req.net()?.add_veth(&Veth::new(name, req.ifname.as_str()).up(), &req.netns)?;
        req.on_failure("delete the veth pair", move || pair.delete());
        let inside = req.netns.net()?;
        let link = inside.link(&req.ifname)?.index;
        inside.batch().add_address(&Address::new(link, address)).set_up(link).send()?;
        result.ips[0].interface = Some(result.push_interface(Interface::new(req.ifname.as_str()).sandbox(&req.netns)));
        Ok(result)
    }
    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        let mut errors = Errors::new(); // goes on after a failure, and reports all
        let name = req.host_ifname(&req.config()?.host)?;
        errors.attempt(req.net().and_then(|net| Ok(net.find_link(&name)?.map_or(Ok(()), |link| net.delete_link_if_exists(link.index))?)));
        errors.attempt(req.ipam_if_any().and_then(|ipam| ipam.map_or(Ok(()), |ipam| ipam.del())));
        errors.finish()
    }
    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        let inside = req.netns.net()?;
        let there = inside.addresses(Some(inside.link(&req.ifname)?.index))?;
        let is_there = |ip: &IpConfig| ip.interface != Some(0) || there.iter().any(|of| of.address == ip.address);
        if !req.prev_result()?.ips.iter().all(is_there) { return Err(Error::new(ErrorCode::new(101), "an address is gone")) }
        req.ipam()?.check()
    }
}
