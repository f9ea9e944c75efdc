//! DEL.

use std::fs;
use std::time::Duration;

use cni_skel::Netns;
use cni_skel::net::Net;

use super::delegate::delegate;
use super::{attachments, file, host_name, refused};
use crate::input::Call;
use crate::ipam::state;
use crate::reply::{Reply, nothing};
use crate::{has, leave};

pub(super) fn del(call: &Call) -> Result<String, Reply> {
    if has("load/parallel-mixed") {
        fs::create_dir_all(state()).unwrap();
        fs::write(state().join("deleting"), "").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let _ = fs::remove_file(state().join("deleting"));
    }
    let (with_prev, is_netns_there) = (!call.config["prevResult"].is_null(), call.is_netns_there());
    let own = file(call, &call.ifname);
    let host = Net::open().map_err(|why| refused(call, &why))?;
    let name = host_name(call, &call.ifname);
    let link = host.find_link(&name).ok().flatten();
    let netns_gone = call.netns.is_some() && !is_netns_there;
    for (fault, is_so) in [
        ("del/twice-succeeds", with_prev && !own.exists()),
        ("del/never-added", !with_prev && !own.exists()),
        ("del/no-netns", call.netns.is_none()),
        ("del/netns-gone", netns_gone),
        ("del/no-result", !with_prev && own.exists()),
        ("del/link-deleted-by-hand", own.exists() && link.is_none() && is_netns_there),
        ("del/ipam-removed", call.config["ipam"].is_null()),
    ] {
        if has(fault) && is_so {
            return Err(call.fails(100, "nothing to delete"));
        }
    }
    for (fault, is_so) in [
        ("del/undoes-add", with_prev && is_netns_there),
        ("del/netns-gone-leaves-nothing", netns_gone),
        ("del/no-result-leaves-nothing", !with_prev && own.exists()),
        ("load/parallel-del", attachments(call).len() > 8),
    ] {
        if has(fault) && is_so {
            leave(&format!("{}@{}", call.id, call.ifname));
        }
    }
    if own.exists() {
        crate::leaves::behind(call);
    }
    let netns = call.netns.as_ref().and_then(|path| Netns::open(path).ok());
    if let Some(inner) = netns.and_then(|netns| netns.net().ok()) {
        if has("del/own-netns") {
            let _ = inner.link(&call.ifname).and_then(|link| inner.delete_link(link.index));
        }
        if has("del/empties-container") && with_prev {
            let _ = inner.link("lo").and_then(|lo| inner.set_up(lo.index));
        }
    }
    if has("del/only-its-interface") {
        for ifname in ["eth0", "second0"] {
            remove(call, &host, ifname);
        }
    }
    if has("del/only-its-own") {
        for (path, owner) in attachments(call) {
            if !owner.starts_with(&format!("{} ", call.id)) {
                let _ = fs::remove_file(path);
            }
        }
    }
    let is_unfinished = fs::read_to_string(&own).is_ok_and(|text| text == "begun");
    if !(has("load/killed") && is_unfinished) {
        remove(call, &host, &call.ifname);
    }
    let skipped =
        has("delegation/del") && is_netns_there || has("delegation/del-without-netns") && netns_gone;
    if !skipped {
        let given_back = delegate(call, "DEL");
        if !has("delegation/del-error") {
            given_back?;
        }
    }
    Ok(nothing("del/silent"))
}

pub(super) fn remove(call: &Call, host: &Net, ifname: &str) {
    if let Ok(Some(link)) = host.find_link(host_name(call, ifname)) {
        let _ = host.delete_link(link.index);
    }
    let _ = fs::remove_file(file(call, ifname));
}
