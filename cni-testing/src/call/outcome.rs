//! What a call returned, and assertions about it.

use std::fmt;

use cni_skel::types::{AddResult, ErrorCode, ErrorObject, PluginConfig, SpecVersion};

use crate::delegate::DelegateCall;

/// What a [`Call`](crate::Call) returned. Each assertion that does not hold panics and prints the whole call.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) calls: Vec<DelegateCall>,
    pub(crate) complaints: Vec<String>,
    pub(crate) input: String,
}

impl Outcome {
    /// Asserts that the call succeeded.
    ///
    /// # Panics
    /// If the exit code is not 0.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.exit_code, Some(0), "the call failed\n{self}");
        self
    }

    /// Asserts that the call succeeded and printed nothing on stdout, as every command except ADD and VERSION should.
    ///
    /// # Panics
    /// If the exit code is not 0, or stdout is not empty.
    #[track_caller]
    pub fn silent_success(self) -> Self {
        let outcome = self.success();
        assert!(outcome.stdout.is_empty(), "stdout is not empty\n{outcome}");
        outcome
    }

    /// Returns the result of a successful ADD.
    ///
    /// # Panics
    /// If the call failed, or stdout is not one result with a `cniVersion`.
    #[track_caller]
    pub fn result(&self) -> AddResult {
        assert_eq!(self.exit_code, Some(0), "the call failed\n{self}");
        let version = PluginConfig::version_of(self.stdout.as_bytes());
        assert!(version.is_some(), "stdout is not one result with a cniVersion\n{self}");
        AddResult::decode(SpecVersion::NEWEST, &self.stdout)
            .unwrap_or_else(|cause| panic!("stdout is not a result: {cause}\n{self}"))
    }

    /// Returns the error of a failed call.
    ///
    /// # Panics
    /// If the exit code is not 1, or stdout is not one error object.
    #[track_caller]
    pub fn error(&self) -> ErrorObject {
        assert_eq!(self.exit_code, Some(1), "the call did not fail with exit code 1\n{self}");
        ErrorObject::decode(&self.stdout)
            .unwrap_or_else(|cause| panic!("stdout is not an error: {cause}\n{self}"))
    }

    /// Asserts that the call failed with this code, and returns its error.
    ///
    /// # Panics
    /// If the call did not fail, or failed with another code.
    #[track_caller]
    pub fn error_with(&self, code: ErrorCode) -> ErrorObject {
        let error = self.error();
        assert_eq!(error.code, code, "the error has another code\n{self}");
        error
    }

    /// Returns stdout as one JSON document.
    ///
    /// # Panics
    /// If stdout is anything else.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|cause| panic!("stdout is not one JSON document: {cause}\n{self}"))
    }

    /// Returns the exit code, or `None` if a signal ended the plugin.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_code
    }

    /// Returns everything printed on stdout.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Returns everything printed on stderr. For a plugin in process, that is what the skeleton prints, and not what the
    /// handler prints itself.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Returns the calls that delegates got, in order.
    pub fn delegate_calls(&self) -> &[DelegateCall] {
        &self.calls
    }

    /// Returns the commands that one delegate got, in order.
    pub fn commands_of(&self, plugin: &str) -> Vec<&str> {
        let calls = self.calls.iter().filter(|call| call.plugin == plugin);
        calls.map(|call| call.command.as_str()).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.input)?;
        match self.exit_code {
            Some(code) => writeln!(f, "exit code: {code}")?,
            None => writeln!(f, "exit code: none, a signal ended the plugin")?,
        }
        writeln!(f, "stdout: {}", self.stdout)?;
        writeln!(f, "stderr: {}", self.stderr)?;
        writeln!(f, "delegate calls:")?;
        for call in &self.calls {
            writeln!(f, "  {} of {} with {}", call.command, call.plugin, call.stdin)?;
        }
        Ok(())
    }
}
