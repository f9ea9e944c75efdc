//! ADD of a plugin that delegates to an IPAM plugin, which is scripted.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cni_skel::types::Command;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::section::DELEGATION;
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run, unanswered};
use crate::conformance::level::Level::{Must, Should};

/// The error of the scripted plugin.
pub(super) const REFUSAL: &str = r#"{"cniVersion": "1.0.0", "code": 147, "msg": "the pool is out of order"}"#;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "delegation/add",
        DELEGATION,
        "ADD calls the IPAM plugin once, and its addresses are in the result.",
        "The configuration names it as the plugin that assigns addresses.",
        |bench| {
            let attached = bench.attach()?;
            let calls = bench.ipam()?.calls_of(Command::Add).len();
            if calls != 1 {
                return fail(format!("the IPAM plugin got {calls} calls of ADD"));
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
        "The specification requires the same configuration. The IPAM plugin reads `name` and `ipam` from it.",
        |bench| {
            bench.attach()?;
            let calls = bench.ipam()?.calls_of(Command::Add);
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
        "The IPAM plugin gets the whole environment, including variables that the plugin does not know.",
        "The specification requires the same environment. It contains trace ids, for example.",
        |bench| {
            let container = bench.container()?;
            let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            let request = bench.add_request(&container)?.env("TRACEPARENT", trace).env("CNI_FOO", "bar");
            bench.call(request.env("CNI_ARGS", "IgnoreUnknown=1;A=b"))?.succeeded()?;
            let calls = bench.ipam()?.calls_of(Command::Add);
            let env = calls.into_iter().next().map(|call| call.env).unwrap_or_default();
            let path = container.netns.path().display().to_string();
            let variables = [
                ("TRACEPARENT", trace),
                ("CNI_FOO", "bar"),
                ("CNI_ARGS", "IgnoreUnknown=1;A=b"),
                ("CNI_CONTAINERID", &container.id),
                ("CNI_IFNAME", &container.ifname),
                ("CNI_NETNS", &path),
            ];
            match variables.iter().find(|(name, value)| env.get(name) != Some(OsStr::new(value))) {
                Some((name, value)) => fail(format!("the IPAM plugin did not get {name}={value}")),
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
        "If the IPAM plugin fails, ADD fails with its message.",
        "The message of the IPAM plugin says what is wrong.",
        |bench| {
            bench.ipam()?.fails(Command::Add, REFUSAL);
            let complaint = bench.add()?.failed()?;
            if complaint.mentions("the pool is out of order") {
                Ok(())
            } else {
                fail("neither msg nor details contain the IPAM plugin's message")
            }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/code-passed-on",
        DELEGATION,
        "If the IPAM plugin fails, ADD fails with its code.",
        "A code such as 11, try again later, is meant for the runtime.",
        |bench| {
            bench.ipam()?.fails(Command::Add, REFUSAL);
            let complaint = bench.add()?.failed()?;
            match complaint.code {
                Some(147) => Ok(()),
                code => fail(format!("the code is {code:?}, but the IPAM plugin's was 147")),
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
        "No later call would remove what is on the host.",
        |bench| {
            bench.warm_up()?;
            bench.ipam()?.fails(Command::Add, REFUSAL);
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
        "If ADD of the IPAM plugin fails, the plugin calls its DEL.",
        "The specification requires DEL of a delegate whose ADD failed, before the plugin itself fails.",
        |bench| {
            bench.ipam()?.fails(Command::Add, REFUSAL);
            bench.add()?;
            was_called(bench, Command::Del)
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/later-failure-gives-back",
        DELEGATION,
        "If ADD fails after the IPAM plugin has assigned an address, the plugin calls its DEL.",
        "Otherwise the address is lost, since a runtime need not call DEL after a failed ADD.",
        |bench| {
            let container = bench.container()?;
            let path = crate::conformance::bench::NO_NETNS;
            bench.call(bench.add_request(&container)?.env("CNI_NETNS", path))?;
            let ipam = bench.ipam()?;
            let (adds, dels) = (ipam.calls_of(Command::Add).len(), ipam.calls_of(Command::Del).len());
            if adds > 0 && dels == 0 { fail("the IPAM plugin got ADD, but no DEL") } else { Ok(()) }
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/missing-plugin",
        DELEGATION,
        "If the IPAM plugin cannot be found, ADD is an error and leaves nothing.",
        "It may not be installed yet, or CNI_PATH may be wrong. The runtime calls ADD again later.",
        missing_plugin,
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "delegation/type-is-a-path",
        DELEGATION,
        "An IPAM plugin whose `type` is a path is an error, and no program outside of CNI_PATH is started.",
        "`type` is a name, not a path. A user who may write configurations may not be allowed to run any program as \
         root.",
        type_is_a_path,
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/path-search",
        DELEGATION,
        "The IPAM plugin is the first one of its name in CNI_PATH. Empty elements, missing folders, and folders of \
         that name are skipped.",
        "CNI_PATH is written by people.",
        path_search,
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Should,
        "delegation/hanging",
        DELEGATION,
        "If the IPAM plugin hangs, the plugin fails after a timeout, or ends on SIGTERM. DEL then succeeds and leaves \
         nothing.",
        "A runtime has a timeout, after which it ends the plugin in the middle of its work.",
        hanging,
    )
    .in_namespace()
    .with_ipam()
    .as_process(),
    Check::new(
        Must,
        "delegation/stderr",
        DELEGATION,
        "What the IPAM plugin prints on stderr is printed on the plugin's stderr.",
        "stderr is the log of the IPAM plugin, and the runtime sees only the stderr of the plugin that it calls.",
        |bench| {
            bench.ipam()?.says(Command::Add, "the pool is nearly empty");
            let exchange = bench.add()?;
            exchange.succeeded()?;
            let has_it = exchange.stderr.contains("the pool is nearly empty");
            if has_it { Ok(()) } else { fail("stderr does not contain the IPAM plugin's") }
        },
    )
    .in_namespace()
    .with_ipam()
    .as_process(),
];

/// Asserts that the scripted plugin got a call of this command.
pub(super) fn was_called(bench: &Bench<'_>, command: Command) -> Outcome {
    let calls = bench.ipam()?.calls_of(command);
    if calls.is_empty() { fail(format!("the IPAM plugin got no {command}")) } else { Ok(()) }
}

/// The timeout of the runtime in this check.
const PATIENCE: Duration = Duration::from_millis(700);

fn hanging(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let ipam = bench.ipam()?;
    let program = bench.program()?;
    let container = bench.container()?;
    let request = bench.add_request(&container)?;
    bench.leaves_nothing(&[&container], || {
        ipam.hangs(Command::Add);
        let ended = request.cut_off(program, PATIENCE, Signal::SIGTERM, bench.setup.timeout);
        // Some plugins run it in a process group of its own.
        ipam.wakes(Command::Add);
        if let Err(why) = ended {
            return unanswered("the plugin got SIGTERM, and ", &why);
        }
        bench.call(bench.about(Command::Del, &container))?.succeeded()
    })
}

fn missing_plugin(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let container = bench.container()?;
    let request = bench.add_request(&container)?.env("CNI_PATH", "/nowhere");
    bench.leaves_nothing(&[&container], || bench.call(request)?.failed())
}

fn type_is_a_path(bench: &Bench<'_>) -> Outcome {
    let ipam = bench.ipam()?;
    let name = bench.setup.ipam().unwrap_or_default();
    let below = ipam.folder().join("below");
    fs::create_dir_all(&below).or_else(|why| not_run(why.to_string()))?;
    let container = bench.container()?;
    let mut request = bench.add_request(&container)?.env("CNI_PATH", &below);
    if let Some(ipam) = request.config.get_mut("ipam") {
        ipam["type"] = format!("../{name}").into();
    }
    bench.call(request)?.failed()?;
    let calls = ipam.calls().len();
    if calls == 0 { Ok(()) } else { fail(format!("the program at ../{name} was called {calls} times")) }
}

fn path_search(bench: &Bench<'_>) -> Outcome {
    let ipam = bench.ipam()?;
    let name = bench.setup.ipam().unwrap_or_default();
    let (folder, other) = (ipam.folder().join("folder"), ipam.folder().join("other"));
    let made = fs::create_dir_all(folder.join(name))
        .and_then(|()| fs::create_dir_all(&other))
        .and_then(|()| fs::write(other.join(name), "#!/bin/sh\nexit 9\n"))
        .and_then(|()| fs::set_permissions(other.join(name), fs::Permissions::from_mode(0o755)));
    made.or_else(|why| not_run(why.to_string()))?;
    let container = bench.container()?;
    let own = ipam.folder().display();
    let path = format!(":/no/such/folder:{}:{own}:{}", folder.display(), other.display());
    bench.call(bench.add_request(&container)?.env("CNI_PATH", path))?.succeeded()
}
