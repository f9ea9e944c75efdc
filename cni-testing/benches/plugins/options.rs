//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::scenario;
use crate::subject::Linking;

pub(crate) const HELP: &str = "\
Measures our plugins, the Go plugins and the floor in turn, and prints their times.

Usage: cargo bench -p cni-testing --bench plugins -- [OPTIONS]

Options:
  --only NAME[,NAME]...   Run only these scenarios; --list prints all
  --runs N                The maximum number of runs. Default: 100
  --budget SECONDS        The approximate time for one program in one scenario, but
                          at least 5 runs. Default: 5
  --linking NAME[,NAME]   The linking of our plugins: default (the default target),
                          static (the default target, statically linked) or musl.
                          Default: default, and musl if its target is installed
  --go DIR                The folder with the Go plugins. Default: /usr/lib/cni
  --out DIR               The folder for the page and its pictures. Default: the
                          package if all scenarios run, otherwise none
  --list                  Print the scenarios
  -h, --help              Print this text

Exit status: 0 if everything was measured, 1 if something could not be measured, 2
if the arguments are invalid. It does not fail for being slow.
";

#[derive(Debug)]
pub(crate) enum Request {
    Help,
    List,
    Run(Options),
}

/// The options of a run.
#[derive(Debug)]
pub(crate) struct Options {
    /// `None` for all.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) runs: usize,
    pub(crate) budget: Duration,
    /// `None` for the linkings whose targets are installed.
    pub(crate) linkings: Option<Vec<Linking>>,
    pub(crate) go: PathBuf,
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == scenario))
    }
}

/// Parses the arguments without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut parser = Parser::from_args(arguments);
    let mut options = Options {
        only: None,
        runs: 100,
        budget: Duration::from_secs(5),
        linkings: None,
        go: PathBuf::from("/usr/lib/cni"),
        out: None,
    };
    let mut is_whole = true;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("list") => return Ok(Request::List),
            // Cargo passes it to every benchmark.
            Arg::Long("bench") => {}
            Arg::Long("only") => {
                options.only = Some(names(&parser.value()?, scenario::is_one)?);
                is_whole = false;
            }
            Arg::Long("runs") => {
                options.runs = parser.value()?.parse_with(count)?;
                is_whole = false;
            }
            Arg::Long("budget") => {
                options.budget = Duration::from_secs(parser.value()?.parse_with(count)? as u64);
                is_whole = false;
            }
            Arg::Long("linking") => {
                let names = names(&parser.value()?, |name| Linking::named(name).is_some())?;
                options.linkings = Some(names.iter().filter_map(|name| Linking::named(name)).collect());
                is_whole = false;
            }
            Arg::Long("go") => options.go = parser.value()?.into(),
            Arg::Long("out") => options.out = Some(parser.value()?.into()),
            other => return Err(other.unexpected()),
        }
    }
    if options.out.is_none() && is_whole {
        options.out = Some(Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    }
    Ok(Request::Run(options))
}

fn names(list: &OsString, is_one: impl Fn(&str) -> bool) -> Result<Vec<String>, lexopt::Error> {
    let names: Vec<String> = list.clone().string()?.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !is_one(name)) {
        Some(name) => Err(format!("unknown name {name:?}").into()),
        None => Ok(names),
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1_000_000) => Ok(n),
        _ => Err(format!("{text:?} is no number from 1 to 1000000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Options {
        match parse(arguments.iter().map(OsString::from)).unwrap() {
            Request::Run(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_run_of_everything_writes_the_page_unasked() {
        assert_eq!(run(&["--bench"]).out.as_deref(), Some(Path::new(env!("CARGO_MANIFEST_DIR"))));
        assert_eq!(run(&["--only", "start"]).out, None);
        assert_eq!(run(&["--runs", "3"]).out, None);
        assert_eq!(run(&["--linking", "musl"]).out, None);
        assert_eq!(run(&["--runs", "3", "--out", "x"]).out.as_deref(), Some(Path::new("x")));
    }

    #[test]
    fn several_scenarios_can_be_named_and_unknown_ones_are_refused() {
        let options = run(&["--only", "start,bridge"]);
        assert!(options.wants("start") && options.wants("bridge") && !options.wants("chain"));
        assert!(parse(["--only", "stat"].map(OsString::from)).is_err());
        assert!(parse(["--linking", "gold"].map(OsString::from)).is_err());
    }

    #[test]
    fn a_number_of_runs_that_makes_no_sense_is_refused() {
        for number in ["0", "-1", "x", "1000001"] {
            assert!(parse(["--runs", number].map(OsString::from)).is_err(), "{number}");
        }
    }
}
