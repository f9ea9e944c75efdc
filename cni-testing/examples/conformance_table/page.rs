//! The page.

use std::process::Command;

use cni_testing::conformance::{Finding, Level, Report, Verdict, checks};

use crate::reasons;

/// What came of one plugin, or why nothing did.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) whose: &'static str,
    pub(crate) report: Result<Report, String>,
}

impl Row {
    /// Who it is in a sentence.
    fn title(&self) -> String {
        format!("{} ({})", self.name, self.whose)
    }

    /// The report of a plugin that could do its work here.
    fn tried(&self) -> Option<&Report> {
        self.report.as_ref().ok().filter(|_| self.untried().is_none())
    }

    /// What it came to in each check, by its name, if it could do its work.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        let findings = self.tried().into_iter().flat_map(|report| &report.findings);
        findings.map(|finding| (self.name, finding))
    }

    /// Why it could not.
    fn untried(&self) -> Option<String> {
        let report = match &self.report {
            Ok(report) => report,
            Err(why) => return Some(why.clone()),
        };
        let add = report.findings.iter().find(|finding| finding.check.id() == "add/succeeds")?;
        let found = add.failure()?.replace('\n', " ");
        Some(why_add_fails(report).unwrap_or(found))
    }
}

/// The findings tell more of a plugin that works neither alone nor behind another than the failure itself.
fn why_add_fails(report: &Report) -> Option<String> {
    report.findings.iter().find_map(|finding| match &finding.verdict {
        Verdict::NotRun(reason) => Some(reason.strip_prefix("ADD does not work: ")?.to_owned()),
        _ => None,
    })
}

/// Why a check says nothing about a plugin, whatever the machine.
const ORDINARY: [&str; 3] =
    ["it is a plugin of kind ", "the configuration has version ", "it does not delegate to an IPAM plugin"];

/// The whole page.
pub(crate) fn page(rows: &[Row]) -> String {
    [introduction(), table(rows), untried(rows), deviations(rows), not_run(rows)].concat()
}

fn introduction() -> String {
    let (date, kernel, package) = (said_by("date", &["-u", "+%F"]), said_by("uname", &["-r"]), package());
    let count = checks().count();
    format!(
        "# What plugins do of what the specification asks\n\n\
         Found by the conformance suite of `cni-testing` ({count} checks) on {date}, Linux {kernel}. Made by\n\
         `cargo run --package cni-testing --example conformance_table > cni-testing/CONFORMANCE.md`.\n\n\
         *Debian* is the package {package}, called in version 1.0.0 of the specification, the newest\n\
         that it supports.\n\
         *Ours* are the plugins of this repository, called in version 1.1.0. A check that is not run is about another kind of\n\
         plugin, or about a newer version: GC and STATUS came with 1.1.0; other reasons are below. `cnitest conform --list`\n\
         tells what each check is.\n\n\
         The checks of group `load` are races: what they find in one run they may miss in another.\n\n\
         Most deviations below come from the common Go library, and runtimes have long learned to live with them.\n\n"
    )
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| plugin | | passed | must failed | should failed | manners failed | not run | seconds |\n\
                    |---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let Some(report) = row.tried() else { continue };
        let (passed, _, not_run) = report.counts();
        let [must, should, manners] =
            [Level::Must, Level::Should, Level::Manners].map(|level| report.failures(level).count());
        let (name, whose, seconds) = (row.name, row.whose, report.took.as_secs_f64());
        text.push_str(&format!(
            "| {name} | {whose} | {passed} | {must} | {should} | {manners} | {not_run} | {seconds:.1} |\n"
        ));
    }
    text
}

fn untried(rows: &[Row]) -> String {
    let lines: Vec<_> =
        rows.iter().filter_map(|row| Some(format!("- {}: {}\n", row.title(), row.untried()?))).collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!(
            "\nNot in the table, because their ADD cannot work on this machine:\n\n{}",
            lines.concat()
        ),
    }
}

fn deviations(rows: &[Row]) -> String {
    let mut text = "\n## Deviations\n".to_owned();
    for check in checks() {
        let mut said = Said::default();
        for (row, finding) in findings(rows, check.id()) {
            if finding.failure().is_some() {
                said.add(reasons::of(row.name, finding), row.title());
            }
        }
        if !said.0.is_empty() {
            let (id, section, level, expected) =
                (check.id(), check.section(), check.level(), check.expected());
            text.push_str(&format!("\n**[{id}]({section})** ({level}): {expected}\n\n{}", said.lines()));
        }
    }
    text
}

/// What was not run for other reasons than what the plugin is.
fn not_run(rows: &[Row]) -> String {
    let mut said = Said::default();
    for row in rows {
        let mut reasons = Said::default();
        for finding in row.tried().into_iter().flat_map(|report| &report.findings) {
            match &finding.verdict {
                Verdict::NotRun(reason) if !ORDINARY.iter().any(|ordinary| reason.starts_with(ordinary)) => {
                    reasons.add(reason.replace('\n', " "), format!("`{}`", finding.check.id()));
                }
                _ => {}
            }
        }
        for (reason, ids) in reasons.0 {
            said.add(format!("{reason}: {}", ids.join(", ")), row.title());
        }
    }
    format!(
        "\n## Not run\n\nBesides what is about another kind of plugin, a newer version, or delegation:\n\n{}",
        said.lines()
    )
}

/// What each plugin that was tried came to in a check.
fn findings<'a>(rows: &'a [Row], check: &'a str) -> impl Iterator<Item = (&'a Row, &'a Finding)> {
    rows.iter().filter_map(move |row| {
        let findings = &row.tried()?.findings;
        Some((row, findings.iter().find(|finding| finding.check.id() == check)?))
    })
}

/// Sentences, each with those of whom it is said, in the order in which they came.
#[derive(Default)]
struct Said(Vec<(String, Vec<String>)>);

impl Said {
    fn add(&mut self, sentence: String, of: String) {
        match self.0.iter_mut().find(|(said, _)| *said == sentence) {
            Some((_, all)) => all.push(of),
            None => self.0.push((sentence, vec![of])),
        }
    }

    fn lines(&self) -> String {
        self.0.iter().map(|(sentence, all)| format!("- {}: {sentence}\n", all.join(", "))).collect()
    }
}

fn package() -> String {
    let version = said_by("dpkg-query", &["-W", "-f", "${Version}", "containernetworking-plugins"]);
    format!("`containernetworking-plugins` {version}")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
