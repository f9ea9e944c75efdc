//! The files of a configuration.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::{ChainError, ChainFailure};

/// The name, which is also that of the folder with further plugins.
#[derive(Deserialize)]
struct Name {
    name: String,
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, ChainError> {
    fs::read(path).map_err(|cause| unreadable(path, cause))
}

/// The plugins in the folder that has the network's name, sorted by file name. The folder may be missing.
pub(super) fn beside(conflist: &Path, text: &[u8]) -> Result<Vec<Vec<u8>>, ChainError> {
    // The parser reports a configuration that is not valid. A name with a slash is invalid, and would lead to another
    // folder.
    let name = serde_json::from_slice::<Name>(text).map(|wire| wire.name).unwrap_or_default();
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Ok(Vec::new());
    }
    let folder = conflist.with_file_name(name);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(cause) => return Err(unreadable(&folder, cause)),
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(|cause| unreadable(&folder, cause))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn unreadable(path: &Path, cause: io::Error) -> ChainError {
    let failure = ChainFailure::Unreadable { path: path.to_owned(), cause };
    ChainError { command: None, plugin: None, failure, undo: None }
}
