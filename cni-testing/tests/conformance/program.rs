//! The plugin with faults, and the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The example `faulty`, under names that say which fault it has.
pub(crate) struct Faulty {
    folder: TempDir,
}

impl Faulty {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The plugin with this fault.
    pub(crate) fn with(&self, fault: &str) -> PathBuf {
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().unwrap().parent().unwrap().join("examples/faulty");
        assert!(program.is_file(), "{} is not built; run the tests with cargo test", program.display());
        let folder = self.folder.path().join(fault);
        std::fs::create_dir_all(&folder).unwrap();
        let name = folder.join("faulty");
        std::os::unix::fs::symlink(program, &name).unwrap();
        name
    }
}

/// What came out of `cnitest conform`.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn conform(arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnitest"));
    let output = command.arg("conform").args(arguments).env_remove("CNI_PATH").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A folder with a plugin that is a shell script, and a configuration for it.
pub(crate) struct Script {
    folder: TempDir,
}

impl Script {
    pub(crate) fn new(text: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("script");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = r#"{"cniVersion": "1.0.0", "name": "lan", "type": "script"}"#;
        std::fs::write(folder.path().join("script.conf"), config).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn conform(&self, arguments: &[&str]) -> Ran {
        let at = |name: &str| self.path().join(name).display().to_string();
        let (program, config) = (at("script"), at("script.conf"));
        conform(&[&[program.as_str(), "--config", &config], arguments].concat())
    }
}
