//! The `CNI_*` variables.

use cni_skel::types::{Command, ErrorCode};

use super::section::{CNI_ARGS, ERROR, PARAMETERS};
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail};
use crate::conformance::level::Level::{Manners, Must, Should};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Should,
        "env/no-command",
        PARAMETERS,
        "Without CNI_COMMAND a plugin ends at once, and prints nothing or one error object on stdout.",
        "People start an unknown program like that. The reference plugins print their name on stderr.",
        no_command,
    ),
    Check::new(
        Must,
        "env/unknown-command",
        ERROR,
        "A CNI_COMMAND that does not exist is an error with code 4.",
        "Later versions of the specification add commands. If a plugin succeeds, the runtime believes that it has \
         carried out the command.",
        unknown_command,
    ),
    Check::new(
        Must,
        "env/unknown-command-without-input",
        ERROR,
        "A CNI_COMMAND that does not exist is an error with code 4 even if stdin is empty.",
        "The runtime gets one error object, whatever the plugin reads first.",
        |bench| {
            bench.call(bench.unreal(Command::Add).env("CNI_COMMAND", "NOPE").stdin(""))?.failed()?;
            Ok(())
        },
    ),
    Check::new(
        Must,
        "env/command-case",
        PARAMETERS,
        "CNI_COMMAND is compared exactly: `add` is not ADD.",
        "The commands are upper case. A plugin that accepts others hides a bug of its caller.",
        |bench| {
            let request = bench.unreal(Command::Add).env("CNI_COMMAND", "add").set("cniVersion", "9.9.9");
            bench.call(request)?.failed_with(&[ErrorCode::INVALID_ENVIRONMENT])?;
            let exchange = bench.call(bench.unreal(Command::Version).env("CNI_COMMAND", "version"))?;
            exchange.failed()?;
            Ok(())
        },
    ),
    Check::new(
        Must,
        "env/missing-variable",
        ERROR,
        "ADD without CNI_CONTAINERID, CNI_NETNS or CNI_IFNAME is an error with code 4.",
        "Each of them is required for ADD.",
        |bench| missing(bench, false),
    ),
    Check::new(
        Must,
        "env/missing-variable-named",
        ERROR,
        "The error about a missing variable names it.",
        "The specification requires code 4 to name each invalid variable.",
        |bench| missing(bench, true),
    ),
    Check::new(
        Should,
        "env/missing-all-named",
        ERROR,
        "If several variables are missing, the error names all of them.",
        "The specification requires code 4 to name each invalid variable.",
        all_named,
    ),
    Check::new(
        Must,
        "env/empty-is-missing",
        PARAMETERS,
        "An empty variable counts as missing.",
        "Runtimes always set all CNI_* variables. Those without a value are empty.",
        empty_is_missing,
    ),
    Check::new(
        Must,
        "env/bad-container-id",
        PARAMETERS,
        "A CNI_CONTAINERID that does not consist of letters, digits, `_`, `.` and `-`, or does not start with a \
         letter or digit, is an error with code 4.",
        "Container IDs become names of files and links, which `../x` must not.",
        |bench| bad_ids(bench, false),
    ),
    Check::new(
        Must,
        "env/bad-container-id-named",
        ERROR,
        "The error about an invalid container ID names CNI_CONTAINERID.",
        "The specification requires code 4 to name each invalid variable.",
        |bench| bad_ids(bench, true),
    ),
    Check::new(
        Must,
        "env/bad-ifname",
        PARAMETERS,
        "A CNI_IFNAME that the kernel does not allow is an error with code 4: longer than 15 bytes, `.`, `..`, with `/`, \
         `:` or a space.",
        "The plugin must find an invalid name before it starts its work.",
        |bench| bad_ifnames(bench, false),
    ),
    Check::new(
        Must,
        "env/bad-ifname-named",
        ERROR,
        "The error about an invalid interface name names CNI_IFNAME.",
        "The specification requires code 4 to name each invalid variable.",
        |bench| bad_ifnames(bench, true),
    ),
    Check::new(
        Must,
        "env/good-container-ids",
        PARAMETERS,
        "All valid container IDs are accepted, from one letter to 64 digits.",
        "The runtime chooses the ID. A plugin that derives names from it must keep them distinct.",
        good_ids,
    )
    .in_namespace(),
    Check::new(
        Must,
        "env/longest-ifname",
        PARAMETERS,
        "An interface name of 15 bytes is accepted.",
        "It is the longest that Linux allows.",
        longest_ifname,
    )
    .in_namespace(),
    Check::new(
        Should,
        "env/noise",
        PARAMETERS,
        "Variables that the plugin does not know are ignored, and so is a malformed TRACEPARENT.",
        "A plugin inherits the runtime's whole environment.",
        noise,
    )
    .in_namespace(),
    Check::new(
        Should,
        "env/no-cni-path",
        PARAMETERS,
        "ADD without CNI_PATH succeeds, unless the plugin must call another one.",
        "CNI_PATH is optional for ADD.",
        no_path,
    )
    .in_namespace(),
    Check::new(
        Manners,
        "env/bare",
        PARAMETERS,
        "The plugin works without PATH and HOME.",
        "An init system may start a runtime without them.",
        bare,
    )
    .in_namespace(),
    Check::new(
        Should,
        "env/args-ignore-unknown",
        CNI_ARGS,
        "Unknown keys in CNI_ARGS are not an error with IgnoreUnknown=1.",
        "Kubernetes runtimes always send K8S_POD_NAME and others, together with IgnoreUnknown=1.",
        ignore_unknown,
    )
    .in_namespace(),
    Check::new(
        Manners,
        "env/args-malformed",
        CNI_ARGS,
        "CNI_ARGS that are not a list of KEY=VALUE are ignored, or are an error.",
        "People write them, and a crash would not tell them what is wrong.",
        malformed_args,
    )
    .in_namespace(),
];

