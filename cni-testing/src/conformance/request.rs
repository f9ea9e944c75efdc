//! What a check sends to a plugin.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use cni_skel::Env;
use cni_skel::types::Command;
use nix::sys::signal::Signal;
use serde_json::{Map, Value};

use crate::process::{Pipes, Process};

/// A call to make. It is valid until a check changes something.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) env: Env,
    pub(super) config: Map<String, Value>,
    pub(super) raw: Option<Vec<u8>>,
    pub(super) pipes: Pipes,
}

impl Request {
    pub(super) fn new(command: Command, path: &OsStr, config: Map<String, Value>) -> Self {
        // Runtimes pass their own PATH, and all six variables. Those without a value are empty.
        let env = Env::new()
            .with("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .with("CNI_COMMAND", command.as_str())
            .with("CNI_CONTAINERID", "")
            .with("CNI_NETNS", "")
            .with("CNI_IFNAME", "")
            .with("CNI_ARGS", "")
            .with("CNI_PATH", path);
        Self { env, config, raw: None, pipes: Pipes::Ordinary }
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env = self.env.with(name, value.as_ref());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.env = self.env.without(name);
        self
    }

    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn unset(mut self, key: &str) -> Self {
        self.config.remove(key);
        self
    }

    pub(super) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    pub(super) fn pipes(mut self, pipes: Pipes) -> Self {
        self.pipes = pipes;
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.raw.clone().unwrap_or_else(|| Value::Object(self.config.clone()).to_string().into_bytes())
    }

    /// Starts the program with this call.
    pub(super) fn start(&self, program: &Path) -> io::Result<Process> {
        Process::start(program, &self.env, &self.bytes(), self.pipes)
    }

    /// Starts the program with this call. After a pause sends it and everything it started a signal.
    ///
    /// # Errors
    /// The program cannot be started, or does not end within the timeout that begins with the signal.
    pub(super) fn cut_off(
        &self,
        program: &Path,
        pause: Duration,
        signal: Signal,
        timeout: Duration,
    ) -> io::Result<()> {
        let process = self.start(program)?;
        thread::sleep(pause);
        process.interrupt(signal, timeout)
    }

    pub(super) fn version(&self) -> &str {
        self.config.get("cniVersion").and_then(Value::as_str).unwrap_or("0.1.0")
    }

    /// The call as a person would type it. Long values are shortened.
    pub(super) fn describe(&self) -> String {
        let variables = self.env.iter().filter(|(name, value)| {
            let name = name.to_string_lossy();
            (name.starts_with("CNI_") && !value.is_empty()) || matches!(&*name, "TRACEPARENT" | "CNI_FOO")
        });
        let variables: Vec<_> = variables
            .map(|(name, value)| format!("{}={:?}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        let stdin = match self.pipes {
            Pipes::NoStdin => "closed".to_owned(),
            Pipes::OpenStdin => "open, without data".to_owned(),
            Pipes::Slow => format!("in small pieces: {}", shorten(&self.bytes())),
            Pipes::Ordinary | Pipes::FullStdout | Pipes::ClosedStdout => shorten(&self.bytes()),
        };
        let stdout = match self.pipes {
            Pipes::FullStdout => "\nstdout: /dev/full",
            Pipes::ClosedStdout => "\nstdout: a pipe without a reader",
            _ => "",
        };
        format!("{}\nstdin: {stdin}{stdout}", variables.join(" "))
    }
}

/// Bytes as text of a readable length.
pub(super) fn shorten(bytes: &[u8]) -> String {
    const LONGEST: usize = 1200;
    let text = String::from_utf8_lossy(bytes);
    if text.is_empty() {
        return "(nothing)".to_owned();
    }
    if text.len() <= LONGEST {
        return text.trim_end().to_owned();
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start} .. ({} bytes in all)", bytes.len())
}
