//! Error objects.

use cni_skel::types::{Command, ErrorCode};
use serde_json::Value;

use super::section::{ERROR, RESULT};
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Ending, fail};
use crate::conformance::exchange::Exchange;
use crate::conformance::level::Level::{Manners, Must, Should};
use crate::process::Pipes;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "error/one-object",
        ERROR,
        "A failure prints exactly one JSON object on stdout, with nothing before or after it.",
        "The runtime decodes all of stdout. It cannot decode an error beside a log line.",
        |bench| {
            failures(bench)?.iter().try_for_each(|exchange| {
                match serde_json::from_str::<Value>(&exchange.stdout) {
                    Ok(Value::Object(_)) => Ok(()),
                    Ok(_) => fail(format!("{}: stdout is not an object", name(exchange))),
                    Err(why) => fail(format!("{}: stdout is not one JSON document: {why}", name(exchange))),
                }
            })
        },
    ),
    Check::new(
        Must,
        "error/code",
        ERROR,
        "`code` of an error is a non-negative number.",
        "The common Go library cannot decode another type, and shows a different error.",
        |bench| {
            failures(bench)?.iter().try_for_each(|exchange| {
                let code = &exchange.first_document().unwrap_or_default()["code"];
                if code.is_u64() { Ok(()) } else { fail(format!("{}: code is {code}", name(exchange))) }
            })
        },
    ),
    Check::new(
        Must,
        "error/msg",
        ERROR,
        "`msg` of an error is a non-empty string.",
        "People see it in the events of their pod.",
        |bench| {
            failures(bench)?.iter().try_for_each(|exchange| {
                let msg = &exchange.first_document().unwrap_or_default()["msg"];
                match msg.as_str() {
                    Some(text) if !text.trim().is_empty() => Ok(()),
                    _ => fail(format!("{}: msg is {msg}", name(exchange))),
                }
            })
        },
    ),
    Check::new(
        Must,
        "error/version",
        ERROR,
        "`cniVersion` of an error is that of the request.",
        "The error is in the version of the configuration.",
        |bench| {
            let version = bench.setup.version();
            let exchange =
                bench.call(bench.unreal(Command::Add).without("CNI_IFNAME").env("CNI_IFNAME", "a/b"))?;
            exchange.failed()?;
            let exchange = bench.call(bench.unreal(Command::Add).set("name", "bad/name"))?;
            exchange.failed()?;
            let found = &exchange.first_document().unwrap_or_default()["cniVersion"];
            if *found == *version.as_str() {
                Ok(())
            } else {
                fail(format!("cniVersion is {found}, but the request's is {:?}", version.as_str()))
            }
        },
    ),
    Check::new(
        Must,
        "error/known-codes",
        ERROR,
        "Codes below 100 are used as the specification defines them.",
        "The specification reserves them. A plugin may define codes from 100.",
        |bench| {
            const KNOWN: [u64; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 11, 50, 51];
            failures(bench)?.iter().try_for_each(|exchange| {
                let code = exchange.complaint().and_then(|complaint| complaint.code);
                match code.filter(|code| *code < 100 && !KNOWN.contains(code)) {
                    Some(code) => {
                        fail(format!("{}: the specification does not define code {code}", name(exchange)))
                    }
                    None => Ok(()),
                }
            })
        },
    ),
    Check::new(
        Must,
        "error/details",
        ERROR,
        "`details` of an error, if present, is a string.",
        "The specification defines it as a string.",
        |bench| {
            failures(bench)?.iter().try_for_each(|exchange| {
                match &exchange.first_document().unwrap_or_default()["details"] {
                    Value::Null | Value::String(_) => Ok(()),
                    other => fail(format!("{}: details is {other}", name(exchange))),
                }
            })
        },
    ),
    Check::new(
        Must,
        "error/no-result",
        ERROR,
        "A failure prints an error without any part of a result.",
        "A runtime might use an address in it, and never release it.",
        |bench| {
            failures(bench)?.iter().try_for_each(|exchange| {
                let object = exchange.first_document().unwrap_or_default();
                let part = ["interfaces", "ips", "ip4", "ip6", "routes"]
                    .into_iter()
                    .find(|key| !object[*key].is_null());
                part.map_or(Ok(()), |key| fail(format!("{}: the error has {key}", name(exchange))))
            })
        },
    ),
    Check::new(
        Manners,
        "error/plain-text",
        ERROR,
        "The output is valid UTF-8 without colours, and shorter than a megabyte.",
        "It is shown in logs and events, not only on a terminal.",
        |bench| {
            failures(bench)?.iter().try_for_each(|exchange| {
                let text = &exchange.stdout;
                let bad = [
                    (text.contains('\u{1b}') || text.contains("\\u001b"), "a terminal's escape sequence"),
                    (text.contains('\u{fffd}'), "bytes that are not UTF-8"),
                    (text.len() > 1 << 20, "more than a megabyte"),
                ];
                let bad = bad.into_iter().find(|(is_so, _)| *is_so);
                bad.map_or(Ok(()), |(_, what)| fail(format!("{}: stdout contains {what}", name(exchange))))
            })
        },
    ),
    Check::new(
        Must,
        "error/full-stdout",
        RESULT,
        "A plugin that cannot write its answer does not end with exit code 0.",
        "Otherwise the runtime takes an empty answer for the answer.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Version).pipes(Pipes::FullStdout))?;
            if exchange.exit_code == Some(0) { fail("exit code 0, though stdout is full") } else { Ok(()) }
        },
    )
    .as_process(),
    Check::new(
        Should,
        "error/closed-stdout",
        RESULT,
        "A plugin whose stdout has no reader ends, and not with exit code 0.",
        "The runtime may have given up. A call whose answer is not delivered has not succeeded.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Version).pipes(Pipes::ClosedStdout))?;
            // A signal is an end too.
            if exchange.exit_code == Some(0) {
                fail("exit code 0, though stdout has no reader")
            } else {
                Ok(())
            }
        },
    )
    .as_process(),
];

/// Calls that every plugin refuses, each for another reason.
fn failures(bench: &Bench<'_>) -> Result<Vec<Exchange>, Ending> {
    let requests = [
        bench.unreal(Command::Add).without("CNI_IFNAME"),
        bench.unreal(Command::Add).env("CNI_CONTAINERID", "-bad"),
        bench.unreal(Command::Del).env("CNI_CONTAINERID", "-bad"),
        bench.unreal(Command::Add).set("name", "bad/name"),
        bench.unreal(Command::Add).set("cniVersion", "9.9.9"),
        bench.unreal(Command::Add).stdin("{"),
        bench.unreal(Command::Add).env("CNI_COMMAND", "NOPE"),
    ];
    let mut exchanges = Vec::new();
    for request in requests {
        let exchange = bench.call(request)?;
        // Other checks find calls that do not fail, or fail without an error.
        if exchange.exit_code != Some(0) && exchange.complaint().is_some() {
            exchanges.push(exchange);
        }
    }
    if exchanges.is_empty() {
        let codes = ErrorCode::INVALID_ENVIRONMENT;
        return fail(format!("seven invalid calls and no error object, such as one with code {codes}"));
    }
    Ok(exchanges)
}

/// The call, to show to a person.
fn name(exchange: &Exchange) -> String {
    let env = &exchange.request.env;
    let word =
        |name: &str| env.get(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    format!(
        "{} of container {:?}, interface {:?}",
        word("CNI_COMMAND"),
        word("CNI_CONTAINERID"),
        word("CNI_IFNAME")
    )
}
