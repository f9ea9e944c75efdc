//! The pictures of the results.

use std::time::Duration;

use crate::chart::{Axis, Series, bars, curves};
use crate::results::{Operation, Results, Row};
use crate::sections::Section;
use crate::stats::thousands;
use crate::subject::{Linking, Subject};

/// Returns the name, the alternative text and the SVG of each picture.
pub(crate) fn all(results: &Results, section: &Section) -> Vec<(String, String, String)> {
    let all = section.rows(results);
    let mut operations: Vec<Operation> = all.iter().map(|row| row.operation).collect();
    operations.sort();
    operations.dedup();
    let mut pictures = Vec::new();
    for operation in operations {
        let title = format!("{}: median time of {}", section.title, operation.as_str());
        let name = format!("{}-{}", section.file, operation.as_str().to_lowercase());
        let picture = match section.others {
            Some(others) => over_others(results, section, operation, others, &title),
            None => side_by_side(results, section, operation, &title),
        };
        pictures.push((name, title, picture));
    }
    pictures
}

fn over_others(
    results: &Results,
    section: &Section,
    operation: Operation,
    others: &str,
    title: &str,
) -> String {
    let rows: Vec<&Row> =
        section.rows(results).into_iter().filter(|row| row.operation == operation).collect();
    let mut counts: Vec<usize> = rows.iter().map(|row| row.others).collect();
    counts.sort_unstable();
    counts.dedup();
    let axis =
        Axis { title: others.to_owned(), labels: counts.iter().map(|count| thousands(*count)).collect() };
    let median = |subject, others| results.median((section.jobs[0].0, others, operation), subject);
    let series = series(&rows, |subject| counts.iter().map(|others| median(subject, *others)).collect());
    curves(title, &axis, &series)
}

fn side_by_side(results: &Results, section: &Section, operation: Operation, title: &str) -> String {
    let rows: Vec<&Row> =
        section.rows(results).into_iter().filter(|row| row.operation == operation).collect();
    let jobs: Vec<_> =
        section.jobs.iter().filter(|(job, _)| rows.iter().any(|row| row.job == *job)).collect();
    let axis =
        Axis { title: String::new(), labels: jobs.iter().map(|(_, name)| (*name).to_owned()).collect() };
    let others = rows.first().map(|row| row.others).unwrap_or_default();
    let median = |subject, job| results.median((job, others, operation), subject);
    let series = series(&rows, |subject| jobs.iter().map(|(job, _)| median(subject, *job)).collect());
    bars(title, &axis, &series)
}

fn series(rows: &[&Row], values: impl Fn(Subject) -> Vec<Option<Duration>>) -> Vec<Series> {
    let mut subjects: Vec<Subject> = rows.iter().map(|row| row.subject).collect();
    subjects.sort();
    subjects.dedup();
    let one = |subject: Subject| Series {
        name: subject.to_string(),
        colour: colour(subject),
        values: values(subject).into_iter().map(|time| time.map(|time| time.as_secs_f64() * 1e3)).collect(),
    };
    subjects.into_iter().map(one).collect()
}

/// Returns the colour of a program, which is the same in all pictures.
fn colour(subject: Subject) -> usize {
    match subject {
        Subject::Go => 0,
        Subject::Ours(Linking::Default) => 1,
        Subject::Ours(Linking::Musl) => 2,
        Subject::Ours(Linking::Static) => 3,
        Subject::Floor(Linking::Default) => 4,
        Subject::Floor(Linking::Musl) => 5,
        Subject::Floor(Linking::Static) => 6,
    }
}
