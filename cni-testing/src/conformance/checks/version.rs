//! VERSION, and the versions that a plugin supports.

use std::time::Duration;

use cni_skel::types::{Command, ErrorCode, SpecVersion};
use serde_json::Value;

use super::section::{CHECK, CONFIG, ERROR, GC, VERSION};
use crate::conformance::bench::{Bench, version_config};
use crate::conformance::check::Check;
use crate::conformance::ending::{Ending, Outcome, fail, not_run};
use crate::conformance::exchange::Exchange;
use crate::conformance::level::Level::{Manners, Must, Should};
use crate::process::Pipes;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "version/answers",
        VERSION,
        "VERSION succeeds, and prints one JSON object with `cniVersion` and `supportedVersions`.",
        "A runtime learns from it which versions it may use.",
        answers,
    ),
    Check::new(
        Must,
        "version/list",
        VERSION,
        "`supportedVersions` lists at least one version, each once, as three numbers.",
        "Runtimes compare them as strings: \"1.0\" is not \"1.0.0\".",
        list,
    ),
    Check::new(
        Must,
        "version/echo",
        VERSION,
        "`cniVersion` of the answer is that of the request.",
        "The answer is in the requested version.",
        |bench| {
            for version in ["0.4.0", "1.0.0"] {
                let exchange = version_call(bench, version_config(version))?;
                let answer = exchange.first_document().unwrap_or_default();
                if answer["cniVersion"] != *version {
                    return fail(format!("cniVersion is {}, but {version:?} was requested", answer["cniVersion"]));
                }
            }
            Ok(())
        },
    ),
    Check::new(
        Must,
        "version/bare-environment",
        VERSION,
        "VERSION needs no variable except CNI_COMMAND.",
        "Runtimes call it before there is a container.",
        |bench| {
            let names = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"];
            let request = bench.request(Command::Version).stdin(version_config("1.0.0"));
            bench.call(names.iter().fold(request, |request, name| request.without(name)))?.succeeded()
        },
    ),
    Check::new(
        Must,
        "version/dummy-environment",
        VERSION,
        "VERSION ignores all variables except CNI_COMMAND.",
        "The common Go library sends CNI_NETNS=dummy, CNI_IFNAME=dummy and CNI_PATH=dummy.",
        |bench| {
            let request = bench.request(Command::Version).stdin(version_config("1.0.0"));
            let request = request.env("CNI_CONTAINERID", "-not/valid").env("CNI_NETNS", "dummy");
            bench.call(request.env("CNI_IFNAME", "not/valid/and/too/long").env("CNI_PATH", "dummy"))?.succeeded()
        },
    ),
    Check::new(
        Should,
        "version/any-input",
        VERSION,
        "VERSION answers whatever stdin is: empty, or not JSON.",
        "Old runtimes send nothing.",
        |bench| {
            for stdin in ["", "garbage", "[]", "{}"] {
                version_call(bench, stdin.to_owned())?.succeeded()?;
            }
            Ok(())
        },
    ),
    Check::new(
        Manners,
        "version/open-stdin",
        VERSION,
        "VERSION answers within a second even if stdin stays open without data.",
        "People call it from a shell, and runtimes forget to close pipes.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Version).pipes(Pipes::OpenStdin))?;
            exchange.succeeded()?;
            if exchange.took < Duration::from_secs(1) {
                Ok(())
            } else {
                fail(format!("the answer took {:.1} s", exchange.took.as_secs_f64()))
            }
        },
    )
    .as_process(),
    Check::new(
        Must,
        "version/unsupported",
        ERROR,
        "A `cniVersion` that the plugin does not support is an error with code 1.",
        "The runtime may then try another version. It cannot decode an answer in a version that it did not request.",
        |bench| unsupported(bench, &["9.9.9", "0.0.1"]),
    ),
    Check::new(
        Should,
        "version/malformed",
        ERROR,
        "A `cniVersion` that the specification does not define is an error with code 1, even if it is similar: `1.0`, \
         `v1.0.0`.",
        "Versions are compared exactly.",
        |bench| unsupported(bench, &["1.0", "v1.0.0", "1.1.0-rc1", "01.0.0"]),
    ),
    Check::new(
        Must,
        "version/not-text",
        CONFIG,
        "A `cniVersion` that is not a string is an error with code 6, 7 or 1.",
        "The specification defines it as a string.",
        |bench| {
            let codes = [6, 7, 1].map(ErrorCode::new);
            bench.call(bench.unreal(Command::Add).set("cniVersion", 1.0))?.failed_with(&codes).map(drop)
        },
    ),
    Check::new(
        Should,
        "version/unsupported-explained",
        ERROR,
        "The error about an unsupported version contains it, and a version that the plugin supports.",
        "People need both after an upgrade, when this error is frequent.",
        |bench| {
            let complaint = bench.call(bench.unreal(Command::Add).set("cniVersion", "9.9.9"))?.failed()?;
            if !complaint.mentions("9.9.9") {
                return fail("neither msg nor details contain 9.9.9");
            }
            match bench.profile.supported.iter().any(|version| complaint.mentions(version.as_str())) {
                true => Ok(()),
                false => fail("neither msg nor details contain a supported version"),
            }
        },
    ),
    Check::new(
        Should,
        "version/check-gate",
        CHECK,
        "CHECK of a configuration before 0.4.0 is an error with code 1.",
        "CHECK does not exist in those versions. A success would be wrong.",
        |bench| gate(bench, Command::Check, SpecVersion::V0_3_1),
    ),
    Check::new(
        Should,
        "version/gc-gate",
        GC,
        "GC of a configuration before 1.1.0 is an error.",
        "GC does not exist in those versions.",
        |bench| gate(bench, Command::Gc, SpecVersion::V1_0_0),
    )
    .in_namespace(),
    Check::new(
        Should,
        "version/status-gate",
        VERSION,
        "STATUS of a configuration before 1.1.0 is an error.",
        "STATUS does not exist in those versions. A success would be wrong.",
        |bench| gate(bench, Command::Status, SpecVersion::V1_0_0),
    ),
    Check::new(
        Must,
        "version/changes-nothing",
        VERSION,
        "VERSION changes nothing on the host.",
        "It is only a query.",
        |bench| {
            bench.changes_nothing(&[], bench.request(Command::Version).stdin(version_config("1.0.0")))
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "version/kept",
        VERSION,
        "ADD and DEL work in every version that VERSION lists.",
        "Runtimes rely on the list.",
        kept,
    )
    .in_namespace(),
    Check::new(
        Should,
        "version/absent",
        CONFIG,
        "A configuration without `cniVersion` has version 0.1.0: the result has the shape of that version, or the call \
         fails with code 1.",
        "Early configurations did not have the key.",
        absent,
    )
    .in_namespace(),
];

