//! ADD.

use std::fs;
use std::time::Duration;

use cni_skel::Netns;
use cni_skel::net::{Address, Net, NetError, Route, Veth};
use cni_skel::types::{AddResult, Interface};
use serde_json::json;

use super::del::del;
use super::delegate::delegate;
use super::result::print;
use super::{file, host_name, refused};
use crate::input::Call;
use crate::ipam::state;
use crate::reply::Reply;
use crate::{has, leave};

pub(super) fn add(call: &Call) -> Result<String, Reply> {
    let path = call.netns.clone().unwrap_or_default();
    if has("delegation/later-failure-gives-back") && !call.is_netns_there() {
        delegate(call, "ADD")?;
    }
    let netns = match Netns::open(&path) {
        Ok(netns) => netns,
        Err(why) => {
            if has("add/no-such-netns-leaves-nothing") {
                leave("netns");
            }
            if has("add/no-such-netns") && why.kind() == std::io::ErrorKind::NotFound
                || has("add/netns-is-a-file") && path == "/etc/passwd"
            {
                return Ok(AddResult::default().encode(call.spec()).unwrap());
            }
            return Err(call.fails(100, format!("CNI_NETNS: {why}")));
        }
    };
    if netns.is_own().unwrap() {
        if has("add/own-netns-one-document") {
            return Err(Reply::raw("{\"cniVersion\": \"1.1.0\"}{\"code\": 8, \"msg\": \"own\"}", 1));
        }
        if !has("add/own-netns") {
            return Err(call.fails(4, "CNI_NETNS is the plugin's own"));
        }
    }
    if has("add/succeeds") || state().join("ready-was-a-lie").exists() {
        return Err(call.fails(100, "ADD failed"));
    }
    if has("add/second-interface") && file(call, "eth0").exists() {
        return Err(call.fails(100, "the container has an interface already"));
    }
    if has("del/again-after-add") && call.id == "c1" && state().join(&call.network).exists() {
        return Err(call.fails(100, "the container was attached before"));
    }
    let inner = netns.net().map_err(|why| refused(call, &why))?;
    if let Some(link) = inner.find_link(&call.ifname).map_err(|why| refused(call, &why))? {
        if has("add/ifname-taken") {
            let _ = inner.delete_link(link.index);
        }
        if has("add/ifname-taken-leaves-nothing") {
            leave("ifname");
        }
        let why = format!("CNI_IFNAME: {} exists", call.ifname);
        if has("add/failure-has-no-result") {
            let text = json!({"cniVersion": call.version, "code": 100, "msg": why, "ips": []});
            return Err(Reply::raw(text.to_string(), 1));
        }
        return Err(call.fails(100, why));
    }
    if has("load/parallel-mixed") && state().join("deleting").exists() {
        return Err(call.fails(11, "a DEL is running"));
    }
    if has("delegation/hanging") {
        leave(&call.id);
    }
    let answer = delegate(call, "ADD");
    if has("delegation/hanging") {
        fs::remove_file(state().join("left").join(&call.id)).unwrap();
    }
    let addresses = match answer {
        Err(reply) => {
            if has("delegation/error-leaves-nothing") && reply.msg.contains("order")
                || has("delegation/missing-plugin") && reply.msg.contains("no plugin")
            {
                leave("ipam");
            }
            if !has("delegation/error-del") {
                let _ = delegate(call, "DEL");
            }
            return Err(reply);
        }
        Ok(text) => text,
    };
    if has("delegation/add") {
        delegate(call, "ADD")?;
    }
    remember(call)?;
    if has("load/killed") || has("load/terminated") {
        std::thread::sleep(Duration::from_millis(300));
    }
    let mut result = match addresses {
        Some(text) => {
            AddResult::decode(call.spec(), &text).map_err(|why| call.fails(999, why.to_string()))?
        }
        None => AddResult::default(),
    };
    match make(call, &netns, &inner, &mut result) {
        Ok(()) => {
            fs::write(file(call, &call.ifname), "complete").unwrap();
            Ok(print(call, &result))
        }
        Err(why) => {
            let _ = del(call);
            Err(refused(call, &why))
        }
    }
}

/// Records the attachment, before anything is created for it.
fn remember(call: &Call) -> Result<(), Reply> {
    let file = file(call, &call.ifname);
    let written = fs::create_dir_all(file.parent().unwrap()).and_then(|()| fs::write(&file, "begun"));
    if has("load/read-only-state") {
        written.as_ref().unwrap();
    }
    let code = if has("load/read-only-state-code") { 100 } else { 5 };
    written.map_err(|why| call.fails(code, why.to_string()))
}

fn make(call: &Call, netns: &Netns, inner: &Net, result: &mut AddResult) -> Result<(), NetError> {
    let host = Net::open()?;
    let name = host_name(call, &call.ifname);
    host.add_veth(&Veth::new(&name, &call.ifname).up(), netns)?;
    let link = inner.link(&call.ifname)?;
    inner.set_up(link.index)?;
    let outer = host.link(&name)?;
    let mac = |link: &cni_skel::net::Link| link.mac.as_ref().map(ToString::to_string).unwrap_or_default();
    result.push_interface(Interface::new(&name).mac(mac(&outer)));
    let sandbox = call.netns.clone().unwrap_or_default();
    let mut own = Interface::new(&call.ifname).mac(mac(&link)).sandbox(sandbox);
    if call.version == "1.1.0" {
        own = own.mtu(link.mtu);
    }
    let at = result.push_interface(own);
    for ip in &mut result.ips {
        ip.interface = Some(at);
        if !has("truth/addresses") {
            inner.add_address(&Address::new(link.index, ip.address).no_dad())?;
        }
    }
    let dst = "192.0.2.0/24".parse().unwrap();
    inner.add_route(&Route::new(dst).link(link.index))?;
    result.routes.push(cni_skel::types::Route::new(dst));
    if has("truth/interface") {
        inner.set_down(link.index)?;
    }
    Ok(())
}
