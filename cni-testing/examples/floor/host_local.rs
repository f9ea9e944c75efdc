//! One address taken, or given back.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(crate) fn add(dir: &str, address: Ipv4Addr, id: &str) {
    let dir = Path::new(dir);
    let _lock = lock(dir);
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(dir.join(address.to_string())).unwrap();
    file.write_all(format!("{id}\r\neth0").as_bytes()).unwrap();
    fs::write(dir.join("last_reserved_ip.0"), address.to_string()).unwrap();
    println!("{{\"cniVersion\": \"1.0.0\", \"ips\": [{{\"address\": \"{address}/16\"}}]}}");
}

pub(crate) fn del(dir: &str, address: Ipv4Addr) {
    let dir = Path::new(dir);
    let _lock = lock(dir);
    fs::remove_file(dir.join(address.to_string())).unwrap();
}

fn lock(dir: &Path) -> File {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("lock"))
        .unwrap();
    file.lock().unwrap();
    file
}
