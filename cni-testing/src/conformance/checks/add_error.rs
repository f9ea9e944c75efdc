//! ADD: what a plugin must refuse, and what remains when it fails.

use cni_skel::types::Command;
use serde_json::Value;

use super::section::{ADD, DEL, ERROR, PARAMETERS, RESULT};
use crate::conformance::bench::{Bench, NO_NETNS};
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run, unchanged};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Must, Should};
use crate::conformance::world::{difference, inside};
use crate::process::Pipes;
use crate::scene::describe;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "add/ifname-taken",
        ADD,
        "ADD is an error if the container already has an interface of that name, and does not change the interface.",
        "The specification requires an error if the container already has an interface of that name.",
        ifname_taken,
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/ifname-taken-leaves-nothing",
        ADD,
        "An ADD that fails because the interface exists leaves nothing on the host: no link, no address, no rule.",
        "The runtime tries again with other containers, so whatever is left behind accumulates.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("every container has lo");
            }
            bench.warm_up()?;
            let container = bench.container()?;
            occupy(&container)?;
            bench.leaves_nothing(&[], || bench.call(bench.about(Command::Add, &container)))
        },
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/failure-has-no-result",
        ERROR,
        "An ADD that fails during its work prints one error object, and no part of a result.",
        "A runtime cannot decode two documents, and might use an address from the first.",
        failure_has_no_result,
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/unwritten-result",
        RESULT,
        "An ADD whose result cannot be written does not end with exit code 0.",
        "The runtime would believe that ADD succeeded, without an address and without anything to remove.",
        |bench| {
            let container = bench.container()?;
            let exchange = bench.call(bench.add_request(&container)?.pipes(Pipes::FullStdout))?;
            if exchange.exit_code == Some(0) { fail("exit code 0, though stdout is full") } else { Ok(()) }
        },
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Should,
        "add/unwritten-result-leaves-nothing",
        DEL,
        "After an ADD whose result could not be read, and a DEL, the host and the container are as before.",
        "The runtime then calls DEL without a result.",
        |bench| {
            bench.warm_up()?;
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            bench.leaves_nothing(&[&container], || {
                bench.call(request.pipes(Pipes::ClosedStdout))?;
                bench.call(bench.about(Command::Del, &container))?.succeeded()
            })
        },
    )
    .in_namespace()
    .as_process(),
    Check::new(
        Must,
        "add/no-such-netns",
        PARAMETERS,
        "ADD is an error if there is no namespace at CNI_NETNS.",
        "The most frequent reason for a failed ADD is that the container has ended.",
        |bench| bad_netns(bench, NO_NETNS),
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/no-such-netns-leaves-nothing",
        ADD,
        "An ADD that fails because the namespace is missing leaves nothing on the host.",
        "No later call would remove it.",
        |bench| {
            bench.warm_up()?;
            let container = bench.container()?;
            let request = bench.about(Command::Add, &container).env("CNI_NETNS", NO_NETNS);
            bench.leaves_nothing(&[], || bench.call(request))
        },
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/netns-is-a-file",
        PARAMETERS,
        "ADD is an error if CNI_NETNS is a file that is not a namespace.",
        "The mount may be gone while the file below it still exists.",
        |bench| bad_netns(bench, "/etc/passwd"),
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Should,
        "add/own-netns",
        PARAMETERS,
        "ADD is an error if CNI_NETNS is the plugin's own namespace, and changes nothing there.",
        "Otherwise a wrong path gives the container's addresses and routes to the host.",
        own_netns,
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/own-netns-one-document",
        RESULT,
        "ADD for the plugin's own namespace prints one document, not a result and an error.",
        "A plugin that compares the namespaces after its work has already printed the result.",
        |bench| {
            let container = bench.container()?;
            let request = bench.add_request(&container)?.env("CNI_NETNS", own_path());
            let exchange = bench.call(request)?;
            let documents = serde_json::Deserializer::from_str(&exchange.stdout).into_iter::<Value>().count();
            if documents < 2 { Ok(()) } else { fail(format!("there are {documents} documents on stdout")) }
        },
    )
    .in_namespace(),
];

/// Makes an interface with the name that the plugin is to use.
fn occupy(container: &crate::conformance::world::Container) -> Outcome {
    use cni_skel::net::Bridge;

    let made =
        container.netns.net().and_then(|net| net.add_bridge(&Bridge::new(&container.ifname).mtu(1400)));
    made.map(drop).or_else(|why| not_run(describe(&why)))
}

fn ifname_taken(bench: &Bench<'_>) -> Outcome {
    if bench.setup.ifname == "lo" {
        return not_run("every container has lo");
    }
    let container = bench.container()?;
    occupy(&container)?;
    let before = inside(&container)?;
    bench.call(bench.about(Command::Add, &container))?.failed()?;
    unchanged(&difference(&before, &inside(&container)?))
}

fn failure_has_no_result(bench: &Bench<'_>) -> Outcome {
    let container = bench.container()?;
    let taken = bench.container()?;
    let mut requests = vec![bench.about(Command::Add, &container).env("CNI_NETNS", NO_NETNS)];
    if bench.setup.ifname != "lo" {
        occupy(&taken)?;
        requests.push(bench.about(Command::Add, &taken));
    }
    for request in requests {
        let exchange = bench.call(request)?;
        // Other checks look at whether it is a failure.
        if exchange.exit_code == Some(0) || exchange.complaint().is_none() {
            continue;
        }
        match serde_json::from_str::<Value>(&exchange.stdout) {
            Ok(object) => {
                let parts = ["interfaces", "ips", "ip4", "ip6", "routes"];
                if let Some(part) = parts.into_iter().find(|key| !object[*key].is_null()) {
                    return fail(format!("the error contains {part}"));
                }
            }
            Err(why) => return fail(format!("stdout is not one JSON document: {why}")),
        }
    }
    Ok(())
}

fn bad_netns(bench: &Bench<'_>, path: &str) -> Outcome {
    let container = bench.container()?;
    bench.call(bench.about(Command::Add, &container).env("CNI_NETNS", path))?.failed().map(drop)
}

fn own_netns(bench: &Bench<'_>) -> Outcome {
    if bench.setup.ifname != "lo" {
        bench.warm_up()?;
    }
    let container = bench.container()?;
    let request = bench.about(Command::Add, &container).env("CNI_NETNS", own_path());
    bench.leaves_nothing(&[], || bench.call(request)?.failed())
}

/// The namespace of this thread, and so of the plugin.
pub(super) fn own_path() -> String {
    // `/proc/thread-self` would be another thread when the plugin opens it.
    std::fs::read_link("/proc/thread-self").map_or_else(
        |_| "/proc/self/ns/net".to_owned(),
        |thread| format!("/proc/{}/ns/net", thread.display()),
    )
}
