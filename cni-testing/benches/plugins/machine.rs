//! The machine and the versions of programs.

use std::fs;
use std::process::{Command, Stdio};

use crate::builds::{Programs, output, rustc};

/// Names and values, in the order of the page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine(pub(crate) Vec<(&'static str, String)>);

impl Machine {
    /// Collects the values. A value that is not available is left out.
    pub(crate) fn look(programs: &Programs) -> Self {
        let known = [
            ("processor", processor()),
            ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").ok()),
            ("system", os_release()),
            ("Go plugins", go_plugins(programs)),
            ("iptables", output("iptables", &["--version"])),
            ("our compiler", output(rustc(), &["--version"])),
            ("state", file_system()),
        ];
        let line = |(name, value): (_, Option<String>)| Some((name, value?.trim().to_owned()));
        Self(known.into_iter().filter_map(line).collect())
    }
}

fn processor() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let is_guest = value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let kind = if is_guest { ", of a virtual machine" } else { "" };
    Some(format!("{cores} x {}{kind}", value("model name")?))
}

fn os_release() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// Returns the version of Debian's package, or else what the plugin prints.
fn go_plugins(programs: &Programs) -> Option<String> {
    let bridge = programs.go.join("bridge");
    let package = output("dpkg-query", &["--search", &bridge.to_string_lossy()]);
    let package = package.as_deref().and_then(|text| text.split(':').next());
    let known = package.and_then(|package| output("dpkg-query", &["--show", package]));
    known.map(|text| text.replace('\t', " ")).or_else(|| {
        let said = Command::new(&bridge).env_clear().stdin(Stdio::null()).output().ok()?;
        String::from_utf8_lossy(&said.stderr).lines().next().map(str::to_owned)
    })
}

/// Returns the file system of host-local's folders.
fn file_system() -> Option<String> {
    let folder = std::env::temp_dir().canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let around = mounts.filter(|(point, _)| folder.starts_with(point));
    around.max_by_key(|(point, _)| point.len()).map(|(_, kind)| format!("on {kind}"))
}