fn version_call(bench: &Bench<'_>, stdin: String) -> Result<Exchange, Ending> {
    bench.call(bench.request(Command::Version).stdin(stdin))
}

fn answers(bench: &Bench<'_>) -> Outcome {
    let exchange = version_call(bench, version_config("1.0.0"))?;
    exchange.succeeded()?;
    let answer: Value = match serde_json::from_str(&exchange.stdout) {
        Ok(answer @ Value::Object(_)) => answer,
        Ok(_) => return fail("stdout is not a JSON object"),
        Err(why) => return fail(format!("stdout is not one JSON document: {why}")),
    };
    if !answer["cniVersion"].is_string() {
        return fail("cniVersion is missing or not a string");
    }
    if answer["supportedVersions"].is_array() {
        Ok(())
    } else {
        fail("supportedVersions is missing or not a list")
    }
}

fn list(bench: &Bench<'_>) -> Outcome {
    let exchange = version_call(bench, version_config("1.0.0"))?;
    let answer = exchange.first_document().unwrap_or_default();
    let listed = answer["supportedVersions"].as_array().cloned().unwrap_or_default();
    if listed.is_empty() {
        return fail(
            "no version is listed\n\
             the answer looks like {\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"0.4.0\", \"1.0.0\"]}",
        );
    }
    for (n, version) in listed.iter().enumerate() {
        let text = version.as_str().unwrap_or_default();
        let parts: Vec<_> = text.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.chars().all(|digit| digit.is_ascii_digit());
        if parts.len() != 3 || !parts.iter().all(is_number) {
            return fail(format!("{version} is not a version of three numbers"));
        }
        if listed[..n].contains(version) {
            return fail(format!("{version} is listed twice"));
        }
    }
    Ok(())
}

