//! Checks for IPAM plugins only.

use std::collections::BTreeSet;

use cni_skel::types::{Command, ErrorCode, SpecVersion};
use serde_json::Value;

use super::section::{CHECK, DELEGATION, STATUS};
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Ending, Outcome, fail, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Manners, Must, Should};

const KINDS: &[Kind] = &[Kind::Ipam];
/// The maximum number of addresses in a small pool.
const MANY: usize = 300;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "ipam/result",
        DELEGATION,
        "The result of an IPAM plugin has an address, but no interfaces and no `interface` indexes.",
        "Only the plugin that calls it knows them.",
        |bench| {
            let attached = bench.attach()?;
            if attached.result["interfaces"].as_array().is_some_and(|list| !list.is_empty()) {
                return fail("the result has interfaces");
            }
            let ips = attached.result["ips"].as_array().cloned().unwrap_or_default();
            if ips.is_empty() {
                return fail("the result has no address");
            }
            match ips.iter().find(|ip| ip["interface"].as_u64().is_some()) {
                Some(ip) => fail(format!("an address has an `interface`: {ip}")),
                None => Ok(()),
            }
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "ipam/same-attachment",
        DELEGATION,
        "A second ADD of the same attachment is an error, or returns the same addresses.",
        "Another address would never be released, since DEL is called once.",
        |bench| {
            let first = bench.attach()?;
            let exchange = bench.call(bench.about(Command::Add, &first.container))?;
            if exchange.exit_code != Some(0) {
                return exchange.failed().map(drop);
            }
            let second = exchange.result()?;
            if addresses(&first.result) == addresses(&second) {
                Ok(())
            } else {
                fail(format!("first {}, then {}", first.result["ips"], second["ips"]))
            }
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "ipam/unique",
        DELEGATION,
        "Two containers get different addresses.",
        "An address belongs to one container.",
        |bench| {
            hands_out(bench)?;
            let mut seen = BTreeSet::new();
            let mut kept = Vec::new();
            for _ in 0..4 {
                let attached = bench.attach()?;
                for address in addresses(&attached.result) {
                    if !seen.insert(address.clone()) {
                        return fail(format!("{address} is assigned twice"));
                    }
                }
                kept.push(attached);
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "ipam/gives-back",
        DELEGATION,
        "DEL releases the address, so that attaching and detaching containers does not exhaust a pool.",
        "Nodes run for months.",
        |bench| {
            hands_out(bench)?;
            let pool = exhaust(bench)?;
            for _ in 0..3 {
                let attached = &pool[0];
                bench.detach(attached)?.succeeded()?;
                bench.call(bench.about(Command::Add, &attached.container))?.result()?;
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "ipam/exhausted",
        DELEGATION,
        "ADD with an exhausted pool is an error.",
        "People rely on the message.",
        |bench| {
            hands_out(bench)?;
            let pool = exhaust(bench)?;
            let container = bench.container()?;
            bench.call(bench.about(Command::Add, &container))?.failed()?;
            drop(pool);
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Should,
        "ipam/exhausted-status",
        STATUS,
        "STATUS with an exhausted pool is an error with code 50 or 51.",
        "The runtime then places no more containers here.",
        |bench| {
            hands_out(bench)?;
            let pool = exhaust(bench)?;
            let codes = [ErrorCode::NOT_AVAILABLE, ErrorCode::LIMITED_CONNECTIVITY];
            bench.call(bench.request(Command::Status))?.failed_with(&codes)?;
            drop(pool);
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V1_1_0),
    Check::new(
        Should,
        "ipam/check-unknown",
        CHECK,
        "CHECK of a container without an address is an error.",
        "CHECK of an IPAM plugin must find a missing reservation.",
        |bench| {
            hands_out(bench)?;
            let attached = bench.attach()?;
            bench.detach(&attached)?.succeeded()?;
            bench.call(bench.after(Command::Check, &attached))?.failed().map(drop)
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_4_0),
    Check::new(
        Manners,
        "ipam/needs-no-netns",
        DELEGATION,
        "DEL of an IPAM plugin does not need the container's namespace.",
        "The container is often gone by then, but its address must be released.",
        |bench| {
            let attached = bench.attach()?;
            let path = crate::conformance::bench::NO_NETNS;
            bench.call(bench.after(Command::Del, &attached).env("CNI_NETNS", path))?.succeeded()
        },
    )
    .in_namespace()
    .of(KINDS),
];

fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.filter_map(|ip| ip["address"].as_str().map(str::to_owned)).collect()
}

/// Whether the plugin has a pool, or returns addresses from its configuration.
pub(super) fn hands_out(bench: &Bench<'_>) -> Outcome {
    let ipam = bench.setup.config.get("ipam").unwrap_or(&Value::Null);
    if ipam["addresses"].is_array() || ipam["type"] == "static" {
        return not_run("its addresses are in the configuration, so it has no pool");
    }
    Ok(())
}

/// Attaches containers until the pool is exhausted.
fn exhaust(bench: &Bench<'_>) -> Result<Vec<crate::conformance::bench::Attached>, Ending> {
    let mut attached = Vec::new();
    loop {
        let container = bench.container()?;
        let exchange = bench.call(bench.about(Command::Add, &container))?;
        if exchange.exit_code != Some(0) {
            break;
        }
        let result = exchange.result()?;
        attached.push(crate::conformance::bench::Attached { container, result });
        if attached.len() > MANY {
            return not_run(format!("the pool has more than {MANY} addresses; configure a smaller one"));
        }
    }
    if attached.is_empty() { not_run("the pool has no address") } else { Ok(attached) }
}
