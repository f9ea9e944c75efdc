//! What is under test: a plugin in this process, or an executable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cni_skel::{Env, Host, Invocation, Plugin, dispatch};

use crate::process::{Answer, Pipes, Process};

/// How long a call of a binary may take. Generous, because test machines are slow and busy.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Something that can be called as a plugin: `&plugin` for a value in this process, [`Binary`] for an executable in any
/// language.
pub trait Subject {
    /// Calls the plugin.
    ///
    /// # Errors
    /// The plugin cannot be started, or did not end in time and was killed.
    #[doc(hidden)]
    fn call(&self, env: &Env, stdin: &[u8], host: &Arc<dyn Host>) -> io::Result<Answer>;

    /// Whether scripted delegates must be programs, because the plugin is a program.
    #[doc(hidden)]
    fn needs_programs(&self) -> bool;

    /// The path of the executable, if it is one.
    #[doc(hidden)]
    fn program(&self) -> Option<&Path> {
        None
    }
}

impl<P: Plugin> Subject for &P {
    fn call(&self, env: &Env, stdin: &[u8], host: &Arc<dyn Host>) -> io::Result<Answer> {
        let reply = dispatch(*self, Invocation::new(env.clone(), stdin), Arc::clone(host));
        let stderr = reply.stderr().iter().map(|line| format!("{line}\n")).collect();
        let mut stdout = Vec::new();
        let exit_code = reply.deliver(&mut stdout).map_err(|undelivered| undelivered.cause)?;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        Ok(Answer { exit_code: Some(exit_code.into()), stdout, stderr })
    }

    fn needs_programs(&self) -> bool {
        false
    }
}

/// An executable that is a plugin.
#[derive(Clone, Debug)]
pub struct Binary {
    program: PathBuf,
    timeout: Duration,
}

impl Binary {
    /// Makes a binary of the plugin at this path. In the tests of its own package, the path is
    /// `env!("CARGO_BIN_EXE_<name>")`.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), timeout: TIMEOUT }
    }

    /// Sets the timeout of a call, one minute by default. After that the plugin is killed with everything it started.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the path of the executable.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the plugin with exactly this environment and stdin.
    pub(crate) fn execute(&self, env: &Env, stdin: &[u8]) -> io::Result<Answer> {
        Process::start(&self.program, env, stdin, Pipes::Ordinary)?.finish(self.timeout)
    }
}

impl Subject for Binary {
    fn call(&self, env: &Env, stdin: &[u8], _: &Arc<dyn Host>) -> io::Result<Answer> {
        self.execute(env, stdin)
    }

    fn needs_programs(&self) -> bool {
        true
    }

    fn program(&self) -> Option<&Path> {
        Some(&self.program)
    }
}