fn no_command(bench: &Bench<'_>) -> Outcome {
    let exchange = bench.call(bench.unreal(Command::Add).without("CNI_COMMAND").stdin(""))?;
    if exchange.stdout.trim().is_empty() { Ok(()) } else { exchange.failed().map(drop) }
}

fn unknown_command(bench: &Bench<'_>) -> Outcome {
    let exchange = bench.call(bench.unreal(Command::Add).env("CNI_COMMAND", "NOPE"))?;
    exchange.failed_with(&[ErrorCode::INVALID_ENVIRONMENT]).map(drop)
}

const REQUIRED: [&str; 3] = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"];

fn missing(bench: &Bench<'_>, named: bool) -> Outcome {
    for variable in REQUIRED {
        let exchange = bench.call(bench.unreal(Command::Add).without(variable))?;
        let complaint = if named {
            exchange.failed()?
        } else {
            exchange.failed_with(&[ErrorCode::INVALID_ENVIRONMENT])?
        };
        if named && !complaint.mentions(variable) {
            return fail(format!("neither msg nor details name {variable}"));
        }
    }
    Ok(())
}

fn all_named(bench: &Bench<'_>) -> Outcome {
    let request = REQUIRED.iter().fold(bench.unreal(Command::Add), |request, name| request.without(name));
    let complaint = bench.call(request)?.failed()?;
    match REQUIRED.iter().find(|name| !complaint.mentions(name)) {
        Some(name) => fail(format!("three variables are missing, but the error does not name {name}")),
        None => Ok(()),
    }
}

fn empty_is_missing(bench: &Bench<'_>) -> Outcome {
    for variable in REQUIRED {
        let exchange = bench.call(bench.unreal(Command::Add).env(variable, ""))?;
        exchange.failed_with(&[ErrorCode::INVALID_ENVIRONMENT])?;
    }
    Ok(())
}

