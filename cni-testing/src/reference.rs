//! The reference plugins, to compare with.

use std::path::{Path, PathBuf};

/// Where Debian's package has them.
const FOLDER: &str = "/usr/lib/cni";

/// A plugin of the reference implementation, as Debian's package `containernetworking-plugins` installs it: for tests that do
/// the same with it and with the plugin under test.
///
/// # Panics
/// When it is not there: what it does is what such a test is about, so the test must not pass without it.
#[track_caller]
pub fn reference_plugin(name: &str) -> PathBuf {
    let program = Path::new(FOLDER).join(name);
    assert!(
        program.is_file(),
        "{} is missing; install Debian's package containernetworking-plugins",
        program.display()
    );
    program
}
