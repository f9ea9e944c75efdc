//! The floor of the benchmark: what a program that is linked as our plugins are needs for the same work with nothing
//! around it. Everything is an argument: no configuration, no JSON, no undoing, and what goes wrong is a panic.
//!
//! It makes the same objects in the kernel by the same requests, and where the plugin starts an IPAM plugin it starts
//! itself. It enters the container's namespace with its only thread, which a library must not do to its caller.
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
        _ => panic!("no such job: {arguments:?}"),
    }
}

/// What VERSION answers.
const VERSIONS: &str = r#"{
    "cniVersion": "1.1.0",
    "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
}"#;

/// The gateway of all networks here.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
