//! Reserves or releases one address. The file of an address is written atomically and survives a power failure.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

pub(crate) fn add(dir: &str, address: Ipv4Addr, id: &str) {
    let dir = Path::new(dir);
    let _lock = lock(dir);
    let address = address.to_string();
    let unnamed = OFlag::O_TMPFILE.bits();
    let mut file = OpenOptions::new().write(true).mode(0o600).custom_flags(unnamed).open(dir).unwrap();
    file.write_all(format!("{id}\r\neth0").as_bytes()).unwrap();
    file.sync_data().unwrap();
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(AT_FDCWD, open.as_str(), AT_FDCWD, &dir.join(&address), AtFlags::AT_SYMLINK_FOLLOW).unwrap();
    let mut last = OpenOptions::new();
    let last = last.write(true).create(true).truncate(false).open(dir.join("last_reserved_ip.0")).unwrap();
    last.write_all_at(address.as_bytes(), 0).unwrap();
    println!("{{\"cniVersion\": \"1.0.0\", \"ips\": [{{\"address\": \"{address}/16\"}}]}}");
}

pub(crate) fn del(dir: &str, address: Ipv4Addr) {
    let dir = Path::new(dir);
    let _lock = lock(dir);
    fs::remove_file(dir.join(address.to_string())).unwrap();
}

fn lock(dir: &Path) -> File {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(dir.join("lock")).unwrap();
    file.lock().unwrap();
    file
}
