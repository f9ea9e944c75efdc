//! A plugin that the configuration names as its own delegate: an IPAM plugin always is, in `ipam.type`.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cni_skel::types::{AddResult, ErrorCode, ErrorObject, PluginName};
use cni_skel::{
    AddRequest, CheckRequest, Child, DelRequest, Env, Execution, Host, Invocation, Netns, NoConfig, Output,
    Plugin, Result, dispatch,
};

/// A plugin with the defaults for STATUS and GC.
struct Selfish;

impl Plugin for Selfish {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        req.ipam()?.add()
    }

    fn del(&self, req: &DelRequest) -> Result<()> {
        req.ipam()?.del()
    }

    fn check(&self, req: &CheckRequest) -> Result<()> {
        req.ipam()?.check()
    }
}

/// A machine on which the program that runs is called `selfish`.
#[derive(Debug)]
struct Machine;

impl Host for Machine {
    fn find_plugin(&self, name: &PluginName, _: &[PathBuf]) -> Result<PathBuf> {
        Ok(PathBuf::from(name.as_str()))
    }

    fn is_this_program(&self, name: &PluginName) -> bool {
        name.as_str() == "selfish"
    }

    fn start(&self, execution: &Execution<'_>) -> io::Result<Box<dyn Child>> {
        assert_ne!(execution.program, Path::new("selfish"), "it was called again, and would be for ever");
        Ok(Box::new(Output::new(false, "exit status: 1", r#"{"code": 123, "msg": "called"}"#)))
    }

    fn open_netns(&self, _: &Path) -> io::Result<Netns> {
        Netns::own()
    }

    fn is_own_netns(&self, _: &Netns) -> io::Result<bool> {
        Ok(false)
    }

    #[cfg(feature = "net")]
    fn net(&self) -> Result<cni_skel::net::Net> {
        unreachable!("nothing here touches a network")
    }
}

fn call(command: &str, ipam: &str) -> (u8, String) {
    let env = Env::new()
        .with("CNI_COMMAND", command)
        .with("CNI_CONTAINERID", "c1")
        .with("CNI_IFNAME", "eth0")
        .with("CNI_NETNS", "/fake")
        .with("CNI_PATH", "/fake");
    let stdin = format!(
        r#"{{"cniVersion": "1.1.0", "name": "lan", "type": "bridge", "ipam": {{"type": "{ipam}"}}}}"#
    );
    let mut stdout = Vec::new();
    let reply = dispatch(&Selfish, Invocation::new(env, stdin), Arc::new(Machine));
    (reply.deliver(&mut stdout).unwrap(), String::from_utf8(stdout).unwrap())
}

#[test]
fn an_ipam_plugin_does_not_call_status_and_gc_of_itself() {
    for command in ["STATUS", "GC"] {
        assert_eq!(call(command, "selfish"), (0, String::new()), "{command}");
        let (code, stdout) = call(command, "other");
        assert_eq!((code, ErrorObject::decode(&stdout).unwrap().code.get()), (1, 123), "{command}");
    }
}

#[test]
fn a_plugin_cannot_delegate_to_itself() {
    for command in ["ADD", "DEL", "CHECK"] {
        let (code, stdout) = call(command, "selfish");
        let error = ErrorObject::decode(&stdout).unwrap();
        assert_eq!((code, error.code), (1, ErrorCode::INVALID_NETWORK_CONFIG), "{command}: {stdout}");
        assert_eq!(error.msg, "plugin \"selfish\" cannot delegate to itself");
    }
}
