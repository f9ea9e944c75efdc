//! The command line of `cnitest conform`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use cni_testing::conformance::{Kind, Level};
use lexopt::{Arg, Parser, ValueExt};

use crate::arguments::{default_path, folders, seconds};

pub(crate) const HELP: &str = "\
cnitest conform - check a plugin against the CNI specification

Usage: cnitest conform [OPTIONS] BINARY [--config FILE]
       cnitest conform --list

Calls the plugin BINARY, which may be written in any language, and compares what it
does with what the specification requires. FILE is the configuration that the plugin
gets on stdin (.conf), or a list with plugins before it (.conflist). The checks run in
new namespaces and do not touch the network of the machine or the state of its plugins.
Without root or user namespaces, only those checks run in which the plugin does nothing.

Options:
  --config FILE        The configuration. Default: version, name and type alone
  --path DIR[:DIR]...  The folders with other plugins. Default: CNI_PATH, else the
                       folders of BINARY and cnitest, /opt/cni/bin and /usr/lib/cni
  --kind KIND          interface, ipam or chained. Default: found by calling the plugin
  --play-ipam          Replace the IPAM plugin with a scripted one in all checks, not
                       only in those about delegation
  --ifname NAME        The interface inside containers. Default: eth0
  --timeout SECONDS    The timeout of each call. Default: 10
  --only ID            Run only this check or group of checks. Repeatable
  --skip ID            Do not run this check or group of checks. Repeatable
  --level LEVEL        must, should or manners: leave out checks that are less binding
  --list               List all checks and the sections they come from
  --json               Print one JSON document instead of text
  --junit FILE         Write the report to FILE too, as JUnit XML
  -h, --help           Print this text

Exit status: 0 if the plugin passes all checks of level must, 1 if it does not, 2 if
that cannot be determined (invalid arguments or configuration, no such plugin, or the
plugin hangs), 128 and the number of the signal if interrupted.
";

/// The options of `cnitest conform`.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) binary: PathBuf,
    /// The file with the configuration. Without it the plugin gets a minimal one.
    pub(crate) config: Option<PathBuf>,
    pub(crate) path: Vec<PathBuf>,
    pub(crate) kind: Option<Kind>,
    pub(crate) plays_ipam: bool,
    pub(crate) ifname: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
    pub(crate) level: Level,
    pub(crate) json: bool,
    pub(crate) junit: Option<PathBuf>,
    /// The words of a command line that repeats this call, without those that select checks.
    pub(crate) words: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Request {
    Help,
    List { json: bool },
    Conform(Box<Options>),
}

/// Parses the arguments after `conform`.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut parser = Parser::from_args(arguments);
    let (mut binary, mut list) = (None, false);
    let mut options = Options {
        binary: PathBuf::new(),
        config: None,
        path: Vec::new(),
        kind: None,
        plays_ipam: false,
        ifname: None,
        timeout: Duration::from_secs(10),
        only: Vec::new(),
        skip: Vec::new(),
        level: Level::Manners,
        json: false,
        junit: None,
        words: Vec::new(),
    };
    let mut words = Vec::new();
    while let Some(argument) = parser.next()? {
        let mut again = |option: &str, value: &OsString| {
            words.push(option.to_owned());
            words.push(quoted(&value.to_string_lossy()));
        };
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("list") => list = true,
            Arg::Long("json") => options.json = true,
            Arg::Long("play-ipam") => {
                options.plays_ipam = true;
                words.push("--play-ipam".to_owned());
            }
            Arg::Long("only") => options.only.push(parser.value()?.string()?),
            Arg::Long("skip") => options.skip.push(parser.value()?.string()?),
            Arg::Long("level") => options.level = parser.value()?.parse_with(level)?,
            Arg::Long("junit") => options.junit = Some(parser.value()?.into()),
            Arg::Long("config") => {
                let value = parser.value()?;
                again("--config", &value);
                options.config = Some(PathBuf::from(value));
            }
            Arg::Long("path") => {
                let value = parser.value()?;
                again("--path", &value);
                options.path.extend(folders(&value)?);
            }
            Arg::Long("kind") => {
                let value = parser.value()?;
                again("--kind", &value);
                options.kind = Some(value.parse_with(kind)?);
            }
            Arg::Long("ifname") => {
                let value = parser.value()?;
                again("--ifname", &value);
                options.ifname = Some(value.string()?);
            }
            Arg::Long("timeout") => {
                let value = parser.value()?;
                again("--timeout", &value);
                options.timeout = value.parse_with(seconds)?;
            }
            Arg::Value(word) if binary.is_none() => binary = Some(word),
            other => return Err(other.unexpected()),
        }
    }
    if list {
        return Ok(Request::List { json: options.json });
    }
    let binary = binary.ok_or("conform needs a BINARY")?;
    options.binary = binary.clone().into();
    options.words = vec!["cnitest".to_owned(), "conform".to_owned(), quoted(&binary.to_string_lossy())];
    options.words.extend(words);
    if options.path.is_empty() {
        let own = std::path::absolute(&options.binary).ok().and_then(|path| Some(path.parent()?.to_owned()));
        options.path = own.into_iter().chain(default_path()?).collect();
    }
    Ok(Request::Conform(Box::new(options)))
}

fn level(text: &str) -> Result<Level, String> {
    let found = Level::ALL.iter().copied().find(|level| level.as_str() == text);
    found.ok_or_else(|| "not must, should or manners".to_owned())
}

fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL.iter().copied().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| "not interface, ipam or chained".to_owned())
}

/// A word quoted for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:=@+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, String> {
        match read(arguments.iter().map(OsString::from)) {
            Ok(Request::Conform(options)) => Ok(*options),
            Ok(other) => Err(format!("{other:?}")),
            Err(why) => Err(why.to_string()),
        }
    }

    #[test]
    fn the_words_repeat_the_call_but_not_the_choice_of_checks() {
        let options =
            options(&["./my plugin", "--only", "del", "--config=a.conf", "--kind", "ipam", "--json"])
                .unwrap();
        assert_eq!(options.words.join(" "), "cnitest conform './my plugin' --config a.conf --kind ipam");
        assert_eq!((options.kind, options.json), (Some(Kind::Ipam), true));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |arguments: &[&str]| options(arguments).unwrap_err();
        assert_eq!(why(&[]), "conform needs a BINARY");
        assert!(why(&["x", "--config", "a", "y"]).contains("\"y\""));
        assert!(why(&["x", "--level", "most"]).contains("most"));
        assert!(why(&["x", "--kind", "main"]).contains("main"));
        assert!(why(&["x", "--timeout", "0"]).contains('0'));
    }
}
