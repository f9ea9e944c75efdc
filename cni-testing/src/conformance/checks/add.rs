//! ADD: its result.

use cni_skel::types::{AddResult, Command, SpecVersion};
use ipnet::IpNet;
use serde_json::Value;

use super::section::{ADD, RESULT};
use super::version::in_version;
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Must, Should};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "add/succeeds",
        ADD,
        "ADD of a new container succeeds, with a JSON object on stdout.",
        "All checks of ADD, CHECK and DEL depend on it.",
        |bench| bench.attach().map(drop),
    )
    .in_namespace(),
    Check::new(
        Must,
        "add/one-document",
        RESULT,
        "ADD prints one JSON document on stdout, and nothing else.",
        "stdout belongs to the result; logs go to stderr.",
        |bench| {
            let exchange = bench.add()?;
            exchange.succeeded()?;
            match serde_json::from_str::<Value>(&exchange.stdout) {
                Ok(_) => Ok(()),
                Err(why) => fail(format!("stdout is not one JSON document: {why}")),
            }
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "add/version",
        RESULT,
        "`cniVersion` of the result is that of the configuration.",
        "The result must be in the requested version. `cniVersion` says how to decode it.",
        |bench| {
            let attached = bench.attach()?;
            let (found, wanted) = (&attached.result["cniVersion"], bench.setup.version());
            if *found == *wanted.as_str() {
                Ok(())
            } else {
                fail(format!("cniVersion is {found}, but {:?} was requested", wanted.as_str()))
            }
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "add/shape",
        RESULT,
        "In every version the result has the shape of that version: `ip4` and `ip6` before 0.3.0, `ips` with `version` before \
         1.0.0, without it later.",
        "A runtime decodes the version that it requested.",
        |bench| each_version(bench, shape),
    )
    .in_namespace(),
    Check::new(
        Should,
        "add/newer-keys",
        RESULT,
        "Only results of 1.1.0 have the keys that are new in 1.1.0: `mtu`, `socketPath` and `pciID` of interfaces, \
         `mtu`, `advmss`, `priority`, `table` and `scope` of routes.",
        "Strict decoders of an older version refuse keys that they do not know.",
        |bench| each_version(bench, newer_keys),
    )
    .in_namespace(),
    Check::new(
        Must,
        "add/addresses-valid",
        RESULT,
        "Each of `ips` has an address with a prefix length. Its gateway, if any, is of the same family.",
        "The runtime and later plugins parse them.",
        addresses_valid,
    )
    .in_namespace()
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "add/interface-index",
        RESULT,
        "`interface` of each of `ips` is an index into `interfaces`.",
        "Later plugins use it to find the interface of an address.",
        interface_index,
    )
    .in_namespace()
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "add/names-interface",
        RESULT,
        "`interfaces` contains an interface with the name in CNI_IFNAME.",
        "The plugin must use that name or fail, and chained plugins look for it in the result.",
        |bench| {
            let attached = bench.attach()?;
            match own_interface(&attached.result, &attached.container.ifname) {
                Some(_) => Ok(()),
                None => fail(format!("no interface in the result is named {}", attached.container.ifname)),
            }
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "add/sandbox",
        RESULT,
        "`sandbox` of the container's interface is exactly CNI_NETNS.",
        "Chained plugins compare it as text to distinguish the container's interfaces from the host's.",
        |bench| {
            let attached = bench.attach()?;
            let path = attached.container.netns.path().display().to_string();
            let Some(own) = own_interface(&attached.result, &attached.container.ifname) else {
                return not_run("the result does not name the interface");
            };
            let found = &own["sandbox"];
            if *found == *path { Ok(()) } else { fail(format!("sandbox is {found}, but CNI_NETNS is {path:?}")) }
        },
    )
    .in_namespace()
    .of(&[Kind::Interface])
    .since(SpecVersion::V0_3_0),
    Check::new(
        Should,
        "add/second-interface",
        ADD,
        "A container can be attached twice, with another CNI_IFNAME each time.",
        "A container may be attached to a network more than once, under different interface names.",
        |bench| {
            let first = bench.attach()?;
            if bench.setup.ifname == "lo" {
                return not_run("each container has lo only once");
            }
            let request = bench.about(Command::Add, &first.container).env("CNI_IFNAME", "second0");
            bench.call(request)?.result().map(drop)
        },
    )
    .in_namespace()
    .of(&[Kind::Interface, Kind::Ipam]),
];

