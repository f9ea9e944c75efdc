//! The floor of the benchmark: a program that is linked like our plugins and does only the work itself. Its input is in its
//! arguments. It has no configuration, no JSON and no undo, and panics at an error.
//!
//! It sends the same requests to the kernel as the plugins. Where a plugin starts an IPAM plugin, it starts itself. It enters
//! the container's namespace with its only thread, which a library must not do with the thread of its caller.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]
#![allow(clippy::print_stdout, reason = "the output is not from a plugin")]

use std::env;
use std::io::Read;
use std::net::Ipv4Addr;

mod bridge;
mod host_local;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["version"] => {
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            println!("{}", VERSIONS);
        }
        ["host-local-add", dir, address, id] => host_local::add(dir, address.parse().unwrap(), id),
        ["host-local-del", dir, address] => host_local::del(dir, address.parse().unwrap()),
        ["bridge-add", netns, dir, address, id, kind] => {
            bridge::add(arguments[0], netns, dir, address, id, bridge::Kind::of(kind));
        }
        ["bridge-del", dir, address, id, kind] => {
            bridge::del(arguments[0], dir, address, id, bridge::Kind::of(kind));
        }
        _ => panic!("unknown job: {arguments:?}"),
    }
}

/// The reply to VERSION.
const VERSIONS: &str = r#"{
    "cniVersion": "1.1.0",
    "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
}"#;

/// The gateway of all networks.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
