//! What a scripted delegate replies, and what it was called with.

use cni_skel::Env;
use cni_skel::types::{Command, ErrorCode, ErrorObject};
use serde::Serialize;

/// One call that a delegate must get, and its reply.
///
/// The replies of a delegate are used in the order in which they were given. An unexpected call or an unused reply fails
/// the test.
///
/// ```
/// use cni_testing::{DelegateReply, json};
/// use cni_testing::types::ErrorCode;
///
/// let allocates = DelegateReply::add(json!({"ips": [{"address": "10.1.0.2/16"}]}));
/// let refuses = DelegateReply::add(json!({})).failing(ErrorCode::TRY_AGAIN_LATER, "busy");
/// let releases = DelegateReply::del();
/// # drop((allocates, refuses, releases));
/// ```
#[derive(Clone, Debug)]
pub struct DelegateReply {
    pub(crate) command: Command,
    pub(crate) stdout: String,
    pub(crate) exit_code: u8,
    pub(crate) hangs: bool,
}

impl DelegateReply {
    /// Expects ADD and replies with a result, as JSON of any version of the specification.
    pub fn add(result: impl Serialize) -> Self {
        let stdout = serde_json::to_string(&result).expect("a result in a test is JSON");
        Self { stdout, ..Self::silent(Command::Add) }
    }

    /// Expects DEL and succeeds.
    pub fn del() -> Self {
        Self::silent(Command::Del)
    }

    /// Expects CHECK and succeeds.
    pub fn check() -> Self {
        Self::silent(Command::Check)
    }

    /// Expects STATUS and succeeds.
    pub fn status() -> Self {
        Self::silent(Command::Status)
    }

    /// Expects GC and succeeds.
    pub fn gc() -> Self {
        Self::silent(Command::Gc)
    }

    /// Fails with an error object instead.
    #[must_use]
    pub fn failing(self, code: ErrorCode, msg: &str) -> Self {
        self.printing(&ErrorObject::new(code, msg).encode(), 1)
    }

    /// Prints this text instead, which need not be valid, and exits with this code.
    #[must_use]
    pub fn printing(mut self, stdout: &str, exit_code: u8) -> Self {
        stdout.clone_into(&mut self.stdout);
        self.exit_code = exit_code;
        self
    }

    /// Does not reply until it is killed.
    #[must_use]
    pub fn hanging(mut self) -> Self {
        self.hangs = true;
        self
    }

    pub(crate) fn silent(command: Command) -> Self {
        Self { command, stdout: String::new(), exit_code: 0, hangs: false }
    }
}

/// A call that a delegate got.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DelegateCall {
    /// The plugin's name.
    pub plugin: String,
    /// The value of `CNI_COMMAND`.
    pub command: String,
    /// The whole environment.
    pub env: Env,
    /// The whole of stdin.
    pub stdin: String,
}

impl DelegateCall {
    pub(crate) fn new(plugin: &str, env: Env, stdin: &[u8]) -> Self {
        let command = env.get("CNI_COMMAND").unwrap_or_default().to_string_lossy().into_owned();
        let stdin = String::from_utf8_lossy(stdin).into_owned();
        Self { plugin: plugin.to_owned(), command, env, stdin }
    }
}