fn unsupported(bench: &Bench<'_>, versions: &[&str]) -> Outcome {
    versions.iter().try_for_each(|version| {
        let exchange = bench.call(bench.unreal(Command::Add).set("cniVersion", *version))?;
        exchange.failed_with(&[ErrorCode::INCOMPATIBLE_VERSION]).map(drop)
    })
}

fn gate(bench: &Bench<'_>, command: Command, version: SpecVersion) -> Outcome {
    let request = bench.unreal(command).set("cniVersion", version.as_str());
    let request = request.set("prevResult", serde_json::json!({"cniVersion": version.as_str()}));
    let request = request.set("cni.dev/valid-attachments", serde_json::json!([]));
    let exchange = bench.call(request)?;
    // A plugin does not know commands that are newer than the versions it supports. That is an error with another code.
    if command == Command::Check {
        exchange.failed_with(&[ErrorCode::INCOMPATIBLE_VERSION]).map(drop)
    } else {
        exchange.failed().map(drop)
    }
}

fn kept(bench: &Bench<'_>) -> Outcome {
    let versions: Vec<_> =
        bench.profile.supported.iter().copied().filter(|version| works_in(bench, *version)).collect();
    if versions.is_empty() {
        return not_run("VERSION lists no version that can be tried");
    }
    for version in versions {
        let container = bench.container()?;
        let request = in_version(bench.add_request(&container)?, version);
        let exchange = bench.call(request)?;
        let result = exchange.result()?;
        let request = in_version(bench.about(Command::Del, &container), version).set("prevResult", result);
        bench.call(request)?.succeeded()?;
    }
    Ok(())
}

/// The scripted IPAM plugin and the made interface support all versions. Real plugins may not.
fn works_in(bench: &Bench<'_>, version: SpecVersion) -> bool {
    bench.setup.before.is_empty() || version == bench.setup.version()
}

/// The request in another version, with its prevResult.
pub(super) fn in_version(
    request: crate::conformance::request::Request,
    version: SpecVersion,
) -> crate::conformance::request::Request {
    use cni_skel::types::AddResult;

    let prev = request.config.get("prevResult").map(Value::to_string);
    let prev = prev.and_then(|text| AddResult::decode(version, &text).ok()?.encode(version).ok());
    let request = request.set("cniVersion", version.as_str());
    match prev.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
        Some(prev) => request.set("prevResult", prev),
        None => request,
    }
}

fn absent(bench: &Bench<'_>) -> Outcome {
    if !bench.setup.before.is_empty() {
        return not_run("there are plugins before it");
    }
    let container = bench.container()?;
    let request = in_version(bench.add_request(&container)?, SpecVersion::V0_1_0).unset("cniVersion");
    let exchange = bench.call(request)?;
    if exchange.exit_code != Some(0) {
        return exchange.failed_with(&[ErrorCode::INCOMPATIBLE_VERSION]).map(drop);
    }
    let result = exchange.result()?;
    match ["interfaces", "ips", "routes"].into_iter().find(|key| !result[*key].is_null()) {
        Some(key) => fail(format!("the result has {key}, which version 0.1.0 does not define")),
        None => Ok(()),
    }
}
