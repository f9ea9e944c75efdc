//! GC.

use cni_skel::types::{Command, SpecVersion};
use serde_json::{Value, json};

use super::section::GC;
use crate::conformance::bench::{Attached, Bench};
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Must, Should};
use crate::conformance::request::Request;
use crate::conformance::world::difference;
use crate::isolation;

const SINCE: SpecVersion = SpecVersion::V1_1_0;
const VALID: &str = "cni.dev/valid-attachments";

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "gc/succeeds",
        GC,
        "GC without any container's variables succeeds, and prints nothing on stdout.",
        "GC is about a network, not a container.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(gc(bench, &[&attached]))?.silent_success()
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "gc/collects",
        GC,
        "GC removes what remains of attachments that are not valid, and releases their addresses.",
        "When a node crashes, containers disappear without DEL.",
        |bench| collects(bench, VALID),
    )
    .in_namespace()
    .of(&[Kind::Ipam, Kind::Interface])
    .since(SINCE),
    Check::new(
        Must,
        "gc/keeps-valid",
        GC,
        "GC does not change valid attachments.",
        "They are in use.",
        |bench| {
            let first = bench.attach()?;
            let second = bench.attach()?;
            unchanged(bench, &[&first, &second], gc(bench, &[&first, &second]))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "gc/without-list",
        GC,
        "GC without a list of valid attachments removes nothing. It may be an error.",
        "A missing list is not an empty list. A plugin that takes it for one detaches all containers of the node.",
        |bench| {
            let attached = bench.attach()?;
            unchanged(bench, &[&attached], bench.request(Command::Gc))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "gc/older-key",
        GC,
        "GC also accepts the list at the key `cni.dev/attachments`.",
        "The common Go library sends it at both keys, and older releases only at this one.",
        |bench| collects(bench, "cni.dev/attachments"),
    )
    .in_namespace()
    .of(&[Kind::Ipam, Kind::Interface])
    .since(SINCE),
    Check::new(
        Should,
        "gc/empty-list",
        GC,
        "GC with an empty list or null succeeds.",
        "The network may have no containers. Go encodes an empty list as null.",
        |bench| {
            for list in [json!([]), Value::Null] {
                bench.call(bench.request(Command::Gc).set(VALID, list))?.succeeded()?;
            }
            Ok(())
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "gc/only-its-network",
        GC,
        "GC of one network does not affect the attachments of others.",
        "The list contains only attachments of its own network.",
        |bench| {
            let attached = bench.attach()?;
            let other = bench.request(Command::Gc).set("name", "another-network").set(VALID, json!([]));
            unchanged(bench, &[&attached], other)
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "gc/twice",
        GC,
        "A second GC with the same list succeeds and changes nothing.",
        "Runtimes call it repeatedly.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(gc(bench, &[&attached]))?.succeeded()?;
            unchanged(bench, &[&attached], gc(bench, &[&attached]))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "gc/goes-on",
        GC,
        "If GC cannot remove one thing, it removes the others and is an error.",
        "Plugins should continue after a failure, and report it.",
        goes_on,
    )
    .in_namespace()
    .of(&[Kind::Ipam, Kind::Interface])
    .since(SINCE),
];

fn gc(bench: &Bench<'_>, valid: &[&Attached]) -> Request {
    let valid = valid
        .iter()
        .map(|attached| json!({"containerID": attached.container.id, "ifname": attached.container.ifname}));
    bench.request(Command::Gc).set(VALID, valid.collect::<Vec<_>>())
}

/// Asserts that a GC with the list at this key removes everything that is not in it, and nothing else.
fn collects(bench: &Bench<'_>, key: &str) -> Outcome {
    super::ipam::hands_out(bench)?;
    let world = bench.world()?;
    bench.warm_up()?;
    let kept = bench.attach()?;
    let before = world.files();
    let _lost = bench.attach()?;
    if world.files() == before {
        return not_run("an attachment leaves no file to collect");
    }
    let request = gc(bench, &[&kept]);
    let list = request.config.get(VALID).cloned().unwrap_or_default();
    bench.call(request.unset(VALID).set(key, list))?.succeeded()?;
    let changes: Vec<_> =
        difference(&before, &world.files()).into_iter().filter(|line| is_no_lock(line)).collect();
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}

/// The first and the last of three lost attachments cannot be removed, because their files are mount points. In either
/// order, the plugin meets one of them before the second.
fn goes_on(bench: &Bench<'_>) -> Outcome {
    super::ipam::hands_out(bench)?;
    let world = bench.world()?;
    bench.warm_up()?;
    let kept = bench.attach()?;
    let mut files = world.files();
    let mut of_each = Vec::new();
    for _ in 0..3 {
        bench.attach()?;
        let now = world.files();
        of_each.push(now.difference(&files).cloned().collect::<Vec<_>>());
        files = now;
    }
    let [first, second, last] = &of_each[..] else { return not_run("there are not three attachments") };
    if of_each.iter().any(Vec::is_empty) {
        return not_run("an attachment leaves no file to collect");
    }
    for file in first.iter().chain(last).filter_map(|line| line.strip_prefix("file ")) {
        isolation::make_undeletable(file.as_ref())
            .or_else(|why| not_run(format!("nothing can be mounted over {file}: {why}")))?;
    }
    let exchange = bench.call(gc(bench, &[&kept]))?;
    let left = world.files();
    if let Some(file) = second.iter().find(|file| left.contains(*file)) {
        return fail(format!("GC stopped at a failure: {file} still exists"));
    }
    if first.iter().chain(last).all(|file| !left.contains(file)) {
        return not_run("the plugin can remove the files of all attachments");
    }
    exchange.failed().map(drop)
}

/// Asserts that a GC changes nothing, whether it succeeds or not.
fn unchanged(bench: &Bench<'_>, attached: &[&Attached], request: Request) -> Outcome {
    let containers: Vec<_> = attached.iter().map(|attached| &attached.container).collect();
    let world = bench.world()?;
    let before = world.look(&containers)?;
    bench.call(request)?;
    let after = world.look(&containers)?;
    let changes: Vec<_> = difference(&before, &after).into_iter().filter(|line| is_no_lock(line)).collect();
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}

/// GC may make the folder and the lock of a network.
fn is_no_lock(line: &str) -> bool {
    !line.ends_with("/lock")
}
