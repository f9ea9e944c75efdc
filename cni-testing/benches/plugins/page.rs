//! The page: the goals, the results, and how they were measured.

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
/// The folder for pictures, next to the page.
const PICTURES: &str = "benchmark";

/// A file to write.
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

/// Returns the page without pictures, and only with the goals that were measured.
pub(crate) fn text(results: &Results) -> String {
    let goals: Vec<Goal> = goals::all(results).into_iter().filter(|goal| goal.measured.is_some()).collect();
    page(results, &goals)
}

fn page(results: &Results, goals: &[Goal]) -> String {
    let mut page = String::from("# Our plugins and the Go plugins\n\n");
    intro(&mut page, results);
    goals_table(&mut page, goals);
    for section in sections::all() {
        if !section.rows(results).is_empty() {
            let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.text);
            table(&mut page, results, &section);
        }
    }
    page.push_str("\n## Method\n\n");
    page.push_str(HOW);
    page
}

/// Returns the page and its pictures.
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
        "`cargo bench -p cni-testing --bench plugins` runs all programs in turn and writes this page. Compare ratios, because \
         times depend on the machine.\n\n",
    );
    for (name, value) in &results.machine.0 {
        let _ = writeln!(page, "- {name}: {value}");
    }
    let _ = writeln!(page, "- took: {} s", results.took.as_secs());
    for failure in &results.failures {
        let _ = writeln!(page, "- **not measured**: {}", failure.replace('\n', " "));
    }
    page.push_str(
        "\n*default* is cargo's default target, *static* is the same target with static linking, and *musl* is the musl target. \
         The *floor* is a program that is linked in the same way and creates the same objects in the kernel, without \
         configuration and JSON.\n",
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
        let _ = write!(page, "| {}, relative to {}", goal.what, goal.of);
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

/// Formats a ratio, as a fraction if the limit is one.
fn times(ratio: f64, limit: f64) -> String {
    if limit < 1.0 && ratio > 0.0 {
        format!("1/{:.1}", 1.0 / ratio).replace(".0", "")
    } else {
        format!("{ratio:.2}")
    }
}

fn table(page: &mut String, results: &Results, section: &Section) {
    page.push_str("| | | runs | median ms | least | p90 | relative to Go | relative to the floor | largest KiB | processes |\n");
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
- Each time is that of whole processes, from before a plugin is started until it has been reaped. stdin is written to its
  pipe before, and stdout is read after. The times of several plugins of a chain are added.
- All programs run in turn, and each round starts with another one. The first two rounds do not count. A slow program runs
  in fewer rounds, which are distributed evenly. The ratios are those of medians. Nine in ten runs do not exceed p90.
- Each program has its own host and container. These namespaces exist from the start to the end, so that the kernel does
  not remove namespaces during a measurement. After each run, the benchmark checks that everything is as before. After a
  run that changes the network, it pauses for 15 ms.
- Most of the time of a DEL is spent in the kernel, which waits until no other processor uses a link.
- The largest process and the number of processes are from a separate run, which traces the calls with ptrace(2). The peak
  memory of a process is read when it is about to exit.
- The state of other containers is created before. The benchmark writes the files of a pool. The rules of the Go plugin are
  copies of one container's rules, and our plugins create their own.
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
    fn the_page_has_results_machine_and_failures() {
        let page = page(&results(), &goals::all(&results()));
        let lines = [
            "- kernel: 6.1",
            "- **not measured**: portmap: there is none",
            "| bridge VERSION | Go | 1 | 12.00 | 12.00 | 12.00 |  |  | 5,000 | 2 |",
            "|  | ours, musl | 1 | 6.00 | 6.00 | 6.00 | 0.500 | 1.500 | 2,500 | 2 |",
            "| start of bridge, relative to the floor | 1.50, at most 1.50: reached |",
            "| ratio of host-local ADD to the floor with 50,000 addresses in use, relative to the ratio with none | 1.00, at most 1.30: reached |",
            "| host-local ADD with 50,000 addresses in use, relative to Go | 1/2, at most 1/50: **missed** |",
            "| portmap ADD by iptables, relative to Go | not measured, at most 1/12 |",
        ];
        for line in lines {
            assert!(page.lines().any(|found| found == line), "{line:?} is not in {page}");
        }
        assert!(page.contains("## host-local") && !page.contains("## The whole chain"), "{page}");
    }

    #[test]
    fn a_partial_run_prints_only_what_it_measured() {
        assert!(text(&results()).contains("start of bridge, relative to the floor"));
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
