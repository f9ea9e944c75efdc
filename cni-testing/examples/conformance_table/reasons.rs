//! The explanations of deviations, each of them a sentence.

use cni_testing::conformance::Finding;

/// An explanation: the check, the plugin (`*` is any), a part of what the check found, and the sentence. It applies only if the
/// finding contains that part.
type Reason = (&'static str, &'static str, &'static str, &'static str);

const ALL: &[Reason] = &[
    (
        "env/bad-container-id-named",
        "*",
        "name CNI_CONTAINERID",
        "The message has `containerID` instead of the variable's name, which the specification requires.",
    ),
    (
        "env/bad-ifname-named",
        "*",
        "name CNI_IFNAME",
        "The message has `interface name` instead of the variable's name, which the specification requires.",
    ),
    (
        "env/no-cni-path",
        "*",
        "[CNI_PATH] missing",
        "The common Go library requires CNI_PATH for every command except VERSION.",
    ),
    (
        "env/bare",
        "*",
        "\"iptables\": executable file not found",
        "It starts `iptables`, which it searches for in PATH.",
    ),
    (
        "version/echo",
        "*",
        "was requested",
        "The common Go library does not read stdin for VERSION, and always prints its own newest version.",
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
        "Without a `prevResult`, the result has the shape of the newest version, whatever version was \
             requested.",
    ),
    ("add/shape", "host-device", NO_ADDRESS, WITHOUT_ADDRESS),
    ("add/newer-keys", "host-device", NO_ADDRESS, WITHOUT_ADDRESS),
    (
        "add/ifname-taken",
        "host-device",
        "+ veth uplink0",
        "When renaming fails, the device has been moved already, and stays in the container.",
    ),
    (
        "add/ifname-taken-leaves-nothing",
        "host-device",
        "- veth uplink0",
        "When renaming fails, the device has been moved already, and is missing on the host.",
    ),
    (
        "add/unwritten-result-leaves-nothing",
        "firewall",
        "ip filter CNI-FORWARD",
        "DEL finds the rules only by `prevResult`, which does not exist if the result was lost.",
    ),
    ("add/unwritten-result-leaves-nothing", "sbr", IN_TABLE, ROUTES_STAY),
    (
        "add/own-netns",
        "*",
        EXIT_CODE_0,
        "This release does not compare the namespaces, and creates the interface on the host.",
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
        "Both interfaces get a route to the same gateway, and the kernel refuses the second one.",
    ),
    (
        "add/second-interface",
        "host-device",
        "failed to find host device",
        "The device that the configuration names is in the container already.",
    ),
    (
        "chain/keeps-unknown",
        "*",
        "lacks org.example.mark",
        "`prevResult` is decoded and encoded again, and loses unknown keys.",
    ),
    ("chain/without-result", "*", "code is 999", ALWAYS_999),
    (
        "chain/result-without-version",
        "*",
        "unmarshalled CNIVersion is \"\"",
        "An empty `cniVersion` in `prevResult` counts as a version of another format.",
    ),
    (
        "delegation/error-leaves-nothing",
        "*",
        " eth0 (down",
        "The interface is created before the IPAM plugin is called, and is not deleted when that fails.",
    ),
    (
        "delegation/missing-plugin",
        "*",
        " eth0 (down",
        "The interface is created before the IPAM plugin is searched for, and is not deleted when it is \
             missing.",
    ),
    (
        "delegation/error-del",
        "*",
        "the IPAM plugin got no DEL",
        "The IPAM plugin gets no DEL after its ADD has failed.",
    ),
    (
        "delegation/del-error",
        "*",
        "is still in the container",
        "When DEL of the IPAM plugin fails, DEL stops and leaves the interface.",
    ),
    (
        "delegation/gc-goes-on",
        "pair",
        "+ ",
        "It only forwards GC to its IPAM plugin. The veth pair disappears with the namespace of its \
             container.",
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
        "DEL creates a lock file at the path of the namespace, and then fails because the file is not a \
             namespace.",
    ),
    ("del/netns-gone-leaves-nothing", "host-device", "failed to open netns", SEE_NETNS_GONE),
    ("del/netns-gone-leaves-nothing", "sbr", "unknown FS magic", SEE_NETNS_GONE),
    (
        "del/netns-gone-leaves-nothing",
        "tuning",
        "+ file /run/cni/tuning/",
        "The file with the values to restore stays when the namespace is gone.",
    ),
    (
        "del/no-result-leaves-nothing",
        "firewall",
        "ip filter CNI-FORWARD",
        "DEL finds the rules only by the addresses in `prevResult`.",
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
        "CHECK looks for IPv6 rules, which ADD does not create for a container that has only IPv4.",
    ),
    (
        "check/later-route",
        "portmap",
        "could not check ipv6 dnat",
        "CHECK fails anyway: see `check/after-add`.",
    ),
    (
        "check/link-down",
        "pair",
        EXIT_CODE_0,
        "CHECK compares only addresses, because the example must stay \
         short.",
    ),
    (
        "check/link-down",
        "host-device",
        EXIT_CODE_0,
        "CHECK compares names and addresses, but not whether the device is up.",
    ),
    ("check/undone-by-hand", "sbr", EXIT_CODE_0, "Its CHECK does nothing."),
    (
        "load/parallel-add",
        "portmap",
        "xists",
        "Two calls create the shared chain at the same time, and the second one fails because the chain \
             exists. This does not happen in every run.",
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

const BACKUP_STAYS: &str = "ADD first writes the old settings to a file, and if a signal ends it there, \
     DEL leaves the file. This does not happen in every run.";
const EXIT_CODE_0: &str = "exit code 0";
const IN_TABLE: &str = "in table 100";
const NO_ADDRESS: &str = "no valid IP addresses";

const ALWAYS_999: &str = "The error has code 999, like every error of these plugins.";
const WITHOUT_ADDRESS: &str = "The common Go library cannot convert a result without addresses to versions \
     before 0.3.0, which the plugin claims to support.";
const NEEDS_INTERFACE: &str = "DEL fails if the interface is not in the container.";
const NEEDS_NETNS: &str = "DEL fails if the namespace does not exist.";
const SEE_NETNS_GONE: &str = "DEL fails anyway: see `del/netns-gone`.";
const ROUTES_STAY: &str = "ADD moves the routes of the interface to a separate table, and DEL deletes only \
     the rules for that table.";
const NO_RESULT_AFTER_A_SIGNAL: &str =
    "DEL finds the rules only by `prevResult`, which does not exist after an ADD that a signal has ended.";
const TEMPORARY_NAME: &str = "If ADD ends before it renames the link, the link keeps a temporary name that \
     DEL does not know. This does not happen in every run.";

/// Returns the explanation of a finding, or the finding itself if there is none.
pub(crate) fn of(plugin: &str, finding: &Finding) -> String {
    match reason(plugin, finding) {
        Some((_, _, _, sentence)) => (*sentence).to_owned(),
        None => {
            let found = finding.failure().unwrap_or_default();
            format!("not explained yet: {}", found.replace('\n', " "))
        }
    }
}

/// Returns the explanations that apply to none of these findings. Their deviations are fixed, or do not occur in every run.
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
