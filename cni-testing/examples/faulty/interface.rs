//! The plugin as one that makes an interface: a veth pair with an address and a route, and a file that says so.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cni_skel::Netns;
use cni_skel::net::{Address, Net, NetError, Route, Veth};
use cni_skel::types::{AddResult, Interface};
use serde_json::{Value, json};

use crate::environment::variable;
use crate::input::Call;
use crate::ipam::{owners, state};
use crate::reply::{Reply, nothing};
use crate::{has, leave};

pub(crate) fn answer(call: &Call) -> Result<String, Reply> {
    match call.command.as_str() {
        "ADD" => add(call),
        "DEL" => del(call),
        "CHECK" => check(call),
        "GC" => gc(call),
        _ => status(call),
    }
}

fn add(call: &Call) -> Result<String, Reply> {
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
        return Err(call.fails(100, "it does not work"));
    }
    if has("add/second-interface") && file(call, "eth0").exists() {
        return Err(call.fails(100, "one interface is enough"));
    }
    if has("del/again-after-add") && call.id == "c1" && state().join(&call.network).exists() {
        return Err(call.fails(100, "it was here before"));
    }
    let inner = netns.net().map_err(|why| refused(call, &why))?;
    if let Some(link) = inner.find_link(&call.ifname).map_err(|why| refused(call, &why))? {
        if has("add/ifname-taken") {
            let _ = inner.delete_link(link.index);
        }
        if has("add/ifname-taken-leaves-nothing") {
            leave("ifname");
        }
        return Err(call.fails(100, format!("CNI_IFNAME: {} exists", call.ifname)));
    }
    let addresses = match delegate(call, "ADD") {
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
    if has("load/killed") {
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

/// Remembers the attachment, before anything is made of it.
fn remember(call: &Call) -> Result<(), Reply> {
    let file = file(call, &call.ifname);
    let written = fs::create_dir_all(file.parent().unwrap()).and_then(|()| fs::write(&file, "begun"));
    if has("load/read-only-state") {
        written.as_ref().unwrap();
    }
    written.map_err(|why| call.fails(5, why.to_string()))
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

/// Prints the result, with what is to be wrong in it.
fn print(call: &Call, result: &AddResult) -> String {
    // Before 0.3.0 a result has an address, or there is none to speak of.
    let encoded =
        result.encode(call.spec()).unwrap_or_else(|_| json!({"cniVersion": call.version}).to_string());
    let mut json: Value = serde_json::from_str(&encoded).unwrap();
    if has("add/version") && call.version == "1.1.0" {
        json["cniVersion"] = "1.0.0".into();
    }
    if has("add/shape") && call.version == "0.4.0" {
        json["ips"][0].as_object_mut().unwrap().remove("version");
    }
    let (interfaces, ips) = (json["interfaces"].is_array(), json["ips"].is_array());
    if interfaces {
        let own = json["interfaces"].as_array().unwrap().len() - 1;
        let own = &mut json["interfaces"][own];
        match () {
            () if has("add/newer-keys") => own["mtu"] = 1500.into(),
            () if has("add/names-interface") => own["name"] = "other0".into(),
            () if has("add/sandbox") => own["sandbox"] = "/run/netns/other".into(),
            () if has("truth/mac") => own["mac"] = "02:00:00:00:00:01".into(),
            () if has("truth/mtu") => own["mtu"] = 9000.into(),
            () => {}
        }
    }
    if interfaces && has("truth/host-interfaces") {
        json["interfaces"].as_array_mut().unwrap().push(json!({"name": "ghost0"}));
    }
    if ips && has("add/addresses-valid") {
        json["ips"][0]["gateway"] = "fd00::1".into();
    }
    if ips && has("add/interface-index") {
        json["ips"][0]["interface"] = 7.into();
    }
    if has("truth/routes") && json["routes"].is_array() {
        json["routes"].as_array_mut().unwrap().push(json!({"dst": "203.0.113.128/25"}));
    }
    if has("load/result-size") {
        json["filling"] = "x".repeat(2 << 20).into();
    }
    let behind = if has("add/one-document") { "\nattached" } else { "" };
    format!("{json}{behind}")
}

fn del(call: &Call) -> Result<String, Reply> {
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

fn remove(call: &Call, host: &Net, ifname: &str) {
    if let Ok(Some(link)) = host.find_link(&host_name(call, ifname)) {
        let _ = host.delete_link(link.index);
    }
    let _ = fs::remove_file(file(call, ifname));
}

fn check(call: &Call) -> Result<String, Reply> {
    if has("check/changes-nothing") {
        leave("check");
    }
    let Some(prev) = call.prev()? else {
        return if has("check/no-result") {
            Ok(String::new())
        } else {
            Err(call.fails(7, "prevResult is missing"))
        };
    };
    if has("check/after-add") {
        return Err(call.fails(100, "who knows"));
    }
    let netns = Netns::open(call.netns.as_deref().unwrap_or_default());
    let net = netns.ok().and_then(|netns| netns.net().ok()).ok_or_else(|| call.fails(4, "CNI_NETNS"))?;
    let Some(link) = net.find_link(&call.ifname).map_err(|why| refused(call, &why))? else {
        return if has("check/link-gone") {
            Ok(String::new())
        } else {
            Err(call.fails(100, "the link is gone"))
        };
    };
    let addresses = net.addresses(Some(link.index)).map_err(|why| refused(call, &why))?;
    let routes = net.routes(None).map_err(|why| refused(call, &why))?;
    let has_address = |ip: &cni_skel::types::IpConfig| addresses.iter().any(|of| of.address == ip.address);
    let has_route = |route: &cni_skel::types::Route| routes.iter().any(|of| of.dst == route.dst);
    // With the link down, or without addresses, its routes are gone too.
    let is_down = !link.flags.is_up();
    let is_bare = has("check/address-gone") && !addresses.iter().any(|of| of.address.addr().is_ipv4());
    for (fault, is_so) in [
        ("check/link-down", is_down),
        ("check/address-gone", !prev.ips.iter().all(has_address)),
        ("check/route-gone", !is_down && !is_bare && !prev.routes.iter().all(has_route)),
    ] {
        if is_so && !has(fault) {
            return Err(call.fails(100, fault));
        }
    }
    if has("check/later-route") && routes.iter().any(|of| of.dst.to_string() == "203.0.113.0/24") {
        return Err(call.fails(100, "a route that nobody knows"));
    }
    if !has("delegation/check") {
        delegate(call, "CHECK")?;
    }
    Ok(nothing("check/silent"))
}

/// The owners that are to stay; none if nothing is to be collected.
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

fn gc(call: &Call) -> Result<String, Reply> {
    if has("gc/empty-list") && call.config.get("cni.dev/valid-attachments") == Some(&Value::Null) {
        return Err(call.fails(7, "null"));
    }
    let host = Net::open().map_err(|why| refused(call, &why))?;
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
                    let _ = fs::remove_file(path);
                }
            }
        }
    }
    let delegated = delegate(call, "GC");
    if !has("delegation/gc-error") {
        delegated?;
    }
    Ok(nothing("gc/succeeds"))
}

