//! What iproute2 says, and who reaches whom.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use cni_testing::TestNetns;
use serde_json::Value;

/// Runs a program in a namespace, and gives what it says.
#[track_caller]
pub(crate) fn run(netns: &TestNetns, command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap();
    let output = netns.run(|| Command::new(program).args(words).output().unwrap()).unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The VLANs of a port: `100 PVID Egress Untagged`.
#[track_caller]
pub(crate) fn vlans(host: &TestNetns, port: &str) -> BTreeSet<String> {
    let said: Value = serde_json::from_str(&run(host, &format!("bridge -j vlan show dev {port}"))).unwrap();
    let none = Vec::new();
    let vlans = said[0]["vlans"].as_array().unwrap_or(&none).iter().map(|vlan| {
        let flags = vlan["flags"].as_array().unwrap_or(&none).iter().filter_map(Value::as_str);
        [vlan["vlan"].to_string()].into_iter().chain(flags.map(str::to_owned)).collect::<Vec<_>>().join(" ")
    });
    vlans.collect()
}

/// Whether an address answers. Nothing listens there, so the answer is a refusal; and where there is no answer to the
/// question whose the address is, the kernel gives up by itself.
#[track_caller]
pub(crate) fn reaches(from: &TestNetns, to: &str) -> bool {
    let to: IpAddr = to.parse().unwrap();
    // The kernel tells itself through it.
    run(from, "ip link set lo up");
    let connected = from.run(|| TcpStream::connect(SocketAddr::new(to, 9))).unwrap();
    match connected.map_err(|error| error.kind()) {
        Err(ErrorKind::ConnectionRefused) => true,
        Err(ErrorKind::HostUnreachable) => false,
        other => panic!("{other:?}"),
    }
}
