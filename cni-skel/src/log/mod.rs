//! The log that an operator can turn on. It is written to stderr and to a file, never to stdout.

mod line;
mod stderr;
mod trace;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cni_types::{Command, PluginConfig};
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::sys::stat::fstat;

use crate::Env;

use line::{push_field, push_quoted, push_time};
pub(crate) use stderr::Stderr;
use trace::trace_id;

/// The importance of an event, from the most to the least important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// The call failed, or something could not be removed.
    Error,
    /// The call continues, but an operator should look into it.
    Warn,
    /// The network was changed.
    Info,
    /// Details for finding the cause of a problem.
    Debug,
}

/// The log of a call, which [`Context::log`](crate::Context::log) returns.
///
/// Write to it with [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!) and
/// [`debug!`](crate::debug!). A thread or an undo step can use a clone.
///
/// The log is off by default. While it is off, messages are not formatted and their arguments are not evaluated. An operator
/// turns it on with a key of the network configuration or with environment variables, which a plugin inherits from its
/// runtime. The key takes precedence over its variable. Delegates get both unchanged.
///
/// | key | variable | value |
/// |---|---|---|
/// | `logLevel` | `CNI_LOG` | `off`, `error`, `warn`, `info` or `debug`, in any case; `info` if only a file is named |
/// | | `CNI_LOG_FILE` | absolute path of a file to append each line to; it is created with mode 0640 |
///
/// There is no key for the file. Otherwise, every user who can write a network configuration could append to any file as root.
///
/// An invalid setting does not fail the call: it is reported on stderr and ignored.
///
/// An event is one line, written to stderr and to the file with one write each. A line has these fields in this order. Fields
/// that the call does not have are left out. A value in quotes is escaped as in JSON:
///
/// ```text
/// time=2026-02-03T04:05:06.000789Z level=info plugin=bridge command=ADD network=lan container=c1 interface=eth0 trace=0af7651916cd43dd8448eb211c80319c msg="made cni0"
/// ```
///
/// At level `debug`, the skeleton logs the start and the end of the call, the duration and outcome of each delegate, and each
/// undo step. At level `error`, it logs the error of the reply, and each undo step that failed. It never logs the
/// configuration, which may contain secrets, and logs nothing for VERSION.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Settings>);

#[derive(Debug, Default)]
struct Settings {
    /// `None` if the log is off.
    threshold: Option<Level>,
    /// The fields between level and message.
    fields: String,
    file: Option<File>,
    stderr: Stderr,
}

/// The call that a log belongs to.
pub(crate) struct Caller<'a> {
    pub(crate) command: Command,
    pub(crate) program: &'a Path,
    pub(crate) env: &'a Env,
    /// `None` if stdin is not a valid configuration.
    pub(crate) config: Option<&'a PluginConfig>,
    pub(crate) stderr: Stderr,
    /// Where the reply is written.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
}

impl Log {
    /// Opens the log with the settings of the operator.
    pub(crate) fn open(caller: &Caller<'_>) -> Self {
        let mut problems = Vec::new();
        let level = caller.level(&mut problems);
        let path = caller.variable("CNI_LOG_FILE", &mut problems, parse_path);
        let threshold = level.unwrap_or(path.as_ref().map(|_| Level::Info));
        let file =
            path.filter(|_| threshold.is_some()).and_then(|path| match open_file(&path, caller.stdout) {
                Ok(file) => Some(file),
                Err(cause) => {
                    problems.push(format!("cannot open the log file {path:?}: {cause}"));
                    None
                }
            });
        let fields = if threshold.is_some() { caller.fields() } else { String::new() };
        for problem in problems {
            caller.stderr.line(&problem);
        }
        Self(Arc::new(Settings { threshold, fields, file, stderr: caller.stderr.clone() }))
    }

    /// Returns whether events of this level are written. The macros check it before they format a message.
    #[inline]
    pub fn is_on(&self, level: Level) -> bool {
        self.0.threshold.is_some_and(|threshold| level <= threshold)
    }

    /// Writes an event if events of its level are written. The macros are shorter to use.
    pub fn write(&self, level: Level, message: fmt::Arguments<'_>) {
        if self.is_on(level) {
            self.0.write(level, message);
        }
    }

    /// Writes a warning, to stderr even if the log is off.
    pub(crate) fn warn_always(&self, message: &str) {
        if self.is_on(Level::Warn) {
            self.0.write(Level::Warn, format_args!("{message}"));
        } else {
            self.0.stderr.line(&message.replace(char::is_control, "?"));
        }
    }
}

impl Settings {
    /// Writes an event. A line that cannot be written is lost, because the log must not fail a call.
    #[cold]
    fn write(&self, level: Level, message: fmt::Arguments<'_>) {
        let mut line = String::with_capacity(self.fields.len() + 128);
        line.push_str("time=");
        push_time(&mut line, SystemTime::now());
        push_field(&mut line, "level", level.as_str());
        line.push_str(&self.fields);
        line.push_str(" msg=");
        push_quoted(&mut line, message);
        if let Some(mut file) = self.file.as_ref() {
            let _ = file.write(format!("{line}\n").as_bytes());
        }
        self.stderr.line(&line);
    }
}