fn bad_ids(bench: &Bench<'_>, named: bool) -> Outcome {
    for id in ["-a", "_a", ".a", "a b", "a/b", "a\n", "\u{e9}", "../x"] {
        let exchange = bench.call(bench.unreal(Command::Add).env("CNI_CONTAINERID", id))?;
        let complaint = if named {
            exchange.failed()?
        } else {
            exchange.failed_with(&[ErrorCode::INVALID_ENVIRONMENT])?
        };
        if named && !complaint.mentions("CNI_CONTAINERID") {
            return fail("neither msg nor details name CNI_CONTAINERID");
        }
    }
    Ok(())
}

fn bad_ifnames(bench: &Bench<'_>, named: bool) -> Outcome {
    for ifname in ["sixteen-bytes-16", ".", "..", "a/b", "a:b", "a b", "a\tb"] {
        let exchange = bench.call(bench.unreal(Command::Add).env("CNI_IFNAME", ifname))?;
        let complaint = if named {
            exchange.failed()?
        } else {
            exchange.failed_with(&[ErrorCode::INVALID_ENVIRONMENT])?
        };
        if named && !complaint.mentions("CNI_IFNAME") {
            return fail("neither msg nor details name CNI_IFNAME");
        }
        // A plugin that only fails because the namespace is missing has not checked the name.
        if !named && complaint.mentions(crate::conformance::bench::NO_NETNS) {
            return fail(format!(
                "the error is about the namespace, not about the interface name {ifname:?}"
            ));
        }
    }
    Ok(())
}

fn good_ids(bench: &Bench<'_>) -> Outcome {
    let long = "0123456789abcdef".repeat(4);
    for id in ["a", "A1", "0", "a_b", "a.b", "a-b", "a--", &long] {
        let mut container = bench.container()?;
        container.id = id.to_owned();
        let attached = attach(bench, container)?;
        bench.detach(&attached)?.succeeded()?;
    }
    Ok(())
}

fn longest_ifname(bench: &Bench<'_>) -> Outcome {
    let mut container = bench.container()?;
    if container.ifname != "lo" {
        container.ifname = "fifteen-bytes-1".to_owned();
    }
    let attached = attach(bench, container)?;
    bench.detach(&attached)?.succeeded()
}

fn attach(
    bench: &Bench<'_>,
    container: crate::conformance::world::Container,
) -> Result<crate::conformance::bench::Attached, crate::conformance::ending::Ending> {
    let result = bench.call(bench.add_request(&container)?)?.result()?;
    Ok(crate::conformance::bench::Attached { container, result })
}

fn noise(bench: &Bench<'_>) -> Outcome {
    let container = bench.container()?;
    let request = bench.add_request(&container)?.env("CNI_FOO", "bar").env("TRACEPARENT", "00-xyz");
    bench.call(request.env("CNI_NETNS_OVERRIDE_ME", "1").env("LANG", "C.UTF-8"))?.succeeded()
}

fn no_path(bench: &Bench<'_>) -> Outcome {
    if bench.setup.ipam().is_some() && bench.profile.kind != Some(crate::conformance::Kind::Ipam) {
        return crate::conformance::ending::not_run(
            "it delegates to an IPAM plugin, which it finds through CNI_PATH",
        );
    }
    let container = bench.container()?;
    bench.call(bench.add_request(&container)?.without("CNI_PATH"))?.succeeded()
}

fn bare(bench: &Bench<'_>) -> Outcome {
    let container = bench.container()?;
    bench.call(bench.add_request(&container)?.without("PATH").without("HOME"))?.succeeded()
}

fn ignore_unknown(bench: &Bench<'_>) -> Outcome {
    let container = bench.container()?;
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;X_UNKNOWN=1";
    bench.call(bench.add_request(&container)?.env("CNI_ARGS", args))?.succeeded()
}

fn malformed_args(bench: &Bench<'_>) -> Outcome {
    for args in ["a", ";", "=", "IgnoreUnknown=1;a=b=c"] {
        let container = bench.container()?;
        let exchange = bench.call(bench.add_request(&container)?.env("CNI_ARGS", args))?;
        if exchange.exit_code != Some(0) {
            exchange.failed()?;
        }
    }
    Ok(())
}
