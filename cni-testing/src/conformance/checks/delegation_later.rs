//! The commands after ADD of a plugin that delegates to an IPAM plugin, which is scripted.

use cni_skel::types::{Command, SpecVersion};
use serde_json::{Value, json};

use super::delegation::{REFUSAL, was_called};
use super::section::{CHECK, DELEGATION, GC, STATUS};
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run, unchanged};
use crate::conformance::level::Level::{Must, Should};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "delegation/del",
        DELEGATION,
        "DEL calls DEL of the IPAM plugin.",
        "Otherwise the address is lost.",
        |bench| {
            let attached = bench.attach()?;
            bench.detach(&attached)?.succeeded()?;
            was_called(bench, Command::Del)
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/del-without-netns",
        DELEGATION,
        "DEL calls DEL of the IPAM plugin even if the container's namespace is gone.",
        "After a restart of the node it always is.",
        |bench| {
            let attached = bench.attach()?;
            let path = crate::conformance::bench::NO_NETNS;
            bench.call(bench.after(Command::Del, &attached).env("CNI_NETNS", path))?.succeeded()?;
            was_called(bench, Command::Del)
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/del-error",
        DELEGATION,
        "If DEL of the IPAM plugin fails, DEL fails, but still removes the container's interface.",
        "The runtime calls DEL again after an error, but not after a success.",
        |bench| {
            let attached = bench.attach()?;
            bench.ipam()?.fails(Command::Del, REFUSAL);
            bench.call(bench.after(Command::Del, &attached))?.failed()?;
            match super::truth::link_of(&attached) {
                Ok((_, link)) => fail(format!("{} is still in the container", link.name)),
                Err(_) => Ok(()),
            }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/check",
        CHECK,
        "CHECK calls CHECK of the IPAM plugin, and passes on its error.",
        "The specification requires a plugin to call CHECK of its delegates, and to pass on their errors.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.after(Command::Check, &attached))?.succeeded()?;
            was_called(bench, Command::Check)?;
            bench.ipam()?.fails(Command::Check, REFUSAL);
            bench.call(bench.after(Command::Check, &attached))?.failed().map(drop)
        },
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V0_4_0),
    Check::new(
        Must,
        "delegation/gc",
        GC,
        "GC calls GC of the IPAM plugin, with the list of valid attachments.",
        "The specification requires a plugin to call GC of its delegates.",
        |bench| {
            let valid = json!([{"containerID": "c1", "ifname": "eth0"}]);
            bench
                .call(bench.request(Command::Gc).set("cni.dev/valid-attachments", valid.clone()))?
                .succeeded()?;
            let calls = bench.ipam()?.calls_of(Command::Gc);
            let Some(call) = calls.first() else { return fail("the IPAM plugin got no GC") };
            let got: Value = serde_json::from_str(&call.stdin).unwrap_or_default();
            let found = &got["cni.dev/valid-attachments"];
            if *found == valid { Ok(()) } else { fail(format!("the IPAM plugin's list is {found}")) }
        },
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V1_1_0),
    Check::new(
        Should,
        "delegation/gc-error",
        GC,
        "If GC of the IPAM plugin fails, GC fails.",
        "Plugins should continue after a failure, and report it.",
        |bench| {
            bench.ipam()?.fails(Command::Gc, REFUSAL);
            let request = bench.request(Command::Gc).set("cni.dev/valid-attachments", json!([]));
            bench.call(request)?.failed().map(drop)
        },
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V1_1_0),
    Check::new(
        Should,
        "delegation/gc-goes-on",
        GC,
        "If GC of the IPAM plugin fails, GC still removes the plugin's own leftovers.",
        "Plugins should continue after a failure: one must not block all others.",
        gc_goes_on,
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V1_1_0),
    Check::new(
        Must,
        "delegation/status",
        STATUS,
        "STATUS calls STATUS of the IPAM plugin, and passes on its error.",
        "The specification requires it: without addresses no container can be attached.",
        |bench| {
            bench.call(bench.request(Command::Status))?.succeeded()?;
            was_called(bench, Command::Status)?;
            bench.ipam()?.fails(Command::Status, REFUSAL);
            bench.call(bench.request(Command::Status))?.failed().map(drop)
        },
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V1_1_0),
    Check::new(
        Should,
        "delegation/status-missing-plugin",
        STATUS,
        "STATUS is an error if the IPAM plugin cannot be found.",
        "Every ADD would fail.",
        |bench| bench.call(bench.request(Command::Status).env("CNI_PATH", "/nowhere"))?.failed().map(drop),
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V1_1_0),
];

fn gc_goes_on(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let world = bench.world()?;
    let kept = bench.attach()?;
    let lost = bench.container()?;
    let request = bench.add_request(&lost)?;
    let before = world.look(&[])?;
    bench.call(request)?.result()?;
    if world.look(&[])? == before {
        return not_run("an attachment leaves nothing on the host to collect");
    }
    bench.ipam()?.fails(Command::Gc, REFUSAL);
    let valid = json!([{"containerID": kept.container.id, "ifname": kept.container.ifname}]);
    bench.call(bench.request(Command::Gc).set("cni.dev/valid-attachments", valid))?;
    unchanged(&world.changes_since(&before, &[])?)
}
