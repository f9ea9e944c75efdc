//! The report, as text, JSON and JUnit XML.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cni_skel::types::SpecVersion;
use serde_json::{Value, json};

use super::check::Check;
use super::exchange::Exchange;
use super::level::{Kind, Level};

/// The check that most others depend on, and the reason that they give.
pub(super) const ADD_WORKS: &str = "add/succeeds";
pub(super) const ADD_IS_BROKEN: &str = "ADD does not work";

/// An introduction for the author of a plugin that does not answer VERSION.
const PROTOCOL: &str = "\
A runtime calls a plugin like this: CNI_COMMAND in its environment says what to do (ADD, DEL, CHECK, GC, STATUS, VERSION),
CNI_CONTAINERID, CNI_NETNS and CNI_IFNAME say to what, and stdin is the configuration. The plugin answers with exit code 0, and
one JSON object on stdout for ADD and VERSION, nothing for the others; or with another exit code, and an error object on stdout.
Logs go to stderr.

";

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The plugin does what the check requires.
    Passed,
    /// The plugin does something else. The text says what.
    Failed(String),
    /// The check does not apply to this plugin, or could not run. The text says why.
    NotRun(String),
}

/// One check and its result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// The result.
    pub verdict: Verdict,
    /// The last call.
    pub sent: String,
    /// The answer to the last call.
    pub received: String,
    /// The commands of the calls before, in order.
    pub earlier: Vec<String>,
    /// How long the check took.
    pub took: Duration,
}

impl Finding {
    pub(super) fn new(check: Check, verdict: Verdict, trail: &[Exchange], took: Duration) -> Self {
        let (sent, received, earlier) = match trail.split_last() {
            Some((last, earlier)) => {
                let name = |exchange: &Exchange| {
                    let env = &exchange.request.env;
                    let word = |name: &str| env.get(name).map(|value| value.to_string_lossy().into_owned());
                    let command = word("CNI_COMMAND").unwrap_or_else(|| "no command".to_owned());
                    word("CNI_CONTAINERID").map_or(command.clone(), |id| format!("{command} {id}"))
                };
                (last.request.describe(), last.answer(), earlier.iter().map(name).collect())
            }
            None => Default::default(),
        };
        Self { check, verdict, sent, received, earlier, took }
    }

    /// Returns what the plugin did instead, if the check failed.
    pub fn failure(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Failed(found) => Some(found),
            _ => None,
        }
    }
}

/// The results of all checks for one plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The plugin's name.
    pub plugin: String,
    /// The version of the specification in which it was called.
    pub version: SpecVersion,
    /// The kind, if it could be found.
    pub kind: Option<Kind>,
    /// The versions that the plugin says it supports.
    pub supported: Vec<SpecVersion>,
    /// One finding for each selected check.
    pub findings: Vec<Finding>,
    /// How long all checks took.
    pub took: Duration,
}

