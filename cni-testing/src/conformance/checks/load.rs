//! Many calls at once, and calls that are interrupted.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use cni_skel::types::{Command, ErrorCode, SpecVersion};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::section::{ERROR, LIFECYCLE, RESULT};
use crate::conformance::bench::{Attached, Bench};
use crate::conformance::check::Check;
use crate::conformance::ending::{Ending, Outcome, fail, not_run, unanswered};
use crate::conformance::exchange::Exchange;
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Manners, Must, Should};
use crate::conformance::request::Request;
use crate::conformance::world::Container;
use crate::isolation;

const CONTAINERS: usize = 32;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "load/parallel-add",
        LIFECYCLE,
        "ADD of thirty-two containers at once succeeds.",
        "A runtime may call the plugin for different containers at once, and does after a restart.",
        |bench| parallel(bench).map(drop),
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Must,
        "load/parallel-unique",
        LIFECYCLE,
        "Thirty-two containers that are attached at once get different addresses.",
        "Without a lock, two plugins that search at the same time find the same free address.",
        |bench| {
            super::ipam::hands_out(bench)?;
            if bench.setup.ifname == "lo" {
                return not_run("every container has the same addresses on lo");
            }
            let mut seen = BTreeSet::new();
            for attached in parallel(bench)? {
                for ip in attached.result["ips"].as_array().into_iter().flatten() {
                    let address = ip["address"].as_str().unwrap_or_default().to_owned();
                    if !seen.insert(address.clone()) {
                        return fail(format!("{address} is assigned twice"));
                    }
                }
            }
            if seen.is_empty() { not_run("the results have no addresses") } else { Ok(()) }
        },
    )
    .in_namespace()
    .of(&[Kind::Interface, Kind::Ipam])
    .since(SpecVersion::V0_3_0)
    .as_process(),
    Check::new(
        Should,
        "load/parallel-del",
        LIFECYCLE,
        "DEL of thirty-two containers at once succeeds, and leaves nothing.",
        "When a node is drained, all containers go at once.",
        |bench| {
            bench.warm_up()?;
            let kept = bench.attach()?;
            bench.detach(&kept)?.succeeded()?;
            let containers = prepared(bench)?;
            bench.leaves_nothing(&[], || {
                let attached = all_at_once(bench, containers)?;
                let requests = attached.iter().map(|of| bench.after(Command::Del, of)).collect();
                at_once(bench, requests)?.iter().try_for_each(Exchange::succeeded)
            })
        },
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Should,
        "load/killed",
        LIFECYCLE,
        "After an ADD was killed during its work, DEL succeeds and leaves nothing, and ADD works again.",
        "Runtimes kill plugins that take too long, and nodes lose power.",
        |bench| cut_off(bench, Signal::SIGKILL),
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Should,
        "load/terminated",
        LIFECYCLE,
        "After an ADD got SIGTERM during its work, DEL succeeds and leaves nothing, and ADD works again.",
        "A shutdown sends SIGTERM. A plugin may end at once, undo its work, or finish it.",
        |bench| cut_off(bench, Signal::SIGTERM),
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Should,
        "load/parallel-mixed",
        LIFECYCLE,
        "While sixteen containers are detached, sixteen others can be attached; when all are detached, nothing is left.",
        "Pods come and go at the same time.",
        mixed,
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Manners,
        "load/read-only-state",
        RESULT,
        "If state cannot be written, ADD is an error or succeeds without it.",
        "A file system may become read-only, and the error should say so.",
        |bench| {
            let exchange = read_only(bench)?;
            if exchange.exit_code == Some(0) { Ok(()) } else { exchange.failed().map(drop) }
        },
    )
    .in_namespace(),
    Check::new(
        Manners,
        "load/read-only-state-code",
        ERROR,
        "If state cannot be written, ADD fails with code 5.",
        "Code 5 means that a file cannot be read or written.",
        |bench| {
            let exchange = read_only(bench)?;
            if exchange.exit_code == Some(0) {
                return not_run("it succeeds without it");
            }
            exchange.failed_with(&[ErrorCode::IO_FAILURE]).map(drop)
        },
    )
    .in_namespace(),
    Check::new(
        Manners,
        "load/result-size",
        RESULT,
        "The result is valid UTF-8 and shorter than a megabyte.",
        "Runtimes store it, and send it with each later call.",
        |bench| {
            let exchange = bench.add()?;
            exchange.succeeded()?;
            if exchange.stdout.len() > 1 << 20 {
                return fail(format!("the result has {} bytes", exchange.stdout.len()));
            }
            if exchange.stdout.contains('\u{fffd}') {
                fail("the result is not UTF-8")
            } else {
                Ok(())
            }
        },
    )
    .in_namespace(),
];

fn prepared(bench: &Bench<'_>) -> Result<Vec<(Container, Request)>, Ending> {
    (0..CONTAINERS)
        .map(|_| {
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            Ok((container, request))
        })
        .collect()
}

