//! Lets a test be root: of the machine, or in a user namespace.

use std::any::type_name;
use std::process::Command;

use nix::unistd::geteuid;

/// Runs the body of a test as root.
///
/// For an ordinary user the test is run once more, alone, in a user namespace where the user is root. A
/// process with threads, which a test is in, cannot enter one itself. Where there are no user namespaces
/// the test fails.
#[track_caller]
pub(crate) fn as_root<F: FnOnce()>(body: F) {
    if geteuid().is_root() {
        return body();
    }
    // `crate::module::test::{{closure}}`
    let closure = type_name::<F>();
    let test = closure.split_once("::").and_then(|(_, path)| path.strip_suffix("::{{closure}}"));
    let test = test.unwrap_or_else(|| panic!("{closure} is not a closure in a test"));
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(std::env::current_exe().expect("the test knows its own program"))
        .args(["--exact", test, "--nocapture"])
        .output()
        .expect("run unshare, of util-linux");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && stdout.contains("test result: ok. 1 passed"),
        "{test} in a user namespace, {}:\n{stdout}{stderr}",
        output.status
    );
}