impl Level {
    /// Returns the name of the level in the log and in the operator's settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl Caller<'_> {
    /// Parses the value of a variable. An invalid value counts as absent.
    fn variable<T>(
        &self,
        variable: &str,
        problems: &mut Vec<String>,
        parse: impl Fn(&OsStr) -> Result<T, &'static str>,
    ) -> Option<T> {
        accept(variable, self.env.get(variable)?, problems, parse)
    }

    /// Returns the level of the log, if one is set. An inner `None` is `off`.
    fn level(&self, problems: &mut Vec<String>) -> Option<Option<Level>> {
        // A value of another type is probably meant for another plugin.
        let in_config = self.config.and_then(|config| config.get::<String>("logLevel").ok().flatten());
        in_config
            .filter(|text| !text.is_empty())
            .and_then(|text| accept("logLevel", OsStr::new(&text), problems, parse_level))
            .or_else(|| self.variable("CNI_LOG", problems, parse_level))
    }

    fn fields(&self) -> String {
        let mut fields = String::new();
        if let Some(program) = self.program.file_name() {
            push_field(&mut fields, "plugin", &program.to_string_lossy());
        }
        push_field(&mut fields, "command", self.command.as_str());
        if let Some(config) = self.config {
            push_field(&mut fields, "network", config.name().as_str());
        }
        for (field, variable) in [("container", "CNI_CONTAINERID"), ("interface", "CNI_IFNAME")] {
            if let Some(value) = self.env.get(variable) {
                push_field(&mut fields, field, &value.to_string_lossy());
            }
        }
        if let Some(trace_id) = trace_id(self.env) {
            push_field(&mut fields, "trace", trace_id);
        }
        fields
    }
}

/// Parses a setting. An invalid one is added to `problems`.
fn accept<T>(
    name: &str,
    text: &OsStr,
    problems: &mut Vec<String>,
    parse: impl Fn(&OsStr) -> Result<T, &'static str>,
) -> Option<T> {
    let parsed = parse(text);
    parsed.map_err(|reason| problems.push(format!("ignoring {name}: {text:?} {reason}"))).ok()
}

/// Parses a level. `None` is `off`.
fn parse_level(text: &OsStr) -> Result<Option<Level>, &'static str> {
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug];
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let level = levels.into_iter().find(|level| text.eq_ignore_ascii_case(level.as_str()));
    level.map(Some).ok_or("is not one of off, error, warn, info and debug")
}

/// Parses a path. It must not depend on the working directory of the runtime.
fn parse_path(text: &OsStr) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("is not an absolute path") }
}

/// Opens the log file. It is non-blocking, so that a pipe without a reader or a terminal cannot block a call.
fn open_file(path: &Path, stdout: Option<BorrowedFd<'_>>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640).custom_flags(O_NONBLOCK | O_NOCTTY);
    let file = options.open(path)?;
    if let Some(stdout) = stdout {
        let [stdout, file] = [fstat(stdout)?, fstat(&file)?];
        if (stdout.st_dev, stdout.st_ino) == (file.st_dev, file.st_ino) {
            return Err(io::Error::other("it is the file that stdout is redirected to"));
        }
    }
    Ok(file)
}

/// Writes an event of level [`Error`](crate::Level::Error) to a [`Log`]: `error!(req.log(), "lost {name}")`.
#[macro_export]
macro_rules! error {
    ($log:expr, $($message:tt)+) => { $crate::log!($log, $crate::Level::Error, $($message)+) };
}

/// Writes an event of level [`Warn`](crate::Level::Warn) to a [`Log`]: `warn!(req.log(), "no {name}")`.
#[macro_export]
macro_rules! warn {
    ($log:expr, $($message:tt)+) => { $crate::log!($log, $crate::Level::Warn, $($message)+) };
}

/// Writes an event of level [`Info`](crate::Level::Info) to a [`Log`].
///
/// ```
/// use cni_skel::{AddRequest, Result, info};
///
/// fn make_bridge(req: &AddRequest) -> Result<()> {
///     let name = "cni0";
///     info!(req.log(), "made {name}");
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! info {
    ($log:expr, $($message:tt)+) => { $crate::log!($log, $crate::Level::Info, $($message)+) };
}

/// Writes an event of level [`Debug`](crate::Level::Debug) to a [`Log`]: `debug!(req.log(), "saw {link:?}")`.
#[macro_export]
macro_rules! debug {
    ($log:expr, $($message:tt)+) => { $crate::log!($log, $crate::Level::Debug, $($message)+) };
}

/// Writes an event to a [`Log`]: `log!(req.log(), level, "made {name}")`. The arguments are evaluated only if events of this
/// level are written.
#[macro_export]
macro_rules! log {
    ($log:expr, $level:expr, $($message:tt)+) => {{
        let (log, level): (&$crate::Log, $crate::Level) = (&$log, $level);
        if log.is_on(level) {
            log.write(level, ::std::format_args!($($message)+));
        }
    }};
}
