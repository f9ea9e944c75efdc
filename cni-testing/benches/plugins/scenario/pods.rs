//! Many pods at once on a full node, each with the whole chain.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cni_testing::TestNetns;
use serde_json::json;

use super::Bench;
use super::attach::Row;
use super::chain::{row, with_portmap};
use super::plugin::{Attachment, host_local};
use super::portmap::FIRST_PORT;
use crate::failure::Failure;
use crate::node::{IFNAME, Node};
use crate::process::{Ran, timed};
use crate::results::{Backend, Job, Operation, Results, Row as Measured};
use crate::stats::Times;
use crate::subject::{Linking, Subject};

/// The number of pods that start at once.
const PODS: usize = 40;
/// The number of containers that exist before. Half of them are on a second network, because a bridge has 1,023 ports.
const OTHERS: usize = 1_000;
/// The number of runs. The Go plugins need a minute or two for each.
const RUNS: usize = 5;

pub(super) fn run(bench: &Bench<'_>, results: &mut Results) -> Result<(), Failure> {
    for backend in Backend::ALL {
        for subject in with_portmap(bench) {
            eprintln!("  {subject}, {}", backend.as_str());
            let measured =
                done_already(results, subject).map_or_else(|| measure(bench, subject, backend), Ok);
            match measured {
                Ok([add, del]) => {
                    for (operation, times) in [(Operation::Add, add), (Operation::Del, del)] {
                        let job = Job::Pods(backend);
                        results.rows.push(Measured {
                            job,
                            others: OTHERS,
                            operation,
                            subject,
                            times,
                            cost: None,
                        });
                    }
                }
                Err(failure) => results.failures.push(format!("{subject}, {PODS} pods at once: {failure}")),
            }
        }
    }
    Ok(())
}

/// Returns the results of the Go plugins for the other backend, because they have only one and need a minute or two for a run.
fn done_already(results: &Results, subject: Subject) -> Option<[Times; 2]> {
    let times = |operation| {
        let at = (Job::Pods(Backend::Iptables), OTHERS, operation);
        Some(results.row(at, subject)?.times.clone())
    };
    if subject == Subject::Go { Some([times(Operation::Add)?, times(Operation::Del)?]) } else { None }
}

/// Returns the times of ADD and of DEL for all pods.
fn measure(bench: &Bench<'_>, subject: Subject, backend: Backend) -> Result<[Times; 2], Failure> {
    let namespace = || TestNetns::try_new().map_err(Failure::from("cannot make a network namespace"));
    let node = Node::new()?;
    node.enter()?;
    let others = namespace()?;
    fill(bench, subject, &node, &others, backend)?;
    let containers: Vec<TestNetns> = (0..PODS).map(|_| namespace()).collect::<Result<_, _>>()?;
    let rows: Vec<Row<'_>> = containers
        .iter()
        .enumerate()
        .map(|(n, container)| {
            let netns = container.path();
            let attachment = Attachment { id: format!("pod-{n}"), ifname: IFNAME.to_owned(), netns };
            row(subject, &node, attachment, (backend, FIRST_PORT + OTHERS + n))
        })
        .collect();
    let (mut adds, mut dels) = (Times::default(), Times::default());
    for _ in 0..RUNS.min(bench.options.runs) {
        let (add, results) = at_once(
            &node,
            &rows,
            |row, ()| row.add(bench, timed)?.pop().ok_or_else(|| Failure("there is no plugin".to_owned())),
            &[(); PODS],
        )?;
        adds.push(add);
        let (del, _) = at_once(&node, &rows, |row, last: &Ran| row.del(bench, timed, last), &results)?;
        dels.push(del);
    }
    drop(containers);
    drop(others);
    node.end()?;
    Ok([adds, dels])
}

/// Runs a step for each chain, all of them at the same time, and returns the time until the last one has ended.
fn at_once<A: Sync, T: Send>(
    node: &Node,
    rows: &[Row<'_>],
    step: impl Fn(&Row<'_>, &A) -> Result<T, Failure> + Sync,
    arguments: &[A],
) -> Result<(Duration, Vec<T>), Failure> {
    let barrier = Barrier::new(rows.len() + 1);
    let (step, barrier) = (&step, &barrier);
    thread::scope(|scope| {
        let threads: Vec<_> = rows
            .iter()
            .zip(arguments)
            .map(|(row, argument)| {
                scope.spawn(move || {
                    let entered = node.enter();
                    barrier.wait();
                    entered.and_then(|()| step(row, argument))
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let all: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let time = started.elapsed();
        let done =
            all.into_iter().map(|one| one.unwrap_or_else(|_| Err(Failure("a thread panicked".to_owned()))));
        Ok((time, done.collect::<Result<_, _>>()?))
    })
}

/// Attaches the containers that exist before, one after the other. Our plugins do it for the Go plugins too, which would need many
/// minutes. They create the same rules, links and files.
fn fill(
    bench: &Bench<'_>,
    subject: Subject,
    node: &Node,
    others: &TestNetns,
    backend: Backend,
) -> Result<(), Failure> {
    let (subject, backend) = match subject {
        Subject::Go => {
            let linking = bench.programs.linkings.first().copied().unwrap_or(Linking::Default);
            (Subject::Ours(linking), Backend::Iptables)
        }
        _ => (subject, backend),
    };
    for n in 0..OTHERS {
        // They share a namespace, so each needs another name for its interface.
        let attachment =
            Attachment { id: format!("other-{n}"), ifname: format!("eth{n}"), netns: others.path() };
        let mut row = row(subject, node, attachment, (backend, FIRST_PORT + n));
        if n % 2 == 1 {
            second_network(&mut row, node);
        }
        row.plugins[0].1["ipam"]["routes"] = json!([]);
        row.add(bench, timed)?;
    }
    Ok(())
}

fn second_network(row: &mut Row<'_>, node: &Node) {
    for (_, config) in &mut row.plugins {
        config["name"] = "second".into();
    }
    let bridge = &mut row.plugins[0].1;
    bridge["bridge"] = "cni1".into();
    bridge["ipam"] = host_local(node.data_dir(), "10.89.0.0/16");
}
