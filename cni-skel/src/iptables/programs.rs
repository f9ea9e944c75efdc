//! The programs of iptables: finding them, their kind, and running them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cni_types::ErrorCode;

use crate::request::Call;
use crate::{Error, Execution, Output, Result};

/// The timeout of a program, which includes its wait for the lock of iptables.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a program waits for the lock, in seconds.
const LOCK_TIMEOUT: &str = "10";
/// The exit status of a program that did not get the lock.
const NO_LOCK: &str = "exit status: 4";
/// The executable that all programs of `iptables-nft` are links to.
const NFT_EXECUTABLE: &str = "xtables-nft-multi";

/// `iptables-save` and `iptables-restore` of a family.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    call: Arc<Call>,
    save: PathBuf,
    restore: PathBuf,
}

impl Programs {
    /// Finds the programs that belong to the host's `iptables`.
    pub(super) fn of(call: &Arc<Call>, iptables: &str) -> Result<Self> {
        let found = |name: String| {
            let program = find(call, &name);
            program.ok_or_else(|| {
                Error::new(
                    ErrorCode::IO_FAILURE,
                    format!("program {name} is missing, which belongs to {iptables}"),
                )
            })
        };
        let (save, restore) = (found(format!("{iptables}-save"))?, found(format!("{iptables}-restore"))?);
        Ok(Self { call: Arc::clone(call), save, restore })
    }

    /// Finds the programs of `iptables-legacy`.
    pub(super) fn of_legacy(call: &Arc<Call>, iptables: &str) -> Option<Self> {
        Self::of(call, &format!("{iptables}-legacy"))
            .ok()
            .or_else(|| Self::of(call, iptables).ok().filter(|programs| !is_nftables(&programs.restore)))
    }

    /// Finds the programs of `iptables-nft`.
    pub(super) fn of_nftables(call: &Arc<Call>, iptables: &str) -> Result<Self> {
        let named = Self::of(call, iptables).ok().filter(|programs| is_nftables(&programs.restore));
        let programs = named.or_else(|| Self::of(call, &format!("{iptables}-nft")).ok());
        programs.ok_or_else(|| {
            let msg =
                format!("program {iptables}-nft-restore is missing, which this kernel or these rules need");
            Error::new(ErrorCode::IO_FAILURE, msg)
        })
    }

    /// Returns the contents of the table.
    pub(super) fn save(&self) -> Result<String> {
        let output = self.run(&self.save, &["-t", super::family::NAT], "")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes changes.
    pub(super) fn restore(&self, script: &str) -> Result<()> {
        self.run(&self.restore, &["--noflush", "-w", LOCK_TIMEOUT], script).map(drop)
    }

    fn run(&self, program: &Path, args: &[&str], stdin: &str) -> Result<Output> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let execution =
            Execution::new(program, &self.call.env, stdin.as_bytes(), TIMEOUT).args(args).keep_stderr();
        let output = self.call.host.execute(&execution).map_err(|cause| match cause.kind() {
            io::ErrorKind::TimedOut => {
                let msg = format!("{name} was killed after {TIMEOUT:?}");
                Error::new(ErrorCode::TRY_AGAIN_LATER, msg)
            }
            _ => Error::io(format!("failed to run {}", program.display()), cause),
        })?;
        if output.success {
            return Ok(output);
        }
        let code = if output.status == NO_LOCK { ErrorCode::TRY_AGAIN_LATER } else { ErrorCode::INTERNAL };
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let error = Error::new(code, format!("{name} failed with {}", output.status));
        Err(if lines.is_empty() { error } else { error.with_details(lines.join("; ")) })
    }
}

/// Finds a program on the host.
pub(super) fn find(call: &Call, name: &str) -> Option<PathBuf> {
    call.host.find_program(name, &call.env)
}

/// Returns whether a program belongs to `iptables-nft`.
pub(super) fn is_nftables(program: &Path) -> bool {
    std::fs::canonicalize(program)
        .is_ok_and(|file| file.file_name().is_some_and(|name| name == NFT_EXECUTABLE))
}
