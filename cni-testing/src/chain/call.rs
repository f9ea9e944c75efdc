//! A call of one plugin of a chain.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cni_skel::types::{Attachment, Command, ErrorObject, PluginEntry, PluginName};
use cni_skel::{Env, Host, System};

use super::error::{ChainError, ChainFailure};
use crate::{Answer, Binary, Chain};

/// A finished call of a plugin, for [`Chain::observe`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PluginCall<'a> {
    /// The command, `CNI_COMMAND`.
    pub command: Command,
    /// The plugin's name.
    pub plugin: &'a PluginName,
    /// The path of the plugin's executable.
    pub program: &'a Path,
    /// The attachment, or `None` for GC, STATUS and VERSION.
    pub attachment: Option<&'a Attachment>,
    /// How long the call took.
    pub duration: Duration,
    /// stdin of the plugin.
    pub stdin: &'a str,
    /// The exit code. `None` if a signal ended the plugin, or it could not be run, or was killed.
    pub exit_code: Option<i32>,
    /// Everything the plugin printed on stdout.
    pub stdout: &'a str,
    /// Everything the plugin printed on stderr.
    pub stderr: &'a str,
    /// Why the call failed, or `None` if it succeeded.
    pub failure: Option<&'a ChainFailure>,
}

/// The container of a call, if the command is about one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target<'a> {
    pub(super) attachment: Option<&'a Attachment>,
    pub(super) netns: Option<&'a Path>,
}

impl Chain<'_> {
    /// Calls a plugin of the list and returns what it printed.
    ///
    /// `is_valid` returns what is wrong with stdout, if anything is.
    pub(super) fn call(
        &self,
        command: Command,
        entry: &PluginEntry,
        target: Target<'_>,
        keys: &[(&str, &str)],
        is_valid: impl FnOnce(&str) -> Result<(), String>,
    ) -> Result<String, ChainError> {
        let plugin = entry.plugin_type();
        let error = |failure| ChainError::new(command, Some(plugin), failure);
        let program = System::new()
            .find_plugin(plugin, &self.plugin_path)
            .map_err(|_| error(ChainFailure::NotFound(self.plugin_path.clone())))?;
        let stdin = match command {
            Command::Version => format!("{{\"cniVersion\":\"{}\"}}", self.version),
            _ => entry.request(&self.list, self.version, keys)?,
        };
        let started = Instant::now();
        let answer = self.execute(&program, &self.env(command, target), stdin.as_bytes());
        let duration = started.elapsed();
        let failure = match &answer {
            Ok(answer) => judge(answer, is_valid),
            Err(cause) if cause.kind() == io::ErrorKind::TimedOut => {
                Some(ChainFailure::TimedOut(self.timeout))
            }
            Err(cause) => Some(ChainFailure::NotRun(io::Error::new(cause.kind(), cause.to_string()))),
        };
        let answer = answer.unwrap_or_default();
        if let Some(observer) = &self.observer {
            observer(&PluginCall {
                command,
                plugin,
                program: &program,
                attachment: target.attachment,
                duration,
                stdin: &stdin,
                exit_code: answer.exit_code,
                stdout: &answer.stdout,
                stderr: &answer.stderr,
                failure: failure.as_ref(),
            });
        }
        failure.map_or(Ok(answer.stdout), |failure| Err(error(failure)))
    }

    fn execute(&self, program: &Path, env: &Env, stdin: &[u8]) -> io::Result<Answer> {
        let binary = Binary::at(program).timeout(self.timeout);
        match self.host {
            Some(netns) => netns.run(|| binary.execute(env, stdin))?,
            None => binary.execute(env, stdin),
        }
    }

    /// The environment of this process, with all variables of the protocol. Those without a value are empty.
    fn env(&self, command: Command, target: Target<'_>) -> Env {
        let own = env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("CNI_"));
        let env = own.collect::<Env>().with("CNI_COMMAND", command.as_str());
        if command == Command::Version {
            // The values that libcni sends. A plugin must not use them.
            return ["CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]
                .iter()
                .fold(env, |env, name| env.with(name, "dummy"))
                .with("CNI_CONTAINERID", "")
                .with("CNI_ARGS", "");
        }
        let folders: Vec<&PathBuf> = self.delegate_path.iter().chain(&self.plugin_path).collect();
        let path = env::join_paths(folders).unwrap_or_default();
        let (id, ifname) =
            target.attachment.map_or(("", ""), |a| (a.container_id.as_str(), a.ifname.as_str()));
        env.with("CNI_CONTAINERID", id)
            .with("CNI_IFNAME", ifname)
            .with("CNI_NETNS", target.netns.unwrap_or(Path::new("")))
            .with("CNI_ARGS", if target.attachment.is_some() { self.args.as_str() } else { "" })
            .with("CNI_PATH", path)
    }
}

/// How the call failed, if it did.
fn judge(answer: &Answer, is_valid: impl FnOnce(&str) -> Result<(), String>) -> Option<ChainFailure> {
    let garbage =
        |what| ChainFailure::Garbage { exit_code: answer.exit_code, what, stdout: answer.stdout.clone() };
    if answer.exit_code == Some(0) {
        return is_valid(&answer.stdout).err().map(garbage);
    }
    if answer.stdout.trim().is_empty() {
        let stderr = answer.stderr.clone();
        return Some(ChainFailure::Silent { exit_code: answer.exit_code, stderr });
    }
    Some(match ErrorObject::decode(&answer.stdout) {
        Ok(object) => ChainFailure::Refused(object),
        Err(cause) => garbage(format!("an invalid error ({cause})")),
    })
}

/// Checks that a plugin printed a result that decodes.
pub(super) fn is_result(chain: &Chain<'_>, stdout: &str) -> Result<(), String> {
    let decoded = cni_skel::types::AddResult::decode(chain.version(), stdout);
    decoded.map(drop).map_err(|cause| format!("an invalid result ({cause})"))
}

/// Accepts anything: runtimes do not look at what the other commands print.
pub(super) fn is_anything(_: &str) -> Result<(), String> {
    Ok(())
}
