//! The end of a call: what the plugin started must end too.

use cni_skel::types::Command;
use serde_json::json;

use super::section::{LIFECYCLE, RESULT};
use crate::conformance::aftermath::Aftermath;
use crate::conformance::bench::{Attached, Bench, version_config};
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail};
use crate::conformance::exchange::Exchange;
use crate::conformance::level::Level::{Must, Should};
use crate::conformance::request::Request;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "end/output-closed",
        RESULT,
        "When the plugin has ended, no process that it started holds its stdout or stderr open.",
        "A runtime reads both to the end. If a daemon holds them open, it waits for ever.",
        |bench| each_call(bench, |aftermath| &aftermath.open),
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Should,
        "end/nothing-runs-on",
        LIFECYCLE,
        "When the plugin has ended, no process that it started still runs in its process group.",
        "Each call would leave one more process, which works at the same time as the next call. A daemon that is \
         meant to stay leaves the group (setsid), so that a signal to the group does not end it.",
        |bench| each_call(bench, |aftermath| &aftermath.running),
    )
    .in_namespace()
    .as_process(),
];

/// Makes a call of each command. None may leave any of this behind.
fn each_call(bench: &Bench<'_>, left: fn(&Aftermath) -> &[String]) -> Outcome {
    let call = |command: Command, request: Request| -> Result<Exchange, _> {
        let (exchange, aftermath) = bench.call_and_look(request)?;
        match left(&aftermath) {
            [] => Ok(exchange),
            some => fail(format!("a second after {command} had ended: {}", some.join("; "))),
        }
    };
    let version = bench.setup.version();
    call(Command::Version, bench.request(Command::Version).stdin(version_config(version.as_str())))?;
    let container = bench.container()?;
    let result = call(Command::Add, bench.add_request(&container)?)?.result()?;
    let attached = Attached { container, result };
    // Other checks look at how they end.
    for command in [Command::Check, Command::Status, Command::Del, Command::Gc] {
        if command.since() > version {
            continue;
        }
        let request = match command {
            Command::Status => bench.request(command),
            Command::Gc => bench.request(command).set("cni.dev/valid-attachments", json!([])),
            _ => bench.after(command, &attached),
        };
        call(command, request)?;
    }
    bench.unprepare(&attached.container, Some(&attached.result));
    Ok(())
}