fn status(call: &Call) -> Result<String, Reply> {
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
        return Err(call.fails(42, "not today"));
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

/// Calls the IPAM plugin, if there is one.
fn delegate(call: &Call, command: &str) -> Result<Option<String>, Reply> {
    let Some(name) = call.config["ipam"]["type"].as_str() else { return Ok(None) };
    if name.contains('/') && !has("delegation/type-is-a-path") {
        return Err(call.fails(7, "ipam.type is a path"));
    }
    let path = variable("CNI_PATH").unwrap_or_default();
    let programs =
        path.split(':').filter(|folder| !folder.is_empty()).map(|folder| Path::new(folder).join(name));
    let is_it = |program: &PathBuf| {
        if has("delegation/path-search") { program.exists() } else { program.is_file() }
    };
    let program =
        programs.into_iter().find(is_it).ok_or_else(|| call.fails(5, format!("no plugin {name}")))?;
    let mut child = Command::new(&program);
    child.env("CNI_COMMAND", command).stdin(Stdio::piped()).stdout(Stdio::piped());
    if has("delegation/stderr") {
        child.stderr(Stdio::null());
    }
    if has("delegation/same-environment") {
        child.env_remove("TRACEPARENT");
    }
    let broken = |why: std::io::Error| call.fails(5, why.to_string());
    let mut child = child.spawn().map_err(broken)?;
    let mut config = call.config.clone();
    if has("delegation/same-input") {
        config.as_object_mut().unwrap().remove("type");
    }
    if has("delegation/gc") {
        config.as_object_mut().unwrap().remove("cni.dev/valid-attachments");
    }
    child.stdin.take().unwrap().write_all(config.to_string().as_bytes()).map_err(broken)?;
    let output = child.wait_with_output().map_err(broken)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Some(text));
    }
    let error: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = if has("delegation/code-passed-on") { 999 } else { error["code"].as_u64().unwrap_or(999) };
    let msg = error["msg"].as_str().unwrap_or_default();
    Err(call.fails(code, if has("delegation/error-passed-on") { "IPAM failed" } else { msg }))
}

fn refused(call: &Call, why: &NetError) -> Reply {
    call.fails(999, why.to_string())
}

/// The attachments of a network that are remembered.
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
