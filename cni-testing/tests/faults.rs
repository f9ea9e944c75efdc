//! Faults find what a plugin does wrong, and nothing in one that does well.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::path::PathBuf;

use cni_skel::files::{self, StateFile};
use cni_skel::net::Bridge;
use cni_skel::types::{AddResult, IpConfig};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Errors, NoConfig, Plugin, Result, Sysctl};
use cni_testing::{Call, FakeNetwork, faults, json};
use serde::Deserialize;

/// What a plugin does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// It does not say how to undo what it makes.
    NoUndo,
    /// DEL says that it is done whatever happens.
    DelIsDone,
    /// DEL wants to find what it deletes.
    DelOnlyOnce,
    /// It panics where there is no memory, and has not said how to undo.
    Panics,
    /// It does not call its IPAM plugin's DEL.
    NoIpamDel,
    /// It does not say how to undo a setting in the container.
    KeepsSetting,
}

/// Makes a bridge for each container, and asks an IPAM plugin for an address.
struct Flawed(Flaw);

impl Plugin for Flawed {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let result = req.ipam()?.add()?;
        let net = req.net()?;
        let bridge = net.add_bridge(&Bridge::new(format!("br-{}", req.container_id)))?.index;
        if self.0 == Flaw::Panics {
            net.set_up(bridge).unwrap();
        }
        if self.0 != Flaw::NoUndo {
            let net = net.clone();
            req.on_failure("delete the bridge", move || net.delete_link(bridge));
        }
        let netns = req.netns.clone();
        if self.0 != Flaw::KeepsSetting {
            req.on_failure("set it back", move || netns.run(|| set_arp_notify("0"))?.map(drop));
        }
        req.netns.run(|| set_arp_notify("1"))??;
        net.set_up(bridge)?;
        Ok(result)
    }

    fn del(&self, req: &DelRequest) -> Result<()> {
        let mut errors = Errors::new();
        if let Some(net) = errors.attempt(req.net()) {
            let name = format!("br-{}", req.container_id);
            if let Some(found) = errors.attempt(net.find_link(&name)) {
                match found {
                    Some(link) => drop(errors.attempt(net.delete_link(link.index))),
                    None if self.0 == Flaw::DelOnlyOnce => drop(errors.attempt(net.link(&name))),
                    None => {}
                }
            }
        }
        if self.0 != Flaw::NoIpamDel
            && let Some(ipam) = errors.attempt(req.ipam())
        {
            errors.attempt(ipam.del());
        }
        if self.0 == Flaw::DelIsDone { Ok(()) } else { errors.finish() }
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

fn set_arp_notify(value: &str) -> std::io::Result<bool> {
    Sysctl::ipv4("lo", "arp_notify")?.write(value)
}

/// Keeps one address in one file.
struct OneAddress;

#[derive(Deserialize)]
struct Config {
    folder: PathBuf,
}

impl Plugin for OneAddress {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let file = req.config.folder.join(req.container_id.as_str());
        StateFile::create_new(&file, 0o600)?;
        req.on_failure("release the address", move || files::remove_file(file));
        let mut result = AddResult::default();
        result.ips.push(IpConfig::new("10.1.0.2/24".parse().unwrap()));
        Ok(result)
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        Ok(files::remove_file(req.config()?.folder.join(req.container_id.as_str()))?)
    }

    fn check(&self, _: &CheckRequest<Config>) -> Result<()> {
        Ok(())
    }
}

#[track_caller]
fn try_out(flaw: Flaw) -> faults::Report {
    let plugin = Flawed(flaw);
    let world = || (FakeNetwork::new(), tempfile::tempdir().unwrap());
    faults::assert_clean_failure(world, |(network, folder), command| {
        Call::new(command, &plugin)
            .network(network)
            .state(folder.path())
            .config(json!({"type": "flawed", "folder": folder.path(), "ipam": {"type": "one-address"}}))
            .delegate_plugin("one-address", OneAddress)
    })
}

#[test]
fn a_plugin_that_does_well_passes_with_each_of_its_operations_failed() {
    let report = try_out(Flaw::None);
    assert!(report.injected > 30, "{report}");
    assert!(report.to_string().contains("ADD with one fault: 8"), "{report}");
    assert_eq!(report.survived, 0, "{report}");
}

#[test]
#[should_panic(expected = "+ container: sysctl ipv4/conf/lo/arp_notify = 1")]
fn a_setting_that_is_not_undone_is_found() {
    try_out(Flaw::KeepsSetting);
}

#[test]
#[should_panic(expected = "a failed ADD has not been undone\n+ host: bridge br-c1")]
fn what_is_not_undone_is_found() {
    try_out(Flaw::NoUndo);
}

#[test]
#[should_panic(expected = "after a DEL that succeeded the world is not as it was\n+ host: bridge br-c1")]
fn a_del_that_says_that_it_is_done_and_is_not_is_found() {
    try_out(Flaw::DelIsDone);
}

#[test]
#[should_panic(expected = "and then DEL fails")]
fn a_del_that_fails_without_anything_to_delete_is_found() {
    try_out(Flaw::DelOnlyOnce);
}

#[test]
#[should_panic(expected = "a failed ADD has not been undone\n+ host: bridge br-c1")]
fn what_a_panic_leaves_is_found() {
    try_out(Flaw::Panics);
}

#[test]
#[should_panic(expected = "each container leaves something behind\n+ file second")]
fn an_ipam_plugin_that_gets_no_del_is_found() {
    try_out(Flaw::NoIpamDel);
}
