//! Why plugins deviate, each reason a sentence.

use cni_testing::conformance::Finding;

/// A reason: the check, the plugin (`*` is any), what the check found, in part, and the sentence. A deviation of which
/// something else is found has another reason.
type Reason = (&'static str, &'static str, &'static str, &'static str);

const ALL: &[Reason] = &[
    (
        "env/bad-container-id-named",
        "*",
        "name CNI_CONTAINERID",
        "The message says `containerID`; the specification wants the variable's name.",
    ),
    (
        "env/bad-ifname-named",
        "*",
        "name CNI_IFNAME",
        "The message says `interface name`; the specification wants the variable's name.",
    ),
    (
        "env/no-cni-path",
        "*",
        "[CNI_PATH] missing",
        "The common Go library demands CNI_PATH for every command but VERSION.",
    ),
    (
        "env/bare",
        "*",
        "\"iptables\": executable file not found",
        "It starts `iptables`, which it finds by PATH.",
    ),
    (
        "version/echo",
        "*",
        "was requested",
        "The common Go library does not read stdin for VERSION and always says its own newest version.",
    ),
    ("version/kept", "host-device", NO_ADDRESS, WITHOUT_ADDRESS),
    ("version/absent", "host-device", "code is 999", WITHOUT_ADDRESS),
    (
        "error/version",
        "*",
        "cniVersion is null",
        "The common Go library's error objects have no `cniVersion`.",
    ),
    (
        "add/shape",
        "loopback",
        "in version 0.1.0: the result has interfaces",
        "Without a `prevResult` the result is always in the newest shape, whatever version was asked.",
    ),
    ("add/shape", "host-device", NO_ADDRESS, WITHOUT_ADDRESS),
    ("add/newer-keys", "host-device", NO_ADDRESS, WITHOUT_ADDRESS),
    (
        "add/ifname-taken",
        "host-device",
        "+ veth uplink0",
        "The device has been moved by the time that it cannot be renamed, and stays in the container.",
    ),
    (
        "add/ifname-taken-leaves-nothing",
        "host-device",
        "- veth uplink0",
        "The device has been moved by the time that it cannot be renamed, and the host has lost it.",
    ),
    (
        "add/unwritten-result-leaves-nothing",
        "firewall",
        "ip filter CNI-FORWARD",
        "DEL finds the rules by `prevResult` alone, and of a result that was lost there is none.",
    ),
    ("add/unwritten-result-leaves-nothing", "sbr", IN_TABLE, ROUTES_STAY),
    (
        "add/own-netns",
        "*",
        EXIT_CODE_0,
        "This release does not compare the namespaces, and makes the interface on the host.",
    ),
    (
        "add/own-netns",
        "loopback",
        EXIT_CODE_0,
        "This release does not compare the namespaces, and sets the host's `lo` up.",
    ),
    (
        "add/own-netns",
        "host-device",
        EXIT_CODE_0,
        "This release does not compare the namespaces, and renames the host's device.",
    ),
    (
        "add/second-interface",
        "ptp",
        "file exists",
        "Both interfaces get a route to the same gateway, and the second one is refused by the kernel.",
    ),
    (
        "add/second-interface",
        "host-device",
        "failed to find host device",
        "The one device that the configuration names is in the container already.",
    ),
    (
        "chain/keeps-unknown",
        "*",
        "lacks org.example.mark",
        "`prevResult` is decoded and encoded again, and loses what the types do not have.",
    ),
    ("chain/without-result", "*", "code is 999", ALWAYS_999),
    (
        "chain/result-without-version",
        "*",
        "unmarshalled CNIVersion is \"\"",
        "An empty `cniVersion` in `prevResult` is taken for a version of another family.",
    ),
    (
        "delegation/error-leaves-nothing",
        "*",
        " eth0 (down",
        "What was made before the IPAM plugin was called is not taken away when that fails.",
    ),
    (
        "delegation/missing-plugin",
        "*",
        " eth0 (down",
        "What was made before the IPAM plugin was looked for is not taken away when it is missing.",
    ),
    (
        "delegation/error-del",
        "*",
        "the IPAM plugin got no DEL",
        "The IPAM plugin gets no DEL after its own ADD has failed.",
    ),
    (
        "delegation/del-error",
        "*",
        "is still in the container",
        "When the IPAM plugin's DEL fails, DEL stops there and leaves the interface.",
    ),
    (
        "delegation/gc-goes-on",
        "pair",
        "+ ",
        "It leaves GC to its IPAM plugin. The pair of a container that is gone has gone with it.",
    ),
    ("del/empties-container", "sbr", IN_TABLE, ROUTES_STAY),
    ("del/twice-succeeds", "host-device", "failed to find \"eth0\"", NEEDS_INTERFACE),
    ("del/never-added", "host-device", "failed to find \"eth0\"", NEEDS_INTERFACE),
    ("del/never-added", "sbr", "Failed to get link eth0", NEEDS_INTERFACE),
    ("del/no-netns", "sbr", "no such file or directory", NEEDS_NETNS),
    ("del/netns-gone", "host-device", "failed to open netns", NEEDS_NETNS),
    (
        "del/netns-gone",
        "sbr",
        "unknown FS magic",
        "DEL makes a file where the namespace was, to lock it, and then fails because the file is no namespace.",
    ),
    ("del/netns-gone-leaves-nothing", "host-device", "failed to open netns", SEE_NETNS_GONE),
    ("del/netns-gone-leaves-nothing", "sbr", "unknown FS magic", SEE_NETNS_GONE),
    (
        "del/netns-gone-leaves-nothing",
        "tuning",
        "+ file /run/cni/tuning/",
        "The file with the values to be restored stays when the namespace is gone.",
    ),
    (
        "del/no-result-leaves-nothing",
        "firewall",
        "ip filter CNI-FORWARD",
        "The rules are found by the addresses in `prevResult` alone.",
    ),
    ("del/no-result-leaves-nothing", "sbr", IN_TABLE, ROUTES_STAY),
    (
        "del/own-netns",
        "*",
        "- bridge victim0",
        "This release does not compare the namespaces, and deletes the host's link of that name.",
    ),
    (
        "del/own-netns",
        "loopback",
        "+ link lo (down",
        "This release does not compare the namespaces, and sets the host's `lo` down.",
    ),
    ("del/link-deleted-by-hand", "host-device", "failed to find \"eth0\"", NEEDS_INTERFACE),
    ("del/link-deleted-by-hand", "sbr", "Failed to get link eth0", NEEDS_INTERFACE),
    ("del/ipam-removed", "*", "no plugin name provided", "DEL calls an IPAM plugin without a name."),
    (
        "check/after-add",
        "portmap",
        "could not check ipv6 dnat",
        "CHECK looks for IPv6 rules, which ADD of a container with IPv4 alone does not make.",
    ),
    (
        "check/later-route",
        "portmap",
        "could not check ipv6 dnat",
        "CHECK fails anyway: see `check/after-add`.",
    ),
    ("check/link-down", "pair", EXIT_CODE_0, "CHECK compares addresses alone: the example is to stay short."),
    (
        "check/link-down",
        "host-device",
        EXIT_CODE_0,
        "CHECK compares names and addresses, and not whether the device is up.",
    ),
    ("check/undone-by-hand", "sbr", EXIT_CODE_0, "Its CHECK looks at nothing."),
    (
        "load/parallel-add",
        "portmap",
        "xists",
        "Two calls at once make the shared chain, and the slower one fails because it is there; not in every run.",
    ),
    ("load/killed", "firewall", "ip filter CNI-FORWARD", NO_RESULT_AFTER_A_SIGNAL),
    ("load/terminated", "firewall", "ip filter CNI-FORWARD", NO_RESULT_AFTER_A_SIGNAL),
    ("load/killed", "macvlan", ": macvlan veth", TEMPORARY_NAME),
    ("load/terminated", "macvlan", ": macvlan veth", TEMPORARY_NAME),
    ("load/killed", "tuning", "file /run/cni/tuning/", BACKUP_STAYS),
    ("load/terminated", "tuning", "file /run/cni/tuning/", BACKUP_STAYS),
    ("load/killed", "sbr", IN_TABLE, ROUTES_STAY),
    ("load/terminated", "sbr", IN_TABLE, ROUTES_STAY),
    ("load/killed", "host-device", "failed to find \"eth0\"", NEEDS_INTERFACE),
    ("load/terminated", "host-device", "failed to find \"eth0\"", NEEDS_INTERFACE),
    ("load/read-only-state-code", "*", "code is 999", ALWAYS_999),
];

