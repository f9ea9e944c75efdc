//! The plugins for a pod of a small cluster: `bridge` with masquerading, then `portmap`.

use super::attach::{Row, bridge_config, portmap_config};
use super::bridge::come_and_go;
use super::plugin::Attachment;
use super::{Bench, PAUSE};
use crate::contest::{Contestant, hold};
use crate::failure::Failure;
use crate::node::Node;
use crate::results::{Backend, Job, Kind, Results};
use crate::subject::Subject;

pub(super) fn run(bench: &Bench<'_>, results: &mut Results) -> Result<(), Failure> {
    for backend in Backend::ALL {
        let subjects = with_portmap(bench);
        let subjects = subjects.into_iter().map(|subject| Ok((subject, Node::new()?)));
        let subjects: Vec<(Subject, Node)> = subjects.collect::<Result<_, Failure>>()?;
        let contestants = subjects.iter().map(|(subject, node)| {
            let row = row(*subject, node, Attachment::measured(node.container.path()), (backend, 8080));
            let round = move |runner| come_and_go(bench, node, &row, runner);
            Contestant { subject: *subject, round: Box::new(round) }
        });
        let contestants = contestants.collect();
        hold(bench.options, (Job::Chain(backend), 0), PAUSE, contestants, results);
        subjects.into_iter().try_for_each(|(_, node)| node.end())?;
    }
    Ok(())
}

/// Returns the subjects that have all plugins of the chain. There is no floor.
pub(super) fn with_portmap(bench: &Bench<'_>) -> Vec<Subject> {
    let has_it = |subject: &Subject| {
        !matches!(subject, Subject::Floor(_)) && bench.programs.find(*subject, "portmap").is_some()
    };
    bench.programs.subjects().into_iter().filter(has_it).collect()
}

pub(super) fn row<'a>(
    subject: Subject,
    node: &Node,
    attachment: Attachment<'a>,
    (backend, host_port): (Backend, usize),
) -> Row<'a> {
    let plugins = vec![
        ("bridge", bridge_config(node, Kind::Masquerade(backend))),
        ("portmap", portmap_config(backend, host_port)),
    ];
    Row { subject, plugins, attachment }
}
