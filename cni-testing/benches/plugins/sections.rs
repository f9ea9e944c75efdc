//! The parts of the page, and which jobs each is about.

use crate::results::{Backend, Job, Kind, Results, Row};

/// A part of the page: jobs that are looked at together.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) file: &'static str,
    pub(crate) jobs: Vec<(Job, &'static str)>,
    /// Whether it is about how many others there are, and what they are.
    pub(crate) others: Option<&'static str>,
}

/// All, in order.
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
            text: "An address out of 10.0.0.0/8, and back, with so many taken by others. Each maker has a pool of its own. \
                   The floor takes the lock and writes two files, one of them so that it outlasts a power cut. The Go \
                   plugin does not care for that.",
            file: "host-local",
            jobs: vec![(Job::HostLocal, "host-local")],
            others: Some("addresses taken"),
        },
        Section {
            title: "bridge with host-local",
            text: "A container that comes and goes, on a bridge that is there. The floor is two processes, as they are two. \
                   The Go plugin makes iptables' rules whatever it is told.",
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
            text: "One TCP port of one container, beside so many other containers that have one each.",
            file: "portmap-iptables",
            jobs: vec![(Job::Portmap(Iptables), "portmap")],
            others: Some("other containers"),
        },
        Section {
            title: "portmap, nftables",
            text: "The same with our nftables backend; the Go plugin has none.",
            file: "portmap-nftables",
            jobs: vec![(Job::Portmap(Nftables), "portmap")],
            others: Some("other containers"),
        },
        Section {
            title: "The whole chain",
            text: "`bridge` with gateway and ipMasq, `host-local`, `portmap`: one container, all plugins' times added up.",
            file: "chain",
            jobs: vec![(Job::Chain(Iptables), "iptables"), (Job::Chain(Nftables), "nftables")],
            others: None,
        },
        Section {
            title: "40 pods at once",
            text: "The same chain for 40 containers that begin together, on a node where 1,000 have it already; until the \
                   last is done. Half of the others are on a second bridge, because a bridge has 1,023 ports. Five runs of \
                   one program after the other, not in turn. The Go plugins have one backend, so their runs are shown for both.",
            file: "pods",
            jobs: vec![(Job::Pods(Iptables), "iptables"), (Job::Pods(Nftables), "nftables")],
            others: None,
        },
    ]
}

impl Section {
    /// What was measured for it.
    pub(crate) fn rows<'a>(&self, results: &'a Results) -> Vec<&'a Row> {
        self.jobs.iter().flat_map(|(job, _)| results.of(*job)).collect()
    }
}