const BACKUP_STAYS: &str = "ADD notes the old settings in a file first, and where a signal ends it there, DEL leaves the \
     file; not in every run.";
const EXIT_CODE_0: &str = "exit code 0";
const IN_TABLE: &str = "in table 100";
const NO_ADDRESS: &str = "no valid IP addresses";

const ALWAYS_999: &str = "The error has code 999, as every error of these plugins.";
const WITHOUT_ADDRESS: &str = "The common Go library cannot put a result without addresses into the shape of versions \
     before 0.3.0, which the plugin says it supports.";
const NEEDS_INTERFACE: &str = "DEL fails where the interface is not in the container.";
const NEEDS_NETNS: &str = "DEL fails where the namespace is not there.";
const SEE_NETNS_GONE: &str = "DEL fails anyway: see `del/netns-gone`.";
const ROUTES_STAY: &str = "ADD moves the routes of the interface to a table of its own, and DEL takes away only the rules \
     that lead there.";
const NO_RESULT_AFTER_A_SIGNAL: &str =
    "DEL finds the rules by `prevResult` alone, and after an ADD that a signal has ended there is none.";
const TEMPORARY_NAME: &str = "Ended before it renames the link, it leaves it under a temporary name that DEL does not know; \
     not in every run.";

/// Why, as a sentence; or what was found, where nobody has explained that yet.
pub(crate) fn of(plugin: &str, finding: &Finding) -> String {
    match reason(plugin, finding) {
        Some((_, _, _, sentence)) => (*sentence).to_owned(),
        None => {
            let found = finding.failure().unwrap_or_default();
            format!("not explained yet; found: {}", found.replace('\n', " "))
        }
    }
}

/// The reasons that none of these deviations has: they have gone, or are not in every run.
pub(crate) fn unused<'a>(found: impl Iterator<Item = (&'a str, &'a Finding)>) -> Vec<String> {
    let used: Vec<_> = found.filter_map(|(plugin, finding)| reason(plugin, finding)).collect();
    let unused = ALL.iter().filter(|one| !used.iter().any(|used| std::ptr::eq(*used, *one)));
    unused.map(|(check, plugin, ..)| format!("{check} of {plugin}")).collect()
}

fn reason(plugin: &str, finding: &Finding) -> Option<&'static Reason> {
    let (check, found) = (finding.check.id(), finding.failure()?);
    let fits = |name: &str| {
        ALL.iter().find(|(id, of, part, _)| *id == check && *of == name && found.contains(*part))
    };
    fits(plugin).or_else(|| fits("*"))
}
