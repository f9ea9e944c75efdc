//! Values of options that `run` and `conform` share.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folders of plugins after this program's own, where neither `--path` nor `CNI_PATH` is given.
const FOLDERS: [&str; 2] = ["/opt/cni/bin", "/usr/lib/cni"];

pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("not a number of seconds"),
    }
}

pub(crate) fn folders(list: &OsString) -> Result<Vec<PathBuf>, lexopt::Error> {
    let folders = env::split_paths(list).filter(|folder| !folder.as_os_str().is_empty());
    folders.map(|folder| absolute(&folder)).collect()
}

pub(crate) fn default_path() -> Result<Vec<PathBuf>, lexopt::Error> {
    if let Some(list) = env::var_os("CNI_PATH").filter(|list| !list.is_empty()) {
        return folders(&list);
    }
    let own = env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    Ok(own.into_iter().chain(FOLDERS.map(PathBuf::from)).collect())
}

fn absolute(folder: &Path) -> Result<PathBuf, lexopt::Error> {
    std::path::absolute(folder).map_err(|why| format!("{}: {why}", folder.display()).into())
}
