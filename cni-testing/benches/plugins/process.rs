//! One process, from its start to its end.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::results::Cost;

/// The number of bytes that fit into a pipe.
const PIPE: usize = 60_000;

/// A program, its arguments, environment and stdin.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) env: Vec<(&'static str, OsString)>,
    pub(crate) stdin: Vec<u8>,
}

/// The result of a call.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) time: Duration,
    pub(crate) stdout: Vec<u8>,
    /// Only for a traced call.
    pub(crate) cost: Option<Cost>,
}

/// The function that makes calls: timed or traced.
pub(crate) type Runner = fn(&Call) -> Result<Ran, Failure>;

/// Makes a call and measures the time from before the process is started until it has been reaped. stdin is written to its pipe
/// before, and stdout and stderr are read after.
pub(crate) fn timed(call: &Call) -> Result<Ran, Failure> {
    let failed = |cause: io::Error| call.failed(&cause.to_string());
    let mut command = call.command();
    let pipes = Pipes::of(&mut command).map_err(failed)?;
    let stdin = filled(&call.stdin).map_err(failed)?;
    command.stdin(stdin);
    let started = Instant::now();
    let mut child = command.spawn().map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    let time = started.elapsed();
    drop(command);
    let (stdout, stderr) = pipes.read().map_err(failed)?;
    if !status.success() {
        return Err(call.failed(&said(&status.to_string(), &stdout, &stderr)));
    }
    Ok(Ran { time, stdout, cost: None })
}

impl Call {
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), env: Vec::new(), stdin: Vec::new() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn failed(&self, why: &str) -> Failure {
        let command = self.env.iter().find(|(name, _)| *name == "CNI_COMMAND");
        let command = command.map_or_else(
            || self.arguments.first().cloned().unwrap_or_default(),
            |(_, command)| command.clone(),
        );
        Failure(format!("{} {}: {why}", self.program.display(), command.display()))
    }
}

/// The pipes for stdout and stderr of a process.
pub(crate) struct Pipes {
    stdout: PipeReader,
    stderr: PipeReader,
}

impl Pipes {
    pub(crate) fn of(command: &mut Command) -> io::Result<Self> {
        let ((stdout, stdout_end), (stderr, stderr_end)) = (pipe()?, pipe()?);
        command.stdout(stdout_end).stderr(stderr_end);
        Ok(Self { stdout, stderr })
    }

    /// Reads the output. The `Command` must have been dropped, because it owns the other ends of the pipes.
    pub(crate) fn read(mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.stdout.read_to_end(&mut stdout)?;
        self.stderr.read_to_end(&mut stderr)?;
        Ok((stdout, stderr))
    }
}

fn filled(stdin: &[u8]) -> io::Result<Stdio> {
    let (reader, writer) = pipe()?;
    fill(writer, stdin)?;
    Ok(reader.into())
}

/// Writes the whole stdin into a pipe.
pub(crate) fn fill(mut writer: PipeWriter, input: &[u8]) -> io::Result<()> {
    if input.len() > PIPE {
        return Err(io::Error::other("stdin is larger than a pipe"));
    }
    writer.write_all(input)
}

/// Formats the status and the output of a process.
pub(crate) fn said(status: &str, stdout: &[u8], stderr: &[u8]) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    [status.to_owned(), text(stdout), text(stderr)]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call {
        let mut call = Call::new("/bin/sh");
        call.arguments = vec!["-c".into(), script.into()];
        call
    }

    #[test]
    fn a_call_gets_its_input_and_gives_its_output() {
        let mut call = sh("/bin/cat; echo $A");
        call.env = vec![("A", "b".into())];
        call.stdin = b"input ".to_vec();
        assert_eq!(timed(&call).unwrap().stdout, b"input b\n");
    }

    #[test]
    fn a_failure_is_told_with_what_the_program_said() {
        let failure = timed(&sh("echo out; echo err >&2; exit 3")).unwrap_err();
        assert_eq!(failure.0, "/bin/sh -c: exit status: 3: out: err");
    }

    #[test]
    fn the_time_lasts_until_the_program_has_ended() {
        assert!(timed(&sh("/bin/sleep 0.05")).unwrap().time >= Duration::from_millis(50));
    }
}