fn parallel(bench: &Bench<'_>) -> Result<Vec<Attached>, Ending> {
    let containers = prepared(bench)?;
    all_at_once(bench, containers)
}

fn all_at_once(bench: &Bench<'_>, containers: Vec<(Container, Request)>) -> Result<Vec<Attached>, Ending> {
    let requests = containers.iter().map(|(_, request)| request.clone()).collect();
    let exchanges = at_once(bench, requests)?;
    if exchanges.iter().any(|exchange| exchange.exit_code != Some(0)) {
        // This distinguishes a failure under load from an exhausted pool.
        if bench.add()?.exit_code != Some(0) {
            return not_run(format!(
                "ADD of one more container fails too: is there room for {CONTAINERS} containers?"
            ));
        }
    }
    let mut attached = Vec::new();
    for ((container, _), exchange) in containers.into_iter().zip(exchanges) {
        let result: Value = exchange.result()?;
        attached.push(Attached { container, result });
    }
    Ok(attached)
}

fn at_once(bench: &Bench<'_>, requests: Vec<Request>) -> Result<Vec<Exchange>, Ending> {
    let program = bench.program()?;
    if let Some(ipam) = &bench.ipam {
        ipam.answer_in(bench.setup.version().as_str());
    }
    let timeout = bench.setup.timeout * 3;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = requests
            .iter()
            .map(|request| {
                scope.spawn(move || {
                    let started = Instant::now();
                    let called = request.start(program).and_then(|process| process.finish_group(timeout));
                    (called, started.elapsed())
                })
            })
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let held = answers.iter().filter_map(|(answer, _)| answer.as_ref().err());
    if let Some(why) = held.into_iter().find(|why| why.kind() == io::ErrorKind::ResourceBusy) {
        // Other calls may wait for that one.
        return not_run(why.to_string());
    }
    let mut exchanges = Vec::new();
    for (request, (answer, took)) in requests.into_iter().zip(answers) {
        let answer = answer.or_else(|why| unanswered("", &why))?;
        let crate::Answer { exit_code, stdout, stderr, .. } = answer;
        exchanges.push(bench.note(Exchange { request, exit_code, stdout, stderr, took }));
    }
    Ok(exchanges)
}

/// An ADD while no folder of state can be written.
fn read_only(bench: &Bench<'_>) -> Result<Exchange, Ending> {
    let container = bench.container()?;
    let request = bench.add_request(&container)?;
    for folder in &bench.setup.folders {
        // Two of the folders may be the same.
        let _ = isolation::make_read_only(folder);
    }
    bench.call(request)
}

fn mixed(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let first = bench.attach()?;
    bench.detach(&first)?.succeeded()?;
    let mut old = prepared(bench)?;
    let new = old.split_off(CONTAINERS / 2);
    bench.leaves_nothing(&[], || {
        let old = all_at_once(bench, old)?;
        let requests = old.iter().map(|of| bench.after(Command::Del, of));
        let requests = requests.chain(new.iter().map(|(_, request)| request.clone())).collect();
        let mut exchanges = at_once(bench, requests)?;
        let added = exchanges.split_off(old.len());
        exchanges.iter().try_for_each(Exchange::succeeded)?;
        let new = new
            .into_iter()
            .zip(added)
            .map(|((container, _), exchange)| Ok(Attached { container, result: exchange.result()? }));
        let new = new.collect::<Result<Vec<_>, Ending>>()?;
        let requests = new.iter().map(|of| bench.after(Command::Del, of)).collect();
        at_once(bench, requests)?.iter().try_for_each(Exchange::succeeded)
    })
}

/// An ADD that gets a signal at different times, and a DEL without a result.
fn cut_off(bench: &Bench<'_>, signal: Signal) -> Outcome {
    bench.warm_up()?;
    let program = bench.program()?;
    let container = bench.container()?;
    let exchange = bench.call(bench.add_request(&container)?)?;
    let (result, usual) = (exchange.result()?, exchange.took);
    bench.detach(&Attached { container, result })?.succeeded()?;
    for part in [0.1, 0.25, 0.4, 0.6, 0.8] {
        let container = bench.container()?;
        let request = bench.add_request(&container)?;
        let pause = Duration::from_secs_f64(usual.as_secs_f64() * part);
        let outcome = bench.leaves_nothing(&[&container], || {
            request
                .cut_off(program, pause, signal, bench.setup.timeout)
                .or_else(|why| unanswered(&format!("after {signal} "), &why))?;
            bench.call(bench.about(Command::Del, &container))?.succeeded()
        });
        if let Err(Ending::Failed(found)) = outcome {
            return fail(format!("{signal} after {pause:?}, and after DEL:\n{found}"));
        }
        outcome?;
        if request.config.contains_key("prevResult") {
            // The plugins before a chained one have made a new interface by then.
            continue;
        }
        let result = bench.call(request)?.result()?;
        bench.call(bench.after(Command::Del, &Attached { container, result }))?.succeeded()?;
    }
    Ok(())
}
