//! What `/proc` says about processes.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

/// All processes.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

/// The processes of a group that have not ended.
pub(super) fn members(group: u32) -> Vec<Pid> {
    let is_member = |process: &Pid| {
        // The fields after the name, which may contain anything: state, parent, group.
        let fields = fields_of(&folder(*process).join("stat")).unwrap_or_default();
        let has_ended = matches!(fields.first().map(String::as_str), None | Some("Z" | "X"));
        !has_ended && fields.get(2).and_then(|field| field.parse().ok()) == Some(group)
    };
    processes().filter(is_member).collect()
}

/// The parent of a process.
pub(crate) fn parent(process: Pid) -> Option<Pid> {
    fields_of(&folder(process).join("stat"))?.get(1)?.parse().ok().map(Pid::from_raw)
}

/// The command line of a process, with spaces between its words.
pub(crate) fn words(process: Pid) -> String {
    let words = fs::read(folder(process).join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
}

/// What the open descriptors of a process lead to, as far as this user may see them.
pub(crate) fn descriptors(process: Pid) -> impl Iterator<Item = PathBuf> {
    let descriptors = fs::read_dir(folder(process).join("fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
}

/// Where in the kernel a process of this group waits uninterruptibly, if one does. No signal ends such a wait.
///
/// All network namespaces share one lock. Its holder waits for the end of a grace period. While other programs use all
/// processors, the kernel thread that ends the grace period may not run for minutes. That is not the plugin's fault.
pub(super) fn blocked_in(group: u32) -> Option<String> {
    let members = members(group).into_iter();
    let threads = members.flat_map(|process| fs::read_dir(folder(process).join("task"))).flatten().flatten();
    threads.map(|thread| thread.path()).find_map(|thread| {
        let state = fields_of(&thread.join("stat"))?.into_iter().next()?;
        let place = fs::read_to_string(thread.join("wchan")).unwrap_or_default();
        // It is 0 where the kernel does not tell.
        let place = if place.trim_matches('0').is_empty() { String::new() } else { format!(" in {place}") };
        (state == "D").then_some(place)
    })
}

fn folder(process: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{process}"))
}

/// The fields of a `stat` file after the name.
fn fields_of(stat: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(stat).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}
