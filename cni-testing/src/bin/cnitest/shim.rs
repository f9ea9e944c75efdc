//! Records the calls that plugins make to other plugins.
//!
//! A folder with a link to this program for each delegate comes first in `CNI_PATH`. When the program is called through
//! a link, it calls the real plugin with the same environment and stdin, returns its answer, and records the call.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cni_testing::types::{PluginName, SpecVersion};
use serde::{Deserialize, Serialize};

use crate::event::Call;

/// The file beside the links that records each call on a line.
const LOG: &str = ".calls";

#[derive(Deserialize, Serialize)]
struct Line {
    command: String,
    plugin: String,
    micros: u64,
    exit_code: u8,
    stdout: String,
}

/// Forwards a call, if this process was started through one of the links.
pub(crate) fn stand_in() -> Option<ExitCode> {
    let called = PathBuf::from(env::args_os().next()?);
    let (folder, plugin) = (called.parent()?, called.file_name()?);
    let log = folder.join(LOG);
    if !log.is_file() {
        return None;
    }
    let started = Instant::now();
    let output = match pass_on(folder, plugin) {
        Ok(output) => output,
        Err(why) => {
            let _ = writeln!(io::stderr(), "cnitest: cannot call {}: {why}", plugin.display());
            return Some(ExitCode::FAILURE);
        }
    };
    // After a signal, the code that a shell returns.
    let ended = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    let exit_code = ended.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    let line = Line {
        command: env::var("CNI_COMMAND").unwrap_or_default(),
        plugin: plugin.to_string_lossy().into_owned(),
        micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        exit_code,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
    };
    let _ = write_down(&log, &line);
    let delivered = io::stdout().write_all(&output.stdout);
    Some(if delivered.is_ok() { exit_code.into() } else { ExitCode::FAILURE })
}

fn pass_on(folder: &Path, plugin: &OsStr) -> io::Result<Output> {
    let path = env::var_os("CNI_PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).filter(|other| other != folder).collect();
    let real = folders.iter().map(|other| other.join(plugin)).find(|program| program.is_file());
    let path = env::join_paths(&folders).map_err(io::Error::other)?;
    let mut command = Command::new(real.ok_or(io::ErrorKind::NotFound)?);
    command.env("CNI_PATH", path).stdin(Stdio::inherit()).stderr(Stdio::inherit()).stdout(Stdio::piped());
    command.spawn()?.wait_with_output()
}

fn write_down(log: &Path, line: &Line) -> io::Result<()> {
    let line = format!("{}\n", serde_json::to_string(line)?);
    OpenOptions::new().append(true).open(log)?.write_all(line.as_bytes())
}

/// The links, and how much of their log has been read.
#[derive(Debug)]
pub(crate) struct Shims {
    folder: PathBuf,
    version: SpecVersion,
    read: Mutex<usize>,
}

impl Shims {
    /// Makes the links in a folder.
    pub(crate) fn install(folder: PathBuf, plugins: &[PluginName], version: SpecVersion) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let own = env::current_exe()?;
        for plugin in plugins {
            std::os::unix::fs::symlink(&own, folder.join(plugin.as_str()))?;
        }
        fs::write(folder.join(LOG), "")?;
        Ok(Self { folder, version, read: Mutex::new(0) })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The calls since the last time.
    pub(crate) fn new_calls(&self) -> Vec<Call> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let log = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().skip(*read).collect();
        *read += lines.len();
        let lines = lines.into_iter().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        lines
            .map(|Line { command, plugin, micros, exit_code, stdout }| {
                let duration = Duration::from_micros(micros);
                Call::delegated(command, plugin, duration, exit_code.into(), &stdout, self.version)
            })
            .collect()
    }
}
