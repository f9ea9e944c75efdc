//! What a plugin tells an operator who asks for it: a log on stderr and in a file, never on stdout.

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

/// How much an event matters, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// The call fails, or something is left behind.
    Error,
    /// The call goes on, but somebody should have a look.
    Warn,
    /// What changed in the network.
    Info,
    /// What helps to find out why it did not.
    Debug,
}

/// The log of a call; get it from [`Context::log`](crate::Context::log), and write to it with [`error!`](crate::error!),
/// [`warn!`](crate::warn!), [`info!`](crate::info!) and [`debug!`](crate::debug!). A clone can go to a thread or into an
/// undo step.
///
/// The log is off unless an operator turns it on. While it is off, no message is formatted and no argument of one is
/// evaluated. A key of the network configuration turns it on, or environment variables, which a plugin inherits from its
/// runtime. The key takes precedence over its variable. Delegates get both unchanged.
///
/// | key | variable | value |
/// |---|---|---|
/// | `logLevel` | `CNI_LOG` | `off`, `error`, `warn`, `info` or `debug`, in any case; `info` if only a file is named |
/// | | `CNI_LOG_FILE` | absolute path of a file that gets each line too; it is created with mode 0640 |
///
/// No key names the file: whoever may write a network configuration could otherwise have root append to any file.
///
/// An invalid setting does not fail the call: it is reported on stderr and ignored.
///
/// An event is one line and one write, to stderr and to the file. A line has these fields in this order, without those that
/// the call does not have. A value in quotes is escaped as in JSON:
///
/// ```text
/// time=2026-02-03T04:05:06.000789Z level=info plugin=bridge command=ADD network=lan container=c1 interface=eth0 trace=0af7651916cd43dd8448eb211c80319c msg="made cni0"
/// ```
///
/// The skeleton writes at level `debug` that it received a request, how long each delegate took and how it ended, what it
/// undid, and that it is done; and at level `error` the error that it replied with and what could not be undone. It does not
/// write the configuration, which may hold secrets, and writes nothing for VERSION.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Settings>);

#[derive(Debug, Default)]
struct Settings {
    /// None where the log is off.
    threshold: Option<Level>,
    /// Everything between level and message.
    fields: String,
    file: Option<File>,
    stderr: Stderr,
}

/// The call that a log belongs to.
pub(crate) struct Caller<'a> {
    pub(crate) command: Command,
    pub(crate) program: &'a Path,
    pub(crate) env: &'a Env,
    /// None where stdin holds no valid configuration.
    pub(crate) config: Option<&'a PluginConfig>,
    pub(crate) stderr: Stderr,
    /// Where the reply goes.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
}

impl Log {
    /// Opens the log as the operator set it.
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

    /// Returns whether events of this level are written. The macros ask before they format.
    #[inline]
    pub fn is_on(&self, level: Level) -> bool {
        self.0.threshold.is_some_and(|threshold| level <= threshold)
    }

    /// Writes an event, if events of its level are written. The macros are shorter.
    pub fn write(&self, level: Level, message: fmt::Arguments<'_>) {
        if self.is_on(level) {
            self.0.write(level, message);
        }
    }

    /// Writes a warning that an operator gets even where the log is off.
    pub(crate) fn warn_always(&self, message: &str) {
        if self.is_on(Level::Warn) {
            self.0.write(Level::Warn, format_args!("{message}"));
        } else {
            self.0.stderr.line(&message.replace(char::is_control, "?"));
        }
    }
}

impl Settings {
    /// A line that cannot be written to the file is no reason for a call to fail.
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
    /// The level as it is in a line and in the operator's settings.
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
    /// The value of a variable. An invalid value counts as absent.
    fn variable<T>(
        &self,
        variable: &str,
        problems: &mut Vec<String>,
        parse: impl Fn(&OsStr) -> Result<T, &'static str>,
    ) -> Option<T> {
        accept(variable, self.env.get(variable)?, problems, parse)
    }

    /// The level of the log. Inner `None` is `off`.
    fn level(&self, problems: &mut Vec<String>) -> Option<Option<Level>> {
        // A value of another type belongs to some other plugin.
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

/// Parses a setting, and reports an invalid one.
fn accept<T>(
    name: &str,
    text: &OsStr,
    problems: &mut Vec<String>,
    parse: impl Fn(&OsStr) -> Result<T, &'static str>,
) -> Option<T> {
    let parsed = parse(text);
    parsed.map_err(|why| problems.push(format!("{name} is ignored: {text:?} {why}"))).ok()
}

/// A level, or none for `off`.
fn parse_level(text: &OsStr) -> Result<Option<Level>, &'static str> {
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug];
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let level = levels.into_iter().find(|level| text.eq_ignore_ascii_case(level.as_str()));
    level.map(Some).ok_or("is none of off, error, warn, info and debug")
}

/// A path that does not depend on where the runtime happens to be.
fn parse_path(text: &OsStr) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("is no absolute path") }
}

/// Neither a pipe that nobody reads nor a terminal must hold up a call, so it does not block.
fn open_file(path: &Path, stdout: Option<BorrowedFd<'_>>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640).custom_flags(O_NONBLOCK | O_NOCTTY);
    let file = options.open(path)?;
    if let Some(stdout) = stdout {
        let [stdout, file] = [fstat(stdout)?, fstat(&file)?];
        if (stdout.st_dev, stdout.st_ino) == (file.st_dev, file.st_ino) {
            return Err(io::Error::other("it is where the answer goes"));
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

/// Writes an event to a [`Log`]: `log!(req.log(), level, "made {name}")`. Nothing of the message is evaluated
/// unless somebody wants to know of it.
#[macro_export]
macro_rules! log {
    ($log:expr, $level:expr, $($message:tt)+) => {{
        let (log, level): (&$crate::Log, $crate::Level) = (&$log, $level);
        if log.is_on(level) {
            log.write(level, ::std::format_args!($($message)+));
        }
    }};
}
