//! The faulty plugin as a chained plugin: it adds a route that is not in the result, and records it in a file.

use std::fs;
use std::path::PathBuf;

use cni_skel::Netns;
use cni_skel::net::Route;
use cni_skel::types::AddResult;
use serde_json::Value;

use crate::has;
use crate::input::Call;
use crate::ipam::state;
use crate::reply::{Reply, nothing};

pub(crate) fn answer(call: &Call) -> Result<String, Reply> {
    match call.command.as_str() {
        "ADD" => add(call),
        "DEL" => del(call),
        "CHECK" => check(call),
        "GC" => Ok(nothing("gc/succeeds")),
        _ => Ok(String::new()),
    }
}

fn add(call: &Call) -> Result<String, Reply> {
    let own = &call.config["prevResult"]["cniVersion"];
    if has("chain/result-without-version")
        && !call.config["prevResult"].is_null()
        && own.as_str().is_none_or(str::is_empty)
    {
        return Err(call.fails(7, "prevResult has no version"));
    }
    if has("chain/result-of-another-version")
        && own.as_str().is_some_and(|own| !own.is_empty() && own != call.version)
    {
        return Err(Reply::raw("", 1));
    }
    let prev = match call.prev() {
        Err(_) if has("chain/malformed-result") => {
            return Ok(AddResult::default().encode(call.spec()).unwrap());
        }
        prev => prev?,
    };
    let Some(prev) = prev else {
        let code = if has("chain/without-result") { 999 } else { 7 };
        return Err(call.fails(code, "prevResult is missing"));
    };
    let netns = Netns::open(call.netns.as_deref().unwrap_or_default())
        .map_err(|why| call.fails(4, format!("CNI_NETNS: {why}")))?;
    let route = netns.net().and_then(|net| {
        let link = net.link(&call.ifname)?;
        net.add_route(&route().link(link.index))
    });
    route.map_err(|why| call.fails(999, why.to_string()))?;
    let remembered = fs::create_dir_all(state()).and_then(|()| fs::write(file(call), ""));
    remembered.map_err(|why| call.fails(5, why.to_string()))?;
    let mut result: Value = serde_json::from_str(&prev.encode(call.spec()).unwrap()).unwrap();
    if has("chain/keeps-result") {
        result.as_object_mut().unwrap().remove("ips");
    }
    if has("chain/keeps-unknown") {
        result.as_object_mut().unwrap().remove("org.example.mark");
    }
    Ok(result.to_string())
}

fn check(call: &Call) -> Result<String, Reply> {
    let netns = Netns::open(call.netns.as_deref().unwrap_or_default());
    let net = netns.ok().and_then(|netns| netns.net().ok()).ok_or_else(|| call.fails(4, "CNI_NETNS"))?;
    let routes = net.routes(None).map_err(|why| call.fails(999, why.to_string()))?;
    if routes.iter().any(|of| of.dst == route().dst) || has("check/undone-by-hand") {
        return Ok(String::new());
    }
    Err(call.fails(100, "the route is gone"))
}

fn del(call: &Call) -> Result<String, Reply> {
    let netns = call.netns.as_ref().and_then(|path| Netns::open(path).ok());
    if let Some(net) = netns.and_then(|netns| netns.net().ok())
        && let Ok(Some(link)) = net.find_link(&call.ifname)
    {
        let _ = net.delete_route(&route().link(link.index));
    }
    let _ = fs::remove_file(file(call));
    Ok(nothing("del/silent"))
}

fn route() -> Route {
    Route::new("198.51.100.0/24".parse().unwrap())
}

fn file(call: &Call) -> PathBuf {
    state().join(format!("{}@{}@{}", call.network, call.id, call.ifname))
}
