//! What the fuzz targets share: what must hold of any document, and a world in which nothing can be run.

use std::io;
use std::path::{Path, PathBuf};

use cni_skel::types::{AddResult, ErrorCode, PluginName, SpecVersion};
use cni_skel::{Env, Error, Execution, Host, Netns, Result, Child};

/// The versions that differ in the shape of their results.
pub const SHAPES: [SpecVersion; 3] = [SpecVersion::V0_2_0, SpecVersion::V0_4_0, SpecVersion::V1_1_0];

/// The environment of any call.
pub fn env(command: &str) -> Env {
    Env::new()
        .with("CNI_COMMAND", command)
        .with("CNI_CONTAINERID", "c1")
        .with("CNI_IFNAME", "eth0")
        .with("CNI_NETNS", "/fake/netns")
        .with("CNI_PATH", "/fake/bin")
}

/// Checks a document against all that must hold of a result, if it is one.
pub fn check_result(version: SpecVersion, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(result) = AddResult::decode(version, text) else { return };
    for &version in SpecVersion::ALL {
        check_conversion(&result, version);
    }
}

/// Checks that a result can be said in a version, but for its losses.
pub fn check_conversion(result: &AddResult, version: SpecVersion) {
    let Ok(json) = result.encode(version) else {
        assert!(version < SpecVersion::V0_3_0 && result.ips.is_empty());
        return;
    };
    let again = AddResult::decode(version, &json).expect("what is printed decodes");
    assert!(again.losses(version).is_empty(), "a loss remains: {:?}\n{json}", again.losses(version));
    if result.losses(version).is_empty() {
        assert_eq!(again, in_order(result.clone(), version), "a loss that is not told\n{json}");
    }
    assert_eq!(again.encode(version).as_deref(), Ok(json.as_str()), "printed otherwise the second time");
}

/// Before 0.3.0 the slot of IPv4 stands before that of IPv6, whatever the order was.
pub fn in_order(mut result: AddResult, version: SpecVersion) -> AddResult {
    if version < SpecVersion::V0_3_0 {
        result.ips.sort_by_key(|ip| ip.address.addr().to_canonical().is_ipv6());
        result.routes.sort_by_key(|route| route.dst.addr().to_canonical().is_ipv6());
    }
    result
}

/// A world with one namespace and no programs.
#[derive(Debug)]
pub struct Nowhere;

impl Host for Nowhere {
    fn find_plugin(&self, name: &PluginName, _: &[PathBuf]) -> Result<PathBuf> {
        Err(Error::new(ErrorCode::IO_FAILURE, format!("no plugin {name}")))
    }

    fn start(&self, _: &Execution<'_>) -> io::Result<Box<dyn Child>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn open_netns(&self, _: &Path) -> io::Result<Netns> {
        Netns::own()
    }

    fn is_own_netns(&self, _: &Netns) -> io::Result<bool> {
        Ok(false)
    }
}
