//! What a chained plugin does with the result of the plugins before it.

use cni_skel::types::{Command, ErrorCode, SpecVersion};
use serde_json::{Value, json};

use super::section::ADD;
use super::section::DERIVED;
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Manners, Must, Should};

const KINDS: &[Kind] = &[Kind::Chained];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "chain/keeps-result",
        ADD,
        "The result of a chained plugin contains all interfaces, addresses and routes of `prevResult`, in order.",
        "A plugin must return prevResult with its own changes. The runtime and later plugins do not know what is left \
         out.",
        |bench| {
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            let prev = request.config.get("prevResult").cloned().unwrap_or_default();
            let result = bench.call(request)?.result()?;
            for (list, key) in [("interfaces", "name"), ("ips", "address"), ("routes", "dst")] {
                let names = |of: &Value| -> Vec<Value> {
                    of[list].as_array().into_iter().flatten().map(|element| element[key].clone()).collect()
                };
                let (before, after) = (names(&prev), names(&result));
                let mut rest = after.iter();
                if let Some(gone) = before.iter().find(|name| !rest.any(|other| other == *name)) {
                    return fail(format!("{list} of the result lack {gone}, or have it in another order"));
                }
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Should,
        "chain/keeps-unknown",
        ADD,
        "The result of a chained plugin contains the keys of `prevResult` that the plugin does not know.",
        "They were set by an earlier plugin for a later one.",
        |bench| {
            let container = bench.container()?;
            let mut request = bench.add_request(&container)?;
            let Some(prev) = request.config.get_mut("prevResult") else { return not_run("there is no prevResult") };
            prev["org.example.mark"] = json!({"deep": [1, 2]});
            let result = bench.call(request)?.result()?;
            if result["org.example.mark"] == json!({"deep": [1, 2]}) {
                Ok(())
            } else {
                fail("the result lacks org.example.mark")
            }
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Manners,
        "chain/without-result",
        DERIVED,
        "Without `prevResult` a chained plugin either does its work or fails with code 7.",
        "The plugin is then the first of its list. That is an invalid configuration, code 7.",
        |bench| {
            let container = bench.container()?;
            bench.prepare(&container)?;
            let exchange = bench.call(bench.about(Command::Add, &container))?;
            if exchange.exit_code == Some(0) {
                return exchange.result().map(drop);
            }
            exchange.failed_with(&[ErrorCode::INVALID_NETWORK_CONFIG]).map(drop)
        },
    )
    .in_namespace()
    .of(KINDS),
    Check::new(
        Should,
        "chain/result-without-version",
        DERIVED,
        "A `prevResult` without `cniVersion`, or with an empty one, has the configuration's version.",
        "Old runtimes leave it out.",
        |bench| {
            for version in [None, Some("")] {
                let container = bench.container()?;
                let mut request = bench.add_request(&container)?;
                let Some(Value::Object(prev)) = request.config.get_mut("prevResult") else {
                    return not_run("there is no prevResult");
                };
                match version {
                    None => prev.remove("cniVersion"),
                    Some(version) => prev.insert("cniVersion".to_owned(), version.into()),
                };
                bench.call(request)?.succeeded()?;
            }
            Ok(())
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Should,
        "chain/result-of-another-version",
        DERIVED,
        "A `prevResult` of another version is decoded by its own `cniVersion`, or is an error.",
        "An earlier plugin may have answered in an older version than the requested one.",
        another_version,
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
    Check::new(
        Must,
        "chain/malformed-result",
        DERIVED,
        "ADD with a `prevResult` that is not a valid result is an error.",
        "A plugin that ignores it would drop the result of the plugins before it.",
        |bench| {
            let container = bench.container()?;
            let request = bench.add_request(&container)?.set("prevResult", json!({"cniVersion": "1.0.0", "ips": 5}));
            bench.call(request)?.failed().map(drop)
        },
    )
    .in_namespace()
    .of(KINDS)
    .since(SpecVersion::V0_3_0),
];

fn another_version(bench: &Bench<'_>) -> Outcome {
    use cni_skel::types::AddResult;

    for version in [SpecVersion::V0_4_0, SpecVersion::V1_0_0] {
        let container = bench.container()?;
        let mut request = bench.add_request(&container)?;
        let prev = request.config.get("prevResult").map(Value::to_string).unwrap_or_default();
        let converted =
            AddResult::decode(bench.setup.version(), &prev).ok().and_then(|of| of.encode(version).ok());
        let Some(converted) = converted.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return not_run("the plugins before it give no result that can be converted");
        };
        request = request.set("prevResult", converted);
        let exchange = bench.call(request)?;
        if exchange.exit_code == Some(0) {
            let result = exchange.result()?;
            let ips = result["ips"].as_array().cloned().unwrap_or_default();
            let wrong =
                |ip: &Value| ip["version"].is_string() == (bench.setup.version() >= SpecVersion::V1_0_0);
            if ips.iter().any(wrong) {
                return fail(
                    "addresses have the shape of prevResult, not that of the configuration's version",
                );
            }
        } else {
            exchange.failed()?;
        }
    }
    Ok(())
}
