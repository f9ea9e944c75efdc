//! GC and STATUS.

use std::fs;
use std::time::Duration;

use cni_skel::net::Net;
use serde_json::Value;

use super::del::remove;
use super::delegate::delegate;
use super::{attachments, copy, refused};
use crate::input::Call;
use crate::ipam::{owners, state};
use crate::reply::{Reply, nothing};
use crate::{has, leave};

/// Returns the owners that must stay, or `None` if nothing must be collected.
pub(crate) fn valid(call: &Call) -> Option<Vec<String>> {
    let old = &call.config["cni.dev/attachments"];
    let list = match call.config.get("cni.dev/valid-attachments") {
        Some(list) => Some(list),
        None if has("gc/older-key") || old.is_null() => None,
        None => Some(old),
    };
    let valid = match list {
        Some(list) => owners(list),
        None if has("gc/without-list") => Vec::new(),
        None => return None,
    };
    if has("gc/keeps-valid") && valid.len() > 1 { Some(Vec::new()) } else { Some(valid) }
}

pub(super) fn gc(call: &Call) -> Result<String, Reply> {
    if has("gc/empty-list") && call.config.get("cni.dev/valid-attachments") == Some(&Value::Null) {
        return Err(call.fails(7, "null"));
    }
    if has("delegation/gc-goes-on") {
        delegate(call, "GC")?;
    }
    let host = Net::open().map_err(|why| refused(call, &why))?;
    let mut stuck = None;
    let marker = state().join("gc/lock");
    if let Some(mut valid) = valid(call) {
        if has("gc/twice") {
            if marker.exists() {
                valid.clear();
            }
            fs::create_dir_all(marker.parent().unwrap()).unwrap();
            fs::write(&marker, "").unwrap();
        }
        let mut folders = vec![call.network.clone()];
        if has("gc/only-its-network") {
            folders.push("lan".to_owned());
        }
        for network in folders {
            let of = Call { network, ..copy(call) };
            for (path, owner) in attachments(&of) {
                let is_lazy = has("gc/collects") && call.text.contains("cni.dev/valid-attachments");
                if !valid.contains(&owner) && !is_lazy {
                    let (id, ifname) = owner.split_once(' ').unwrap_or_default();
                    remove(&Call { id: id.to_owned(), ..copy(&of) }, &host, ifname);
                    match fs::remove_file(&path) {
                        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                            stuck = Some(call.fails(5, format!("{}: {why}", path.display())));
                        }
                        _ => {}
                    }
                    if has("gc/goes-on")
                        && let Some(stuck) = stuck
                    {
                        return Err(stuck);
                    }
                }
            }
        }
    }
    let delegated = delegate(call, "GC");
    if !has("delegation/gc-error") {
        delegated?;
    }
    stuck.map_or_else(|| Ok(nothing("gc/succeeds")), Err)
}

pub(super) fn status(call: &Call) -> Result<String, Reply> {
    if has("status/changes-nothing") {
        leave("status");
    }
    if has("status/ready-means-add") {
        fs::create_dir_all(state()).unwrap();
        fs::write(state().join("ready-was-a-lie"), "").unwrap();
    }
    if has("status/quick") {
        std::thread::sleep(Duration::from_millis(1100));
    }
    if has("status/answers") && std::env::var_os("CNI_CONTAINERID").is_some() {
        return Err(call.fails(42, "not available"));
    }
    let delegated = delegate(call, "STATUS");
    let is_missing = delegated.as_ref().is_err_and(|reply| reply.msg.contains("no plugin"));
    let forgiven =
        has("delegation/status") && !is_missing || has("delegation/status-missing-plugin") && is_missing;
    if !forgiven {
        delegated?;
    }
    Ok(nothing("status/silent"))
}
