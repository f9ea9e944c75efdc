//! The sections of the page, and their jobs.

use crate::results::{Backend, Job, Kind, Results, Row};

/// A section of the page: jobs that belong together.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) file: &'static str,
    pub(crate) jobs: Vec<(Job, &'static str)>,
    /// What the numbers of others count, if the section is about them.
    pub(crate) others: Option<&'static str>,
}

/// Returns all sections, in order.
pub(crate) fn all() -> Vec<Section> {
    use Backend::{Iptables, Nftables};

    vec![
        Section {
            title: "Start",
            text: "VERSION: a process that does nothing else. Its floor reads stdin, prints the same and ends.",
            file: "start",
            jobs: vec![(Job::StartSmallest, "passthrough"), (Job::Start, "bridge")],
            others: None,
        },
        Section {
            title: "host-local",
            text: "An address of 10.0.0.0/8 is reserved and released, with addresses of others in use. Each program has its own \
                   pool. The floor takes the lock and writes two files, one of which survives a power failure. The file of \
                   the Go plugin does not.",
            file: "host-local",
            jobs: vec![(Job::HostLocal, "host-local")],
            others: Some("addresses taken"),
        },
        Section {
            title: "bridge with host-local",
            text: "A container is attached to an existing bridge and detached. The floor has two processes, like the plugins. \
                   The Go plugin always uses iptables.",
            file: "bridge",
            jobs: vec![
                (Job::Bridge(Kind::Alone), "alone"),
                (Job::Bridge(Kind::Gateway), "gateway"),
                (Job::Bridge(Kind::Masquerade(Iptables)), "ipMasq, iptables"),
                (Job::Bridge(Kind::Masquerade(Nftables)), "ipMasq, nftables"),
            ],
            others: None,
        },
        Section {
            title: "portmap, iptables",
            text: "One TCP port of one container, with other containers that have one each.",
            file: "portmap-iptables",
            jobs: vec![(Job::Portmap(Iptables), "portmap")],
            others: Some("other containers"),
        },
        Section {
            title: "portmap, nftables",
            text: "The same with our nftables backend. The Go plugin does not have one.",
            file: "portmap-nftables",
            jobs: vec![(Job::Portmap(Nftables), "portmap")],
            others: Some("other containers"),
        },
        Section {
            title: "The whole chain",
            text: "`bridge` with gateway and ipMasq, `host-local` and `portmap` for one container. The times of all plugins are added.",
            file: "chain",
            jobs: vec![(Job::Chain(Iptables), "iptables"), (Job::Chain(Nftables), "nftables")],
            others: None,
        },
        Section {
            title: "40 pods at once",
            text: "The same chain for 40 containers that start at the same time, on a node with 1,000 containers, until the last \
                   one has ended. Half of the others are on a second bridge, because a bridge has 1,023 ports. Each program has \
                   five runs, which are not in turn. The Go plugins have one backend, so their runs are shown for both.",
            file: "pods",
            jobs: vec![(Job::Pods(Iptables), "iptables"), (Job::Pods(Nftables), "nftables")],
            others: None,
        },
    ]
}

impl Section {
    /// Returns the results for the section.
    pub(crate) fn rows<'a>(&self, results: &'a Results) -> Vec<&'a Row> {
        self.jobs.iter().flat_map(|(job, _)| results.of(*job)).collect()
    }
}
