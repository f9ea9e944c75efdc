//! The fake says and does what the kernel does.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::requests::requests;
use crate::scene::Scene;

/// How long the kernel may take to follow: carriers are told of by a worker thread.
const PATIENCE: Duration = Duration::from_secs(3);
/// What one learns from is the first few.
const ENOUGH: usize = 20;

#[test]
fn it_answers_as_the_kernel_does_and_is_then_as_the_kernel_is() {
    let (mut fake, mut real) = (Scene::fake(), Scene::real());
    let requests = requests();
    assert!(requests.len() > 160, "there are only {} requests", requests.len());
    let (mut known, mut report) = (BTreeSet::new(), Vec::new());
    for (number, (what, request)) in requests.into_iter().enumerate() {
        let (ours, theirs) = (request(&fake), request(&real));
        if ours != theirs {
            report.push(format!("{number} {what}\n  kernel says: {theirs}\n  fake says:   {ours}"));
        }
        let until = Instant::now() + PATIENCE;
        let mut new = differences(&mut fake, &mut real);
        while !new.is_subset(&known) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            new = differences(&mut fake, &mut real);
        }
        report.extend(new.difference(&known).map(|difference| format!("{number} {what}\n  {difference}")));
        known.extend(new);
        if report.len() > ENOUGH {
            break;
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}

fn differences(fake: &mut Scene, real: &mut Scene) -> BTreeSet<String> {
    let (ours, theirs) = (fake.describe(), real.describe());
    let only_theirs = theirs.iter().filter(|(line, value)| ours.get(*line) != Some(value));
    let only_ours = ours.iter().filter(|(line, value)| theirs.get(*line) != Some(value));
    let only_theirs = only_theirs.map(|(line, value)| format!("kernel has: {line} {value}"));
    let only_ours = only_ours.map(|(line, value)| format!("fake has:   {line} {value}"));
    only_theirs.chain(only_ours).collect()
}
