//! The result of each ADD, kept in a file until DEL, in the format of libcni.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cni_skel::types::{AddResult, Attachment, ContainerId, IfName, NetworkName, SpecVersion};
use nix::libc;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The maximum size of a file.
const MAX_SIZE: u64 = 16 << 20;

/// The content of a file. This is the second format of libcni, `cniCacheV1`. The first was the result alone.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    kind: Kind,
    pub(super) container_id: ContainerId,
    #[serde(default)]
    pub(super) config: String,
    pub(super) if_name: IfName,
    pub(super) network_name: NetworkName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) netns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cni_args: Option<Vec<[String; 2]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capability_args: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
enum Kind {
    #[default]
    #[serde(rename = "cniCacheV1")]
    V1,
}

impl Entry {
    pub(super) fn new(network: &NetworkName, attachment: &Attachment) -> Self {
        Self {
            kind: Kind::V1,
            container_id: attachment.container_id.clone(),
            config: String::new(),
            if_name: attachment.ifname.clone(),
            network_name: network.clone(),
            netns: None,
            cni_args: None,
            capability_args: None,
            result: None,
        }
    }

    fn is_of(&self, network: &NetworkName, attachment: &Attachment) -> bool {
        let named = (&self.network_name, &self.container_id, &self.if_name);
        named == (network, &attachment.container_id, &attachment.ifname)
    }
}

/// The file of one attachment.
pub(super) fn file(folder: &Path, network: &NetworkName, attachment: &Attachment) -> PathBuf {
    let Attachment { container_id, ifname, .. } = attachment;
    folder.join("results").join(format!("{network}-{container_id}-{ifname}"))
}

/// Writes a file atomically.
pub(super) fn write(path: &Path, entry: &Entry) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // The file is removed if this process dies. No attachment has a name that starts like this.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    serde_json::to_writer(&mut file, entry)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|refused| refused.error)?;
    Ok(())
}

/// Reads the result from a file, as JSON. Returns `None` if there is no file.
///
/// Everything is checked, because a process that can write to the cache could put anything into the `prevResult` of a
/// plugin.
pub(super) fn read_result(
    path: &Path,
    network: &NetworkName,
    attachment: &Attachment,
    version: SpecVersion,
) -> Result<Option<String>, String> {
    let text = match read(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause.to_string()),
    };
    let result = if is_bare_result(&text) {
        text
    } else {
        let entry: Entry = serde_json::from_str(&text).map_err(|cause| cause.to_string())?;
        if !entry.is_of(network, attachment) {
            return Err("it belongs to another attachment".to_owned());
        }
        entry.result.ok_or("it has no result")?.get().to_owned()
    };
    AddResult::decode(version, &result).map_err(|cause| format!("its result is not valid: {cause}"))?;
    Ok(Some(result))
}

/// All attachments of a network, in the order of their files. Files that cannot be read are left out.
pub(super) fn attachments(folder: &Path, network: &NetworkName) -> Vec<Entry> {
    let Ok(files) = fs::read_dir(folder.join("results")) else { return Vec::new() };
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let entries = paths.iter().filter_map(|path| {
        let entry: Entry = serde_json::from_str(&read(path).ok()?).ok()?;
        let attachment = Attachment::new(entry.container_id.clone(), entry.if_name.clone());
        (entry.network_name == *network && file(folder, network, &attachment) == *path).then_some(entry)
    });
    entries.collect()
}

/// Removes a file, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file: File =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
    }
    let mut text = String::new();
    if file.take(MAX_SIZE + 1).read_to_string(&mut text)? as u64 > MAX_SIZE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

fn is_bare_result(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        kind: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Probe>(text).is_ok_and(|probe| probe.kind.is_none())
}
