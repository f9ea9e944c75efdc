//! The page: what was reached, what was measured, and how.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Failure;
use crate::goals::{self, Goal};
use crate::pictures;
use crate::results::{Operation, Results, Row};
use crate::sections::{self, Section};
use crate::stats::{ratio, thousands};
use crate::subject::{Linking, Subject};

const PAGE: &str = "BENCHMARK.md";
/// The folder of the pictures, beside the page.
const PICTURES: &str = "benchmark";

/// A file to be written.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    text: String,
}

impl File {
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(&self.path);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| fs::write(&path, &self.text));
        written.map_err(Failure::from(path.display()))
    }
}

/// The page without its pictures, and with those goals alone that were measured.
pub(crate) fn text(results: &Results) -> String {
    let goals: Vec<Goal> = goals::all(results).into_iter().filter(|goal| goal.measured.is_some()).collect();
    page(results, &goals)
}

fn page(results: &Results, goals: &[Goal]) -> String {
    let mut page = String::from("# Our plugins beside the Go plugins\n\n");
    intro(&mut page, results);
    goals_table(&mut page, goals);
    for section in sections::all() {
        if !section.rows(results).is_empty() {
            let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.text);
            table(&mut page, results, &section);
        }
    }
    page.push_str("\n## How it is measured\n\n");
    page.push_str(HOW);
    page
}

/// The page and its pictures.
pub(crate) fn files(results: &Results) -> Vec<File> {
    let mut page = page(results, &goals::all(results));
    let mut files = Vec::new();
    for section in sections::all() {
        let pictures = pictures::all(results, &section);
        let mut shown = String::new();
        for (name, alt, text) in pictures {
            let _ = writeln!(shown, "![{alt}]({PICTURES}/{name}.svg)\n");
            files.push(File { path: Path::new(PICTURES).join(name + ".svg"), text });
        }
        let head = format!("\n## {}\n\n{}\n\n", section.title, section.text);
        page = page.replace(&head, &format!("{head}{shown}"));
    }
    files.push(File { path: PAGE.into(), text: page });
    files
}

fn intro(page: &mut String, results: &Results) {
    page.push_str(
        "Made by `cargo bench -p cni-testing --bench plugins`, which runs all of them in turn and writes this page. Compare \
         ratios: times are this machine's.\n\n",
    );
    for (name, value) in &results.machine.0 {
        let _ = writeln!(page, "- {name}: {value}");
    }
    let _ = writeln!(page, "- took: {} s", results.took.as_secs());
    for failure in &results.failures {
        let _ = writeln!(page, "- **not measured**: {}", failure.replace('\n', " "));
    }
    page.push_str(
        "\n*default* is how cargo links for the machine's own target, *static* the same with the C library in it, *musl* the \
         musl target. The *floor* is a program that makes the same objects in the kernel, linked in the same way, with \
         nothing around it: no configuration, no JSON.\n",
    );
}

fn goals_table(page: &mut String, goals: &[Goal]) {
    let mut linkings: Vec<Linking> = goals.iter().map(|goal| goal.linking).collect();
    linkings.sort();
    linkings.dedup();
    if linkings.is_empty() {
        return;
    }
    page.push_str("\n## Goals\n\n|");
    let names: Vec<&str> = linkings.iter().map(|linking| linking.as_str()).collect();
    let _ = writeln!(page, " | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for goal in goals {
        let row = (goal.what.as_str(), goal.of);
        if shown.contains(&row) {
            continue;
        }
        shown.push(row);
        let _ = write!(page, "| {}, of {}", goal.what, goal.of);
        for linking in &linkings {
            let found = goals
                .iter()
                .find(|goal| (goal.what.as_str(), goal.of, goal.linking) == (row.0, row.1, *linking));
            let _ = write!(page, " | {}", found.map(outcome).unwrap_or_default());
        }
        page.push_str(" |\n");
    }
}

fn outcome(goal: &Goal) -> String {
    let limit = times(goal.limit, goal.limit);
    match (goal.measured, goal.is_reached()) {
        (Some(measured), Some(true)) => format!("{}, at most {limit}: reached", times(measured, goal.limit)),
        (Some(measured), _) => format!("{}, at most {limit}: **missed**", times(measured, goal.limit)),
        (None, _) => format!("not measured, at most {limit}"),
    }
}

/// A ratio, as a fraction where the limit is one.
fn times(ratio: f64, limit: f64) -> String {
    if limit < 1.0 && ratio > 0.0 {
        format!("1/{:.1}", 1.0 / ratio).replace(".0", "")
    } else {
        format!("{ratio:.2}")
    }
}

fn table(page: &mut String, results: &Results, section: &Section) {
    page.push_str("| | | runs | median ms | least | p90 | of Go | of the floor | largest KiB | started |\n");
    page.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (job, name) in &section.jobs {
        let mut rows: Vec<&Row> = results.of(*job).collect();
        rows.sort_by_key(|row| (row.operation, row.others, row.subject));
        let mut before = String::new();
        for row in rows {
            let title = title_of(row, section, name);
            let shown = if title == before { "" } else { &title };
            line(page, results, row, shown);
            before = title;
        }
    }
}

