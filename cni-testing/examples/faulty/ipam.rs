//! The faulty plugin as an IPAM plugin. A reserved address is a file that contains its owner.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use cni_skel::types::{AddResult, IpConfig};
use serde_json::Value;

use crate::has;
use crate::input::Call;
use crate::reply::{Reply, nothing};

const POOL: std::ops::Range<u8> = 2..48;

/// The folder for the plugin's state.
pub(crate) fn state() -> PathBuf {
    PathBuf::from("/var/lib/cni/faulty")
}

pub(crate) fn answer(call: &Call) -> Result<String, Reply> {
    let folder = state().join(&call.network);
    fs::create_dir_all(&folder).map_err(|why| call.fails(5, why.to_string()))?;
    let lock = File::create(folder.join("lock")).map_err(|why| call.fails(5, why.to_string()))?;
    if has("load/parallel-add") {
        lock.try_lock().map_err(|_| call.fails(11, "the state is locked"))?;
    } else if !has("load/parallel-unique") {
        lock.lock().map_err(|why| call.fails(5, why.to_string()))?;
    }
    let owner = format!("{} {}", call.id, call.ifname);
    match call.command.as_str() {
        "ADD" => {
            let address = allocate(call, &folder, &owner)?;
            let mut result = AddResult::default();
            let mut ip = IpConfig::new(format!("10.98.7.{address}/24").parse().unwrap());
            if has("ipam/result") {
                ip = ip.interface(0);
                result.push_interface(cni_skel::types::Interface::new(&call.ifname));
            }
            result.ips.push(ip);
            Ok(result.encode(call.spec()).unwrap())
        }
        "DEL" => {
            if has("ipam/needs-no-netns") && !call.is_netns_there() {
                return Err(call.fails(4, "CNI_NETNS is gone"));
            }
            for (address, of) in taken(&folder) {
                if of == owner {
                    let _ = give_back(&folder, &address);
                }
            }
            Ok(nothing("del/silent"))
        }
        "CHECK" => {
            let is_there = taken(&folder).iter().any(|(_, of)| *of == owner);
            if is_there || has("ipam/check-unknown") {
                Ok(nothing("check/silent"))
            } else {
                Err(call.fails(100, "no address"))
            }
        }
        "GC" => {
            let Some(valid) = crate::interface::valid(call) else { return Ok(String::new()) };
            let lost = taken(&folder).into_iter().filter(|(_, of)| !valid.contains(of));
            let failed: Vec<_> = lost.filter_map(|(address, _)| give_back(&folder, &address).err()).collect();
            match failed.first() {
                Some(why) => Err(call.fails(5, why.to_string())),
                None => Ok(nothing("gc/succeeds")),
            }
        }
        _ => {
            if taken(&folder).len() >= POOL.len() && !has("ipam/exhausted-status") {
                return Err(call.fails(50, "no address is free"));
            }
            Ok(nothing("status/silent"))
        }
    }
}

fn allocate(call: &Call, folder: &std::path::Path, owner: &str) -> Result<u8, Reply> {
    let there = taken(folder);
    if there.iter().any(|(_, of)| of == owner) && !has("ipam/same-attachment") {
        return Err(call.fails(100, "the attachment has an address already"));
    }
    let is_free = |address: &u8| !there.iter().any(|(name, _)| *name == address.to_string());
    let free = if has("ipam/unique") { Some(2) } else { POOL.clone().find(is_free) };
    let Some(address) = free else {
        return Err(if has("ipam/exhausted") {
            Reply::raw("", 1)
        } else {
            call.fails(11, "no address is free")
        });
    };
    // Long enough for a second call to start, even on a slow machine.
    if has("load/parallel-unique") || has("load/parallel-add") {
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::write(folder.join(address.to_string()), owner).map_err(|why| call.fails(5, why.to_string()))?;
    Ok(address)
}

fn give_back(folder: &std::path::Path, address: &str) -> std::io::Result<()> {
    if has("ipam/gives-back") {
        fs::write(folder.join(address), "nobody")
    } else {
        fs::remove_file(folder.join(address))
    }
}

fn taken(folder: &std::path::Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    let files = files.filter(|(name, _)| name != "lock");
    files.filter_map(|(name, path)| Some((name, fs::read_to_string(path).ok()?))).collect()
}

/// Returns the list at a key of the configuration as owners.
pub(crate) fn owners(list: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = list.as_array().into_iter().flatten();
    list.map(|of| format!("{} {}", text(&of["containerID"]), text(&of["ifname"]))).collect()
}