impl Report {
    /// Returns the failures of this level.
    pub fn failures(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.check.level() == level && finding.failure().is_some())
    }

    /// Returns how many checks passed, failed and were not run.
    pub fn counts(&self) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for finding in &self.findings {
            match finding.verdict {
                Verdict::Passed => counts.0 += 1,
                Verdict::Failed(_) => counts.1 += 1,
                Verdict::NotRun(_) => counts.2 += 1,
            }
        }
        counts
    }

    /// Returns the report as text. `again` makes the command line that repeats a check.
    pub fn text(&self, again: impl Fn(&Check) -> String) -> String {
        let mut text = format!("{}\n{}", self.headline(), self.beginning());
        let mut failures: Vec<_> = Level::ALL.iter().flat_map(|level| self.failures(*level)).collect();
        // The other checks depend on it.
        failures.sort_by_key(|finding| finding.check.id() != ADD_WORKS);
        for finding in failures {
            text.push_str(&explain(finding, &again(&finding.check)));
        }
        text.push_str(&self.groups());
        text.push_str(&self.not_run());
        text.push_str(&self.summary());
        text
    }

    /// Returns the report as one JSON document.
    pub fn json(&self) -> Value {
        let (passed, failed, not_run) = self.counts();
        let findings: Vec<_> = self.findings.iter().map(finding_json).collect();
        json!({
            "plugin": self.plugin,
            "kind": self.kind.map(Kind::as_str),
            "cniVersion": self.version.as_str(),
            "supportedVersions": self.supported.iter().map(|version| version.as_str()).collect::<Vec<_>>(),
            "checks": findings,
            "passed": passed,
            "failed": failed,
            "notRun": not_run,
            "mustsFailed": self.failures(Level::Must).count(),
            "seconds": self.took.as_secs_f64(),
        })
    }

    /// Returns the report as JUnit XML, for CI systems. A failed check of level must is a failure there. Other failed
    /// checks are notes.
    pub fn junit(&self) -> String {
        let (_, _, not_run) = self.counts();
        let musts = self.failures(Level::Must).count();
        let (name, total) = (escape(&self.plugin), self.findings.len());
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"cni conformance of {name}\" \
             tests=\"{total}\" failures=\"{musts}\" errors=\"0\" skipped=\"{not_run}\" time=\"{:.3}\">\n",
            self.took.as_secs_f64()
        );
        for finding in &self.findings {
            let check = &finding.check;
            xml.push_str(&format!(
                "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
                check.group(),
                check.id(),
                finding.took.as_secs_f64()
            ));
            match &finding.verdict {
                Verdict::Passed => {}
                Verdict::NotRun(reason) => {
                    xml.push_str(&format!("<skipped message=\"{}\"/>", escape(reason)));
                }
                Verdict::Failed(found) if check.level() == Level::Must => xml.push_str(&format!(
                    "<failure message=\"{}\">{}</failure>",
                    escape(found),
                    escape(&explain(finding, ""))
                )),
                Verdict::Failed(_) => {
                    xml.push_str(&format!("<system-out>{}</system-out>", escape(&explain(finding, ""))));
                }
            }
            xml.push_str("</testcase>\n");
        }
        xml.push_str("</testsuite>\n");
        xml
    }

    fn headline(&self) -> String {
        let kind = match self.kind {
            Some(Kind::Interface) => "an interface plugin",
            Some(Kind::Ipam) => "an IPAM plugin",
            Some(Kind::Chained) => "a chained plugin",
            None => "a plugin of unknown kind",
        };
        let versions: Vec<_> = self.supported.iter().map(|version| version.as_str()).collect();
        let versions = match versions.as_slice() {
            [] => "it does not say which versions it supports".to_owned(),
            versions => format!("it supports {}", versions.join(", ")),
        };
        format!("{}: {kind}, called in version {}; {versions}\n", self.plugin, self.version)
    }

    /// Where to begin, for the author of a plugin that fails most checks.
    fn beginning(&self) -> String {
        let mut text = String::new();
        if self.supported.is_empty() && self.failures(Level::Must).next().is_some() {
            text.push_str(PROTOCOL);
        }
        let waiting = self.findings.iter().filter(|finding| match &finding.verdict {
            Verdict::NotRun(reason) => reason.starts_with(ADD_IS_BROKEN),
            _ => false,
        });
        let add = self.failures(Level::Must).find(|finding| finding.check.id() == ADD_WORKS);
        if let (Some(_), waiting @ 1..) = (add, waiting.count()) {
            text.push_str(&format!(
                "Begin with {ADD_WORKS}: {waiting} checks do not run until ADD works.\n\n"
            ));
        }
        text
    }

    fn groups(&self) -> String {
        let mut groups: Vec<(&str, [usize; 3])> = Vec::new();
        for finding in &self.findings {
            let group = finding.check.group();
            let at = groups.iter().position(|(name, _)| *name == group).unwrap_or_else(|| {
                groups.push((group, [0; 3]));
                groups.len() - 1
            });
            let column = match finding.verdict {
                Verdict::Passed => 0,
                Verdict::Failed(_) => 1,
                Verdict::NotRun(_) => 2,
            };
            groups[at].1[column] += 1;
        }
        let mut text = String::new();
        for (name, counts) in groups {
            let parts: Vec<_> = counts
                .iter()
                .zip(["passed", "failed", "not run"])
                .filter(|(count, _)| **count > 0)
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            text.push_str(&format!("{name:10} {}\n", parts.join(", ")));
        }
        text
    }

    fn not_run(&self) -> String {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for finding in &self.findings {
            if let Verdict::NotRun(reason) = &finding.verdict {
                reasons.entry(reason).or_default().push(finding.check.id());
            }
        }
        let mut text = String::new();
        for (reason, ids) in reasons {
            text.push_str(&format!("\nNot run, {} because {reason}:\n  {}\n", ids.len(), ids.join(", ")));
        }
        text
    }

    fn summary(&self) -> String {
        let (passed, failed, not_run) = self.counts();
        let failed = match failed {
            0 => "none failed".to_owned(),
            _ => {
                let of = |level: &Level| format!("{} {level}", self.failures(*level).count());
                let of_each: Vec<_> = Level::ALL.iter().map(of).collect();
                format!("{failed} failed ({})", of_each.join(", "))
            }
        };
        let (total, seconds) = (self.findings.len(), self.took.as_secs_f64());
        format!("\n{total} checks in {seconds:.1} s: {passed} passed, {failed}, {not_run} not run\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|_| String::new()))
    }
}

fn explain(finding: &Finding, again: &str) -> String {
    let check = &finding.check;
    let mut text = format!("FAILED {} ({})\n", check.id(), check.level());
    let mut part = |title: &str, body: &str| {
        let mut lines = body.lines();
        text.push_str(&format!("  {title:10} {}\n", lines.next().unwrap_or_default()));
        lines.for_each(|line| text.push_str(&format!("  {:10} {line}\n", "")));
    };
    part("expected", check.expected());
    part("why", check.why());
    part("found", finding.failure().unwrap_or_default());
    if !finding.earlier.is_empty() {
        part("before", &finding.earlier.join(", "));
    }
    if !finding.sent.is_empty() {
        part("sent", &finding.sent);
        part("got", &finding.received);
    }
    part("see", &check.section());
    if !again.is_empty() {
        part("again", again);
    }
    text.push('\n');
    text
}

fn finding_json(finding: &Finding) -> Value {
    let check = &finding.check;
    let (outcome, text) = match &finding.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(found) => ("failed", Some(found)),
        Verdict::NotRun(reason) => ("not run", Some(reason)),
    };
    json!({
        "id": check.id(),
        "level": check.level().as_str(),
        "section": check.section(),
        "expected": check.expected(),
        "why": check.why(),
        "outcome": outcome,
        "found": text,
        "sent": finding.sent,
        "received": finding.received,
        "seconds": finding.took.as_secs_f64(),
    })
}

/// Escapes text for XML, and replaces characters that XML does not allow.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}
