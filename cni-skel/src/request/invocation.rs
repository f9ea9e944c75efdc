//! The input that a plugin is started with, and the variables that a command requires.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use cni_types::{Command, ContainerId, ErrorCode, IfName};

use crate::{Env, Error, Result};

/// The raw input of one call: environment, stdin and the program's own name.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Invocation {
    /// The whole environment.
    pub env: Env,
    /// The whole of stdin.
    pub stdin: Vec<u8>,
    /// The name that the program was started by. The help text and the log contain it.
    pub program: OsString,
    /// The arguments after the program's name. A runtime passes none.
    pub args: Vec<OsString>,
    /// Whether the [`Log`](crate::Log) and other text for people are written to stderr at once. Otherwise they are in
    /// [`Reply::stderr`](crate::Reply::stderr).
    pub log_to_stderr: bool,
    /// Where the reply is written. The log must not be the same file.
    pub(crate) stdout: Option<BorrowedFd<'static>>,
}

impl Invocation {
    /// Describes a call.
    pub fn new(env: Env, stdin: impl Into<Vec<u8>>) -> Self {
        let program = OsString::from("plugin");
        Self { env, stdin: stdin.into(), program, args: Vec::new(), log_to_stderr: false, stdout: None }
    }

    /// Sets the name that the program was started by.
    #[must_use]
    pub fn program(mut self, name: impl Into<OsString>) -> Self {
        self.program = name.into();
        self
    }

    /// Sets the arguments after the program's name.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Writes the log and other text for people to stderr at once, so that it is visible even if the call never ends.
    #[must_use]
    pub fn log_to_stderr(mut self) -> Self {
        self.log_to_stderr = true;
        self
    }
}

/// The attachment that ADD, DEL and CHECK are about.
pub(crate) struct Target {
    pub(crate) container_id: ContainerId,
    pub(crate) ifname: IfName,
    pub(crate) netns: Option<PathBuf>,
}

/// Checks that the variables that the command requires are present and valid.
///
/// # Errors
/// Code 4 with all missing and all invalid variables.
pub(crate) fn require(command: Command, env: &Env) -> Result<()> {
    let required = command.required_variables();
    let missing: Vec<_> = required.iter().copied().filter(|name| env.get(name).is_none()).collect();
    let mut problems = Vec::new();
    if !missing.is_empty() {
        problems.push(format!("required env variables [{}] missing", missing.join(",")));
    }
    for name in required {
        let invalid = match *name {
            "CNI_CONTAINERID" => parse::<ContainerId>(env, name).err(),
            "CNI_IFNAME" => parse::<IfName>(env, name).err(),
            _ => None,
        };
        problems.extend(invalid.filter(|_| !missing.contains(name)));
    }
    if problems.is_empty() { Ok(()) } else { Err(invalid_environment(problems.join("; "))) }
}

/// Parses the attachment that the environment names. [`require`] has checked the variables before.
pub(crate) fn target(env: &Env) -> Result<Target> {
    Ok(Target {
        container_id: parse(env, "CNI_CONTAINERID").map_err(invalid_environment)?,
        ifname: parse(env, "CNI_IFNAME").map_err(invalid_environment)?,
        netns: env.get("CNI_NETNS").map(PathBuf::from),
    })
}

pub(crate) fn invalid_environment(msg: impl Into<String>) -> Error {
    Error::new(ErrorCode::INVALID_ENVIRONMENT, msg)
}

fn parse<T: for<'a> TryFrom<&'a str, Error: std::fmt::Display>>(env: &Env, name: &str) -> Result<T, String> {
    let value = env.get(name).unwrap_or_default();
    let text = value.to_str().ok_or_else(|| format!("invalid {name}: {value:?} is not UTF-8"))?;
    T::try_from(text).map_err(|cause| format!("invalid {name}: {cause}"))
}
