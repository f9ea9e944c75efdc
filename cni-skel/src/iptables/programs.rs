//! The programs of iptables: where they are, which iptables they are of, and how they are run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cni_types::ErrorCode;

use crate::request::Call;
use crate::{Error, Execution, Output, Result};

/// How long a program may take, which includes how long it waits for the lock of iptables.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The seconds that it waits for that lock.
const WAIT: &str = "10";
/// How it ends when it does not get it.
const NO_LOCK: &str = "exit status: 4";
/// The file behind all programs of the iptables that is nftables underneath.
const NFTABLES: &str = "xtables-nft-multi";

/// `iptables-save` and `iptables-restore` of a family.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    call: Arc<Call>,
    save: PathBuf,
    restore: PathBuf,
}

impl Programs {
    /// Those that belong to the `iptables` of the machine.
    pub(super) fn of(call: &Arc<Call>, iptables: &str) -> Result<Self> {
        let found = |name: String| {
            let program = find(call, &name);
            program.ok_or_else(|| {
                Error::new(ErrorCode::IO_FAILURE, format!("there is {iptables}, but no {name} beside it"))
            })
        };
        let (save, restore) = (found(format!("{iptables}-save"))?, found(format!("{iptables}-restore"))?);
        Ok(Self { call: Arc::clone(call), save, restore })
    }

    /// Those of the older iptables, if there are any.
    pub(super) fn of_older(call: &Arc<Call>, iptables: &str) -> Option<Self> {
        Self::of(call, &format!("{iptables}-legacy"))
            .ok()
            .or_else(|| Self::of(call, iptables).ok().filter(|programs| !is_nftables(&programs.restore)))
    }

    /// Those of the iptables that is nftables underneath.
    pub(super) fn of_nftables(call: &Arc<Call>, iptables: &str) -> Result<Self> {
        let named = Self::of(call, iptables).ok().filter(|programs| is_nftables(&programs.restore));
        let programs = named.or_else(|| Self::of(call, &format!("{iptables}-nft")).ok());
        programs.ok_or_else(|| {
            let msg = format!("this kernel, or these rules, need {iptables}-nft-restore, which is not there");
            Error::new(ErrorCode::IO_FAILURE, msg)
        })
    }

    /// What is in the table.
    pub(super) fn save(&self) -> Result<String> {
        let output = self.run(&self.save, &["-t", super::family::NAT], "")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Has changes carried out.
    pub(super) fn restore(&self, script: &str) -> Result<()> {
        self.run(&self.restore, &["--noflush", "-w", WAIT], script).map(drop)
    }

    fn run(&self, program: &Path, args: &[&str], stdin: &str) -> Result<Output> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let execution =
            Execution::new(program, &self.call.env, stdin.as_bytes(), TIMEOUT).args(args).keep_stderr();
        let output = self.call.host.execute(&execution).map_err(|cause| match cause.kind() {
            io::ErrorKind::TimedOut => {
                let msg = format!("{name} did not end within {TIMEOUT:?} and was killed");
                Error::new(ErrorCode::TRY_AGAIN_LATER, msg)
            }
            _ => Error::io(format!("failed to run {}", program.display()), cause),
        })?;
        if output.success {
            return Ok(output);
        }
        let code = if output.status == NO_LOCK { ErrorCode::TRY_AGAIN_LATER } else { ErrorCode::INTERNAL };
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let error = Error::new(code, format!("{name} failed with {}", output.status));
        Err(if lines.is_empty() { error } else { error.with_details(lines.join("; ")) })
    }
}

/// Finds a program of the machine.
pub(super) fn find(call: &Call, name: &str) -> Option<PathBuf> {
    call.host.find_program(name, &call.env)
}

/// Whether a program is of the iptables that is nftables underneath.
pub(super) fn is_nftables(program: &Path) -> bool {
    std::fs::canonicalize(program).is_ok_and(|file| file.file_name().is_some_and(|name| name == NFTABLES))
}
