//! The command line of `cnitest`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use cni_testing::types::IfName;
use lexopt::{Arg, Parser, ValueExt};
use serde_json::value::RawValue;

use crate::arguments::{default_path, folders, seconds};
use crate::{Impossible, conform_options};

pub(crate) const HELP: &str = "\
cnitest - run and check CNI plugins

Usage: cnitest run [OPTIONS] CONFLIST
       cnitest conform [OPTIONS] BINARY [--config FILE]   (see cnitest conform --help)

run attaches containers to the network that CONFLIST describes, as a container engine
does. It sends traffic between them, calls CHECK, STATUS and GC, detaches the containers
and shows what is left behind. It works in new namespaces and does not touch the network
of the machine or the state of its plugins. It needs root or user namespaces.

Options of run:
  --path DIR[:DIR]...     The folders with the plugins. Default: CNI_PATH, else the
                          folder of cnitest, /opt/cni/bin and /usr/lib/cni
  --build                 First build the plugins that are packages of the cargo
                          workspace around CONFLIST
  --containers N          The number of containers. Default: 2, or 1 if CONFLIST names
                          a device, which only one container can have
  --ifname NAME           The interface inside containers. Default: eth0
  --args KEY=VALUE[;..]   CNI_ARGS
  --capability NAME=JSON  The value of a capability, in runtimeConfig. Repeatable
  --timeout SECONDS       The timeout of each call. Default: 60
  --json                  Print one JSON object for each event instead of text
  -h, --help              Print this text
  -V, --version           Print the version

Exit status: 0 if everything succeeded, 1 if something failed or was left behind, 2 if
the run was not possible (invalid arguments or CONFLIST, a plugin is missing, or no
privileges), 128 and the number of the signal if interrupted.
";

const MAX_CONTAINERS: usize = 100;

#[derive(Debug)]
pub(crate) enum Request {
    Help,
    Version,
    Run(Options),
    Conform(conform_options::Request),
}

/// The options of `cnitest run`.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) conflist: PathBuf,
    pub(crate) path: Vec<PathBuf>,
    pub(crate) build: bool,
    /// The number of containers, or `None` for the default.
    pub(crate) containers: Option<usize>,
    pub(crate) ifname: IfName,
    pub(crate) args: String,
    pub(crate) capabilities: Vec<(String, Box<RawValue>)>,
    pub(crate) timeout: Duration,
    pub(crate) json: bool,
}

/// Parses the arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Impossible> {
    read(arguments).map_err(|why| Impossible(format!("{why}; see cnitest --help")))
}

fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.next_if(|word| word == "conform").is_some() {
        return conform_options::read(arguments).map(Request::Conform);
    }
    let mut parser = Parser::from_args(arguments);
    let mut options = Options {
        conflist: PathBuf::new(),
        path: Vec::new(),
        build: false,
        containers: None,
        ifname: IfName::try_from("eth0").map_err(|why| why.to_string())?,
        args: String::new(),
        capabilities: Vec::new(),
        timeout: Duration::from_secs(60),
        json: false,
    };
    let mut words = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Long("path") => options.path.extend(folders(&parser.value()?)?),
            Arg::Long("build") => options.build = true,
            Arg::Long("json") => options.json = true,
            Arg::Long("args") => options.args = parser.value()?.string()?,
            Arg::Long("ifname") => {
                options.ifname = parser
                    .value()?
                    .parse_with(|text| IfName::try_from(text).map_err(|why| why.to_string()))?;
            }
            Arg::Long("capability") => {
                options.capabilities.push(parser.value()?.parse_with(capability)?);
            }
            Arg::Long("containers") => options.containers = Some(parser.value()?.parse_with(count)?),
            Arg::Long("timeout") => {
                options.timeout = parser.value()?.parse_with(seconds)?;
            }
            Arg::Value(word) => words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    let mut words = words.into_iter();
    match words.next() {
        Some(command) if command == "run" => {}
        Some(command) => return Err(format!("unknown command {command:?}").into()),
        None => return Err("no command given".into()),
    }
    options.conflist = words.next().ok_or("run needs a CONFLIST")?.into();
    if let Some(more) = words.next() {
        return Err(format!("run takes only one CONFLIST, but {more:?} is a second").into());
    }
    if options.path.is_empty() {
        options.path = default_path()?;
    }
    Ok(Request::Run(options))
}

fn capability(text: &str) -> Result<(String, Box<RawValue>), String> {
    let (name, json) = text.split_once('=').ok_or("not of the form NAME=JSON")?;
    let json = RawValue::from_string(json.trim().to_owned()).map_err(|why| format!("not JSON: {why}"))?;
    Ok((name.to_owned(), json))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MAX_CONTAINERS).contains(count));
    count.ok_or_else(|| format!("not a number from 1 to {MAX_CONTAINERS}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, String> {
        match super::read(arguments.iter().map(OsString::from)) {
            Ok(Request::Run(options)) => Ok(options),
            Ok(other) => Err(format!("{other:?}")),
            Err(why) => Err(why.to_string()),
        }
    }

    #[test]
    fn a_run_needs_no_more_than_a_conflist() {
        let options = read(&["run", "lan.conflist"]).unwrap();
        assert_eq!((options.containers, options.ifname.as_str(), options.json), (None, "eth0", false));
        assert_eq!(options.conflist, Path::new("lan.conflist"));
    }

    #[test]
    fn every_option_is_understood() {
        let options = read(&[
            "run",
            "--path",
            "/a:/b",
            "--path=/c",
            "--containers=3",
            "--ifname",
            "net0",
            "--args",
            "A=b;C=d",
            "--capability",
            "ips=[\"10.1.0.2\"]",
            "--timeout",
            "5",
            "--json",
            "--build",
            "lan.conflist",
        ])
        .unwrap();
        assert_eq!(options.path, ["/a", "/b", "/c"].map(PathBuf::from));
        assert_eq!((options.containers, options.ifname.as_str()), (Some(3), "net0"));
        assert_eq!(options.args, "A=b;C=d");
        assert_eq!(options.capabilities[0].1.get(), "[\"10.1.0.2\"]");
        assert_eq!(options.timeout, Duration::from_secs(5));
        assert!(options.json && options.build);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |arguments: &[&str]| read(arguments).unwrap_err();
        assert_eq!(why(&[]), "no command given");
        assert_eq!(why(&["runn"]), "unknown command \"runn\"");
        assert_eq!(why(&["run"]), "run needs a CONFLIST");
        assert_eq!(why(&["run", "a", "b"]), "run takes only one CONFLIST, but \"b\" is a second");
        assert_eq!(why(&["run", "--fast", "a"]), "invalid option '--fast'");
        for (option, value) in [
            ("--containers", "0"),
            ("--containers", "1000"),
            ("--ifname", "a/b"),
            ("--capability", "mac"),
            ("--capability", "mac=0a:58"),
            ("--timeout", "soon"),
        ] {
            assert!(why(&["run", option, value, "a"]).contains(value), "{option} {value}");
        }
    }
}