fn title_of(row: &Row, section: &Section, job: &str) -> String {
    match section.others {
        Some(others) => format!("{}, {} {others}", row.operation.as_str(), thousands(row.others)),
        None => format!("{job} {}", row.operation.as_str()),
    }
}

fn line(page: &mut String, results: &Results, row: &Row, title: &str) {
    let at = (row.job, row.others, row.operation);
    let shown = |value: Option<String>| value.unwrap_or_default();
    let of = |other: Subject| {
        let ratio = ratio(row.times.median()?, results.median(at, other)?)?;
        Some(format!("{ratio:.3}"))
    };
    let go = (row.subject != Subject::Go).then(|| of(Subject::Go)).flatten();
    let floor = row.subject.floor().and_then(of);
    let _ = writeln!(
        page,
        "| {title} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        row.subject,
        row.times.len(),
        shown(row.times.median().map(millis)),
        shown(row.times.least().map(millis)),
        shown(row.times.p90().map(millis)),
        shown(go),
        shown(floor),
        shown(row.cost.map(|cost| thousands(cost.peak as usize))),
        shown(row.cost.map(|cost| cost.processes.to_string())),
    );
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

const HOW: &str = "\
- Each time is of whole processes, from before a plugin is started until it has been reaped. stdin lies in its pipe
  before, stdout is read afterwards. Of several plugins of a chain the times are added.
- All programs take turns, another one first in each round, after two rounds that do not count. A slow one runs in
  fewer rounds, spread evenly. What is compared are medians; p90 is what nine in ten runs do not exceed.
- Each program has a host and a container of its own, namespaces that are there before and stay until the end, so that
  the kernel's removal of namespaces disturbs nobody. After each run all is as it was before, which is looked at. Between
  two runs that change the network there is a pause of 15 ms.
- What a DEL takes is mostly the kernel's: it waits until no other processor uses a link any more.
- The largest process and the number of processes that a call started are from a run of its own, in which the calls are
  followed with ptrace(2): the kernel tells the peak when a process is about to exit, and each process when it is made.
- What other containers have is made before: the files in a pool are written; the Go plugin's rules are copies of one
  container's; ours are by our plugins.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Cost, Job};
    use crate::stats::Times;
    use crate::svg::is_well_formed;

    fn results() -> Results {
        let mut results = Results::new(Machine(vec![("kernel", "6.1".to_owned())]));
        let subjects = [Subject::Go, Subject::Ours(Linking::Musl), Subject::Floor(Linking::Musl)];
        for (job, others) in [(Job::Start, 0), (Job::HostLocal, 0), (Job::HostLocal, 50_000)] {
            for (n, subject) in (1..).zip(subjects) {
                let operation = if job == Job::Start { Operation::Version } else { Operation::Add };
                let mut times = Times::default();
                times.push(Duration::from_micros(12_000 / n));
                let cost = Some(Cost { peak: 5_000 / n, processes: 2 });
                results.rows.push(Row { job, others, operation, subject, times, cost });
            }
        }
        results.failures.push("portmap: there\nis none".to_owned());
        results
    }

    #[test]
    fn the_page_tells_what_was_measured_on_what_and_what_was_not() {
        let page = page(&results(), &goals::all(&results()));
        let lines = [
            "- kernel: 6.1",
            "- **not measured**: portmap: there is none",
            "| bridge VERSION | Go | 1 | 12.00 | 12.00 | 12.00 |  |  | 5,000 | 2 |",
            "|  | ours, musl | 1 | 6.00 | 6.00 | 6.00 | 0.500 | 1.500 | 2,500 | 2 |",
            "| start of bridge, of the floor | 1.50, at most 1.50: reached |",
            "| host-local ADD with 50,000 taken, as a multiple of the floor, of the same with none | 1.00, at most 1.30: reached |",
            "| host-local ADD with 50,000 taken, of Go | 1/2, at most 1/50: **missed** |",
            "| portmap by iptables ADD, of Go | not measured, at most 1/12 |",
        ];
        for line in lines {
            assert!(page.lines().any(|found| found == line), "{line:?} is not in {page}");
        }
        assert!(page.contains("## host-local") && !page.contains("## The whole chain"), "{page}");
    }

    #[test]
    fn a_run_of_a_part_tells_only_what_it_measured() {
        assert!(text(&results()).contains("start of bridge, of the floor"));
        assert!(!text(&results()).contains("not measured, at most"));
    }

    #[test]
    fn each_picture_is_shown_on_the_page_and_well_formed() {
        let files = files(&results());
        let page = files.iter().find(|file| file.path == Path::new(PAGE)).unwrap();
        let pictures: Vec<_> = files.iter().filter(|file| file.path != Path::new(PAGE)).collect();
        assert_eq!(pictures.len(), 2);
        for picture in pictures {
            assert!(is_well_formed(&picture.text), "{}", picture.text);
            assert!(page.text.contains(&format!("]({})", picture.path.display())), "{}", page.text);
        }
    }
}
