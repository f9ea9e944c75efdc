//! The text of the page.

use std::process::Command;

use cni_testing::conformance::{Finding, Level, Report, Verdict, checks};

use crate::reasons;

/// The result for one plugin, or why there is none.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) report: Result<Report, String>,
}

impl Row {
    /// Names the plugin in a sentence.
    fn title(&self) -> String {
        format!("{} ({})", self.name, self.origin)
    }

    /// Returns the report of a plugin that works on this machine.
    fn tried(&self) -> Option<&Report> {
        self.report.as_ref().ok().filter(|_| self.untried().is_none())
    }

    /// Returns the finding of each check, by the check's name. It is empty if the plugin does not work on this machine.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        let findings = self.tried().into_iter().flat_map(|report| &report.findings);
        findings.map(|finding| (self.name, finding))
    }

    /// Returns why the plugin does not work on this machine.
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

/// For a plugin that works neither alone nor in a chain, the findings say more than the failure.
fn why_add_fails(report: &Report) -> Option<String> {
    report.findings.iter().find_map(|finding| match &finding.verdict {
        Verdict::NotRun(reason) => Some(reason.strip_prefix("ADD does not work: ")?.to_owned()),
        _ => None,
    })
}

/// Reasons for which a check does not apply to a plugin on any machine.
const ORDINARY: [&str; 3] =
    ["it is a plugin of kind ", "the configuration has version ", "it does not delegate to an IPAM plugin"];

/// Writes the whole page.
pub(crate) fn page(rows: &[Row]) -> String {
    [introduction(), table(rows), untried(rows), deviations(rows), not_run(rows)].concat()
}

fn introduction() -> String {
    let (date, kernel, package) = (output_of("date", &["-u", "+%F"]), output_of("uname", &["-r"]), package());
    let count = checks().count();
    format!(
        "# Conformance of plugins\n\n\
         The conformance suite of `cni-testing` found this with {count} checks on {date}, on Linux {kernel}. The page was\n\
         written by `cargo run --package cni-testing --example conformance_table > cni-testing/CONFORMANCE.md`.\n\n\
         *Debian* is the package {package}, called in version 1.0.0 of the specification, the newest\n\
         that it supports. *Ours* are the plugins of this repository, called in version 1.1.0.\n\n\
         A check is not run if it is for another kind of plugin or for a newer version: GC and STATUS are new in 1.1.0. Other\n\
         reasons are listed below. `cnitest conform --list` describes each check. The checks of group `load` test races, so\n\
         their results can differ between runs.\n\n\
         Most of the deviations are in the common Go library, and runtimes know how to handle them.\n\n"
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
        let (name, origin, seconds) = (row.name, row.origin, report.took.as_secs_f64());
        text.push_str(&format!(
            "| {name} | {origin} | {passed} | {must} | {should} | {manners} | {not_run} | {seconds:.1} |\n"
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
            "\nThese plugins are not in the table, because their ADD cannot work on this machine:\n\n{}",
            lines.concat()
        ),
    }
}

fn deviations(rows: &[Row]) -> String {
    let mut text = "\n## Deviations\n".to_owned();
    for check in checks() {
        let mut statements = Statements::default();
        for (row, finding) in findings(rows, check.id()) {
            if finding.failure().is_some() {
                statements.add(reasons::of(row.name, finding), row.title());
            }
        }
        if !statements.0.is_empty() {
            let (id, section, level, expected) =
                (check.id(), check.section(), check.level(), check.expected());
            text.push_str(&format!(
                "\n**[{id}]({section})** ({level}): {expected}\n\n{}",
                statements.lines()
            ));
        }
    }
    text
}

/// Lists the checks that were not run, except those that do not apply to the plugin.
fn not_run(rows: &[Row]) -> String {
    let mut statements = Statements::default();
    for row in rows {
        let mut reasons = Statements::default();
        for finding in row.tried().into_iter().flat_map(|report| &report.findings) {
            match &finding.verdict {
                Verdict::NotRun(reason) if !ORDINARY.iter().any(|ordinary| reason.starts_with(ordinary)) => {
                    reasons.add(reason.replace('\n', " "), format!("`{}`", finding.check.id()));
                }
                _ => {}
            }
        }
        for (reason, ids) in reasons.0 {
            statements.add(format!("{reason}: {}", ids.join(", ")), row.title());
        }
    }
    format!(
        "\n## Not run\n\nThese checks were not run for reasons other than the kind of plugin, its version or delegation:\n\n{}",
        statements.lines()
    )
}

/// Returns the findings of one check for all plugins that were tried.
fn findings<'a>(rows: &'a [Row], check: &'a str) -> impl Iterator<Item = (&'a Row, &'a Finding)> {
    rows.iter().filter_map(move |row| {
        let findings = &row.tried()?.findings;
        Some((row, findings.iter().find(|finding| finding.check.id() == check)?))
    })
}

/// Groups plugins by sentence, in the order in which the sentences were added.
#[derive(Default)]
struct Statements(Vec<(String, Vec<String>)>);

impl Statements {
    fn add(&mut self, sentence: String, of: String) {
        match self.0.iter_mut().find(|(stated, _)| *stated == sentence) {
            Some((_, all)) => all.push(of),
            None => self.0.push((sentence, vec![of])),
        }
    }

    fn lines(&self) -> String {
        self.0.iter().map(|(sentence, all)| format!("- {}: {sentence}\n", all.join(", "))).collect()
    }
}

fn package() -> String {
    let version = output_of("dpkg-query", &["-W", "-f", "${Version}", "containernetworking-plugins"]);
    format!("`containernetworking-plugins` {version}")
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
