//! The faulty plugin as an interface plugin: it creates a veth pair with an address and a route, and records that in a file.

mod add;
mod check;
mod del;
mod delegate;
mod result;
mod upkeep;

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use cni_skel::net::NetError;

pub(crate) use upkeep::valid;

use crate::input::Call;
use crate::ipam::state;
use crate::reply::Reply;

pub(crate) fn answer(call: &Call) -> Result<String, Reply> {
    match call.command.as_str() {
        "ADD" => add::add(call),
        "DEL" => del::del(call),
        "CHECK" => check::check(call),
        "GC" => upkeep::gc(call),
        _ => upkeep::status(call),
    }
}

fn refused(call: &Call, why: &NetError) -> Reply {
    call.fails(999, why.to_string())
}

/// Returns the recorded attachments of a network.
fn attachments(call: &Call) -> BTreeSet<(PathBuf, String)> {
    let entries = fs::read_dir(state().join(&call.network)).into_iter().flatten().flatten();
    let owner = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().replace('@', " ");
    entries.map(|entry| entry.path()).map(|path| (path.clone(), owner(&path))).collect()
}

fn file(call: &Call, ifname: &str) -> PathBuf {
    state().join(&call.network).join(format!("{}@{ifname}", call.id))
}

fn host_name(call: &Call, ifname: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (&call.network, &call.id, ifname).hash(&mut hasher);
    format!("f{:013x}", hasher.finish() >> 12)
}

fn copy(call: &Call) -> Call {
    Call {
        command: call.command.clone(),
        id: call.id.clone(),
        network: call.network.clone(),
        version: call.version.clone(),
        ..Call::default()
    }
}
