//! What a plugin does with the IPAM plugin that its configuration names. The check plays that plugin.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cni_skel::types::{Command, SpecVersion};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::section::{CHECK, DELEGATION, GC, STATUS};
use crate::conformance::bench::Bench;
use crate::conformance::check::Level::{Must, Should};
use crate::conformance::check::{Check, Outcome, fail, not_run, unanswered, unchanged};
use crate::conformance::process;

/// What the played plugin says when it is to fail.
const REFUSAL: &str = r#"{"cniVersion": "1.0.0", "code": 147, "msg": "the pool is out of order"}"#;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "delegation/add",
        DELEGATION,
        "ADD calls the IPAM plugin once, and its addresses are in the result.",
        "The configuration says that this plugin assigns the addresses.",
        |bench| {
            let attached = bench.attach()?;
            let calls = bench.delegate()?.calls_of(Command::Add).len();
            if calls != 1 {
                return fail(format!("the IPAM plugin got {calls} ADD calls"));
            }
            let text = attached.result.to_string();
            if text.contains("10.99.7.2") { Ok(()) } else { fail("the IPAM plugin's address is not in the result") }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/same-input",
        DELEGATION,
        "The IPAM plugin gets the whole configuration on stdin.",
        "It is started with the same configuration, and finds `name` and `ipam` there.",
        |bench| {
            bench.attach()?;
            let calls = bench.delegate()?.calls_of(Command::Add);
            let got: Value = calls
                .first()
                .and_then(|call| serde_json::from_str(&call.stdin).ok())
                .unwrap_or_default();
            for key in ["name", "cniVersion", "ipam", "type"] {
                if Some(&got[key]) != bench.setup.config.get(key) {
                    return fail(format!("{key} is {} for the IPAM plugin", got[key]));
                }
            }
            Ok(())
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/same-environment",
        DELEGATION,
        "The IPAM plugin gets the whole environment, variables that the plugin does not know too.",
        "It is started with the same environment: that carries traces, and what the runtime means for all.",
        |bench| {
            let container = bench.container()?;
            let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            let request = bench.add_request(&container)?.env("TRACEPARENT", trace).env("CNI_FOO", "bar");
            bench.call(request.env("CNI_ARGS", "IgnoreUnknown=1;A=b"))?.succeeded()?;
            let calls = bench.delegate()?.calls_of(Command::Add);
            let env = calls.first().map(|call| call.env.as_str()).unwrap_or_default();
            let path = container.netns.path().display();
            let lines = [
                format!("TRACEPARENT={trace}"),
                "CNI_FOO=bar".to_owned(),
                "CNI_ARGS=IgnoreUnknown=1;A=b".to_owned(),
                format!("CNI_CONTAINERID={}", container.id),
                format!("CNI_IFNAME={}", container.ifname),
                format!("CNI_NETNS={path}"),
            ];
            match lines.iter().find(|line| !env.lines().any(|other| other == line.as_str())) {
                Some(line) => fail(format!("the IPAM plugin does not get {line}")),
                None => Ok(()),
            }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/error-passed-on",
        DELEGATION,
        "When the IPAM plugin fails, ADD fails, with its message.",
        "That the pool is out of order is what people have to know, not that something failed.",
        |bench| {
            bench.delegate()?.fails(Command::Add, REFUSAL);
            let container = bench.container()?;
            let complaint = bench.call(bench.add_request(&container)?)?.failed()?;
            if complaint.mentions("the pool is out of order") {
                Ok(())
            } else {
                fail("neither msg nor details have the IPAM plugin's message")
            }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/code-passed-on",
        DELEGATION,
        "When the IPAM plugin fails, ADD fails with its code.",
        "Code 11 of an IPAM plugin, try again later, is meant for the runtime.",
        |bench| {
            bench.delegate()?.fails(Command::Add, REFUSAL);
            let container = bench.container()?;
            let complaint = bench.call(bench.add_request(&container)?)?.failed()?;
            match complaint.code {
                Some(147) => Ok(()),
                code => fail(format!("the code is {code:?}, and the IPAM plugin's was 147")),
            }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/error-leaves-nothing",
        DELEGATION,
        "An ADD that fails because of the IPAM plugin leaves nothing in the container and on the host.",
        "The container is gone before anybody looks, and what is on the host stays.",
        |bench| {
            bench.warm_up()?;
            bench.delegate()?.fails(Command::Add, REFUSAL);
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            bench.leaves_nothing(&[&container], || bench.call(request))
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/error-del",
        DELEGATION,
        "After the IPAM plugin's ADD has failed, it gets DEL.",
        "The specification has the upper plugin call DEL of a delegate that failed ADD, before it fails itself.",
        |bench| {
            bench.delegate()?.fails(Command::Add, REFUSAL);
            let container = bench.container()?;
            bench.call(bench.add_request(&container)?)?;
            let dels = bench.delegate()?.calls_of(Command::Del).len();
            if dels > 0 { Ok(()) } else { fail("the IPAM plugin got no DEL") }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/later-failure-gives-back",
        DELEGATION,
        "When ADD fails after the IPAM plugin has given an address, that plugin gets DEL.",
        "The address is lost otherwise: a runtime need not call DEL after a failed ADD.",
        |bench| {
            let container = bench.container()?;
            let path = crate::conformance::bench::NO_NETNS;
            bench.call(bench.add_request(&container)?.env("CNI_NETNS", path))?;
            let delegate = bench.delegate()?;
            let (adds, dels) = (delegate.calls_of(Command::Add).len(), delegate.calls_of(Command::Del).len());
            if adds > 0 && dels == 0 { fail("the IPAM plugin got ADD, and no DEL") } else { Ok(()) }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/missing-plugin",
        DELEGATION,
        "Where the IPAM plugin is not to be found, ADD is an error and leaves nothing.",
        "It is not installed yet, or CNI_PATH is wrong; both are mended, and ADD comes again.",
        missing_plugin,
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/type-is-a-path",
        DELEGATION,
        "An IPAM plugin whose `type` is a path is an error, and no program outside of CNI_PATH is started.",
        "`type` is a name and no path. Who may write configurations need not be allowed to start \
         any program as root.",
        type_is_a_path,
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/path-search",
        DELEGATION,
        "The IPAM plugin is the first one of its name in CNI_PATH; empty elements, folders that are not there, and folders of that \
         name are passed over.",
        "CNI_PATH is a list that people write.",
        path_search,
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/hanging",
        DELEGATION,
        "Where the IPAM plugin does not come to an end, the plugin gives up with an error object, or lets itself be ended; DEL then \
         succeeds and leaves nothing.",
        "A runtime does not wait for ever. It ends the plugin after some time, which then is in the middle of its work.",
        hanging,
    )
    .in_namespace()
    .with_ipam()
    .as_process(),
    Check::new(
        Must,
        "delegation/stderr",
        DELEGATION,
        "What the IPAM plugin says on stderr comes out on the plugin's stderr.",
        "It is its log, and the runtime sees only the stderr of the plugin that it has called.",
        |bench| {
            bench.delegate()?.says(Command::Add, "the pool is nearly empty");
            let container = bench.container()?;
            let exchange = bench.call(bench.add_request(&container)?)?;
            exchange.succeeded()?;
            if exchange.stderr.contains("the pool is nearly empty") { Ok(()) } else { fail("stderr lacks it") }
        },
    )
    .in_namespace()
    .with_ipam()
    .as_process(),
    Check::new(
        Must,
        "delegation/del",
        DELEGATION,
        "DEL calls DEL of the IPAM plugin.",
        "The address is lost otherwise.",
        |bench| {
            let attached = bench.attach()?;
            bench.detach(&attached)?.succeeded()?;
            let dels = bench.delegate()?.calls_of(Command::Del).len();
            if dels > 0 { Ok(()) } else { fail("the IPAM plugin got no DEL") }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/del-without-netns",
        DELEGATION,
        "DEL calls DEL of the IPAM plugin where the container's namespace is gone, too.",
        "That is the case whenever a node was restarted.",
        |bench| {
            let attached = bench.attach()?;
            let path = crate::conformance::bench::NO_NETNS;
            bench.call(bench.after(Command::Del, &attached).env("CNI_NETNS", path))?.succeeded()?;
            let dels = bench.delegate()?.calls_of(Command::Del).len();
            if dels > 0 { Ok(()) } else { fail("the IPAM plugin got no DEL") }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/del-error",
        DELEGATION,
        "When DEL of the IPAM plugin fails, DEL fails, and the container's interface is gone all the same.",
        "The runtime calls DEL again then; a success would be the last word.",
        |bench| {
            let attached = bench.attach()?;
            bench.delegate()?.fails(Command::Del, REFUSAL);
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
        "A plugin that is called with CHECK must call it on all to which it delegates, and pass their errors on.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.after(Command::Check, &attached))?.succeeded()?;
            if bench.delegate()?.calls_of(Command::Check).is_empty() {
                return fail("the IPAM plugin got no CHECK");
            }
            bench.delegate()?.fails(Command::Check, REFUSAL);
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
        "A plugin that is called with GC must call it on all to which it delegates.",
        |bench| {
            let valid = json!([{"containerID": "c1", "ifname": "eth0"}]);
            bench.call(bench.request(Command::Gc).set("cni.dev/valid-attachments", valid.clone()))?.succeeded()?;
            let calls = bench.delegate()?.calls_of(Command::Gc);
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
        "When GC of the IPAM plugin fails, GC fails.",
        "Plugins do what they can and report what they could not.",
        |bench| {
            bench.delegate()?.fails(Command::Gc, REFUSAL);
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
        "Where GC of the IPAM plugin fails, GC removes the plugin's own leftovers all the same.",
        "Plugins should continue cleaning where they can: what one cannot do must not keep all the rest.",
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
        "A plugin that relies on another one for ADD must ask it too: without addresses nothing can be attached.",
        |bench| {
            bench.call(bench.request(Command::Status))?.succeeded()?;
            if bench.delegate()?.calls_of(Command::Status).is_empty() {
                return fail("the IPAM plugin got no STATUS");
            }
            bench.delegate()?.fails(Command::Status, REFUSAL);
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
        "STATUS is an error where the IPAM plugin is not to be found.",
        "Every ADD would fail.",
        |bench| bench.call(bench.request(Command::Status).env("CNI_PATH", "/nowhere"))?.failed().map(drop),
    )
    .in_namespace()
    .with_ipam()
    .since(SpecVersion::V1_1_0),
];

/// How long the runtime of this check waits for a plugin: it has no time to lose.
const PATIENCE: Duration = Duration::from_millis(700);

fn hanging(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let delegate = bench.delegate()?;
    let program = bench.program()?;
    let container = bench.container()?;
    let request = bench.add_request(&container)?;
    bench.leaves_nothing(&[&container], || {
        delegate.hangs(Command::Add);
        let ended = process::cut_off(program, &request, PATIENCE, Signal::SIGTERM, bench.setup.deadline);
        // Some keep it in a process group of its own.
        delegate.wakes(Command::Add);
        if let Err(why) = ended {
            return unanswered("the plugin got SIGTERM, and ", &why);
        }
        bench.call(bench.about(Command::Del, &container))?.succeeded()
    })
}

fn gc_goes_on(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let world = bench.world()?;
    let kept = bench.attach()?;
    let lost = bench.container()?;
    let request = bench.add_request(&lost)?;
    let before = world.look(&[])?;
    bench.call(request)?.result()?;
    if world.look(&[])? == before {
        return not_run("an attachment leaves nothing on the host that could be collected");
    }
    bench.delegate()?.fails(Command::Gc, REFUSAL);
    let valid = json!([{"containerID": kept.container.id, "ifname": kept.container.ifname}]);
    bench.call(bench.request(Command::Gc).set("cni.dev/valid-attachments", valid))?;
    unchanged(&world.changes_since(&before, &[])?)
}

fn missing_plugin(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let container = bench.container()?;
    let request = bench.add_request(&container)?.env("CNI_PATH", "/nowhere");
    bench.leaves_nothing(&[&container], || bench.call(request)?.failed())
}

fn type_is_a_path(bench: &Bench<'_>) -> Outcome {
    let delegate = bench.delegate()?;
    let name = bench.setup.ipam().unwrap_or_default();
    let below = delegate.folder().join("below");
    fs::create_dir_all(&below).or_else(|why| not_run(why.to_string()))?;
    let container = bench.container()?;
    let mut request = bench.add_request(&container)?.env("CNI_PATH", &below);
    if let Some(ipam) = request.config.get_mut("ipam") {
        ipam["type"] = format!("../{name}").into();
    }
    bench.call(request)?.failed()?;
    let calls = delegate.calls().len();
    if calls == 0 { Ok(()) } else { fail(format!("the program at ../{name} was called {calls} times")) }
}

fn path_search(bench: &Bench<'_>) -> Outcome {
    let delegate = bench.delegate()?;
    let name = bench.setup.ipam().unwrap_or_default();
    let (folder, other) = (delegate.folder().join("folder"), delegate.folder().join("other"));
    let made = fs::create_dir_all(folder.join(name))
        .and_then(|()| fs::create_dir_all(&other))
        .and_then(|()| fs::write(other.join(name), "#!/bin/sh\nexit 9\n"))
        .and_then(|()| fs::set_permissions(other.join(name), fs::Permissions::from_mode(0o755)));
    made.or_else(|why| not_run(why.to_string()))?;
    let container = bench.container()?;
    let own = delegate.folder().display();
    let path = format!(":/no/such/folder:{}:{own}:{}", folder.display(), other.display());
    bench.call(bench.add_request(&container)?.env("CNI_PATH", path))?.succeeded()
}
