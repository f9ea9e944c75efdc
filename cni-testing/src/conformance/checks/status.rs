//! STATUS.

use std::time::Duration;

use cni_skel::types::{Command, SpecVersion};

use super::section::STATUS;
use crate::conformance::check::Check;
use crate::conformance::ending::fail;
use crate::conformance::level::Level::{Manners, Must, Should};

const SINCE: SpecVersion = SpecVersion::V1_1_0;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "status/answers",
        STATUS,
        "STATUS succeeds, or is an error with code 50, 51, or 100 and above.",
        "Code 50 means that the plugin is not available, code 51 that connectivity may be limited.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Status))?;
            if exchange.exit_code == Some(0) {
                return Ok(());
            }
            let complaint = exchange.failed()?;
            match complaint.code {
                Some(50 | 51 | 100..) => Ok(()),
                code => fail(format!("the code is {code:?}")),
            }
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "status/silent",
        STATUS,
        "A successful STATUS prints nothing on stdout.",
        "STATUS has no result.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Status))?;
            if exchange.exit_code == Some(0) { exchange.silent_success() } else { Ok(()) }
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "status/changes-nothing",
        STATUS,
        "STATUS changes nothing on the host.",
        "Runtimes call it every few seconds.",
        |bench| {
            let attached = bench.attach()?;
            bench.changes_nothing(&[&attached.container], bench.request(Command::Status))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "status/ready-means-add",
        STATUS,
        "If STATUS succeeds, ADD succeeds.",
        "A runtime relies on it.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Status))?;
            if exchange.exit_code == Some(0) { bench.attach().map(drop) } else { Ok(()) }
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "status/without-result",
        STATUS,
        "STATUS needs no `prevResult` and no container.",
        "Runtimes call it before there is a container.",
        |bench| {
            let request = bench.request(Command::Status).unset("prevResult");
            let names = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"];
            bench.call(names.iter().fold(request, |request, name| request.without(name)))?.succeeded()
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Manners,
        "status/quick",
        STATUS,
        "STATUS answers within a second.",
        "Runtimes call it every few seconds for each network.",
        |bench| {
            let exchange = bench.call(bench.request(Command::Status))?;
            if exchange.took < Duration::from_secs(1) {
                Ok(())
            } else {
                fail(format!("it took {:.1} s", exchange.took.as_secs_f64()))
            }
        },
    )
    .in_namespace()
    .since(SINCE),
];
