//! What a plugin is started with, and what of it a command requires.

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
    /// The name that the program was started by, for the text that a person gets.
    pub program: OsString,
    /// The arguments after the program's name. A runtime gives none.
    pub args: Vec<OsString>,
    /// Whether text for people, the [`Log`](crate::Log) above all, goes to stderr at once. Otherwise it is in
    /// [`Reply::stderr`](crate::Reply::stderr).
    pub log_to_stderr: bool,
    /// Where the reply goes, and the log therefore must not.
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

    /// Sends text for people to stderr at once, so that it is there even if the call never ends.
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

/// Makes sure that every variable that the command requires is there.
///
/// # Errors
/// Code 4, naming all variables that are missing and all that are invalid, so that one look at the error is enough.
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

/// The attachment that the environment names. `require` has said what is missing; this does not come to it.
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