/// The entry of the container's own interface.
pub(super) fn own_interface<'a>(result: &'a Value, ifname: &str) -> Option<&'a Value> {
    result["interfaces"]
        .as_array()?
        .iter()
        .find(|interface| interface["name"] == *ifname && !is_host(interface))
}

fn is_host(interface: &Value) -> bool {
    interface["sandbox"].as_str().is_none_or(str::is_empty)
}

fn each_version(bench: &Bench<'_>, look: fn(SpecVersion, &Value) -> Result<(), String>) -> Outcome {
    let mut versions = bench.profile.supported.clone();
    if versions.is_empty() || !bench.setup.before.is_empty() {
        versions = vec![bench.setup.version()];
    }
    for version in versions {
        let container = bench.container()?;
        let exchange = bench.call(in_version(bench.add_request(&container)?, version))?;
        let result = exchange.result()?;
        if let Err(why) = look(version, &result) {
            return fail(format!("in version {version}: {why}"));
        }
    }
    Ok(())
}

fn shape(version: SpecVersion, result: &Value) -> Result<(), String> {
    let has = |key: &str| !result[key].is_null();
    let foreign: &[&str] =
        if version < SpecVersion::V0_3_0 { &["interfaces", "ips", "routes"] } else { &["ip4", "ip6"] };
    if let Some(key) = foreign.iter().find(|key| has(key)) {
        return Err(format!("the result has {key}, which belongs to another version"));
    }
    for ip in result["ips"].as_array().into_iter().flatten() {
        let marked = ip["version"].is_string();
        if marked != (version < SpecVersion::V1_0_0) {
            let word = if marked { "has a version" } else { "has no version" };
            return Err(format!("an element of ips {word}: {ip}"));
        }
    }
    AddResult::decode(version, &result.to_string()).map(drop).map_err(|why| why.to_string())
}

fn newer_keys(version: SpecVersion, result: &Value) -> Result<(), String> {
    if version >= SpecVersion::V1_1_0 {
        return Ok(());
    }
    let newer: [(&str, &[&str]); 2] = [
        ("interfaces", &["mtu", "socketPath", "pciID"]),
        ("routes", &["mtu", "advmss", "priority", "table", "scope"]),
    ];
    for (list, keys) in newer {
        for element in result[list].as_array().into_iter().flatten() {
            if let Some(key) = keys.iter().find(|key| !element[**key].is_null()) {
                return Err(format!("an element of {list} has {key}"));
            }
        }
    }
    Ok(())
}

fn addresses_valid(bench: &Bench<'_>) -> Outcome {
    let attached = bench.attach()?;
    for ip in attached.result["ips"].as_array().into_iter().flatten() {
        let text = ip["address"].as_str().unwrap_or_default();
        let Ok(address) = text.parse::<IpNet>() else {
            return fail(format!("address {} is not an address with a prefix length", ip["address"]));
        };
        match &ip["gateway"] {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            gateway => {
                let parsed = gateway.as_str().unwrap_or_default().parse::<std::net::IpAddr>();
                if !parsed.is_ok_and(|parsed| parsed.is_ipv4() == address.addr().is_ipv4()) {
                    return fail(format!("gateway {gateway} does not fit {address}"));
                }
            }
        }
    }
    Ok(())
}

fn interface_index(bench: &Bench<'_>) -> Outcome {
    let attached = bench.attach()?;
    let count = attached.result["interfaces"].as_array().map_or(0, Vec::len);
    for ip in attached.result["ips"].as_array().into_iter().flatten() {
        let index = &ip["interface"];
        // The common Go library writes -1 for no interface.
        let is_none = index.is_null() || index.as_i64() == Some(-1);
        if !is_none && index.as_u64().is_none_or(|index| index as usize >= count) {
            return fail(format!("interface is {index}, but there are {count} interfaces"));
        }
    }
    Ok(())
}
