//! ADD: what a plugin must refuse, and what is left when it fails.

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
        "ADD is an error where the container has an interface of that name already, and leaves it alone.",
        "The specification has a plugin fail where the container has an interface of that name already.",
        ifname_taken,
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/ifname-taken-leaves-nothing",
        ADD,
        "An ADD that fails because the interface exists leaves nothing on the host: no link, no address, no rule.",
        "The runtime tries again with other containers; what is left behind each time fills the host.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("lo is there in every container");
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
        "An ADD that fails while it works prints one error object, and no part of a result.",
        "A runtime cannot read a document with another one behind it, and an address in it might be used.",
        failure_has_no_result,
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/unwritten-result",
        RESULT,
        "An ADD whose result cannot be written ends with another exit code than 0.",
        "The runtime would know of no address, and of nothing to take away.",
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
        "After an ADD whose result nobody could read, and DEL, the host and the container are as they were.",
        "The runtime has no result to send with DEL then, and calls it all the same.",
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
        "ADD is an error where there is no namespace at CNI_NETNS.",
        "A container that ended meanwhile is the most frequent reason for a failed ADD.",
        |bench| bad_netns(bench, NO_NETNS),
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/no-such-netns-leaves-nothing",
        ADD,
        "An ADD that fails because the namespace is not there leaves nothing on the host.",
        "Nobody knows of it, and so nobody takes it away.",
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
        "ADD is an error where CNI_NETNS is a file that is no namespace.",
        "The mount over it may be gone, and the file below still there.",
        |bench| bad_netns(bench, "/etc/passwd"),
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Should,
        "add/own-netns",
        PARAMETERS,
        "ADD is an error where CNI_NETNS is the namespace that the plugin itself is in, and changes nothing there.",
        "It would give the host the container's addresses and routes. It happens when a path is wrong.",
        own_netns,
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Must,
        "add/own-netns-one-document",
        RESULT,
        "ADD for the plugin's own namespace prints one document, not a result and an error behind it.",
        "A plugin that looks after it has worked has printed the result by then.",
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

/// Puts an interface where the plugin wants to put its own.
fn occupy(container: &crate::conformance::world::Container) -> Outcome {
    use cni_skel::net::Bridge;

    let made =
        container.netns.net().and_then(|net| net.add_bridge(&Bridge::new(&container.ifname).mtu(1400)));
    made.map(drop).or_else(|why| not_run(describe(&why)))
}

fn ifname_taken(bench: &Bench<'_>) -> Outcome {
    if bench.setup.ifname == "lo" {
        return not_run("lo is there in every container");
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
        // Whether it is a failure is the matter of other checks.
        if exchange.exit_code == Some(0) || exchange.complaint().is_none() {
            continue;
        }
        match serde_json::from_str::<Value>(&exchange.stdout) {
            Ok(object) => {
                let parts = ["interfaces", "ips", "ip4", "ip6", "routes"];
                if let Some(part) = parts.into_iter().find(|key| !object[*key].is_null()) {
                    return fail(format!("there is {part} in the error"));
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

/// The namespace that this thread, and so the plugin, is in.
pub(super) fn own_path() -> String {
    // A path of this thread would lead elsewhere when the plugin opens it.
    std::fs::read_link("/proc/thread-self").map_or_else(
        |_| "/proc/self/ns/net".to_owned(),
        |thread| format!("/proc/{}/ns/net", thread.display()),
    )
}
