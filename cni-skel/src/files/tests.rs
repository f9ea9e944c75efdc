//! What [`StateFile`] and the functions promise, on a real file system.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::*;

const LONG: Duration = Duration::from_secs(30);

#[test]
fn an_unnamed_file_gets_a_name_with_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::create_unnamed(folder.path(), 0o600).unwrap().unwrap();
    file.write_all(b"contents").unwrap();
    file.sync_data().unwrap();
    assert_eq!(read_dir(folder.path()).unwrap().len(), 0);
    let name = folder.path().join("name");
    file.link(&name).unwrap();
    assert_eq!(read(&name, 100).unwrap(), b"contents");
    let again = file.link(&name).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert_eq!(again.to_string(), format!("cannot create {}", name.display()));
}

#[test]
fn an_unnamed_file_in_a_missing_directory_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = StateFile::create_unnamed(folder.path().join("missing"), 0o600).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn places_of_a_file_are_read_and_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    StateFile::create_new(&path, 0o600).unwrap();
    assert_eq!(StateFile::create_new(&path, 0o600).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let file = StateFile::open_to_change(&path).unwrap();
    file.write_at(b"abc", 4).unwrap();
    let mut bytes = [0xff; 3];
    file.read_at(&mut bytes, 3).unwrap();
    assert_eq!(&bytes, b"\0ab");
    assert_eq!(file.read_at(&mut bytes, 5).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.set_len(2).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 2);
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(file.metadata().unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
}

#[test]
fn a_read_ends_at_the_end_of_the_file_or_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let contents = "x".repeat(100_000);
    StateFile::create(&path, 0o600).unwrap().write_all(contents.as_bytes()).unwrap();
    assert_eq!(read(&path, 1 << 20).unwrap(), contents.as_bytes());
    assert_eq!(read(&path, 600).unwrap().len(), 600);
    assert_eq!(read(&path, 6).unwrap().len(), 6);
}

#[test]
fn links_are_not_followed_and_fifos_do_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let (link, fifo) = (folder.path().join("link"), folder.path().join("fifo"));
    symlink(folder.path().join("target"), &link).unwrap();
    StateFile::open(&link).unwrap_err();
    StateFile::create(&link, 0o600).unwrap_err();
    StateFile::lock(&link, 0o600, LONG).unwrap_err();
    assert!(!folder.path().join("target").exists());
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(read(&fifo, 100).unwrap(), b"");
    StateFile::create(&fifo, 0o600).unwrap_err();
}

#[test]
fn a_replaced_file_has_the_new_contents_and_a_failure_leaves_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    // A killed call has left something.
    fs::write(replacement_path(&path), "a longer text").unwrap();
    replace(&path, 0o640, |file| file.write_all(b"first")).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    replace(&path, 0o640, |file| file.write_all(b"2")).unwrap();
    assert_eq!(read(&path, 100).unwrap(), b"2");
    let failure = replace(&path, 0o640, |file| {
        file.write_all(b"half")?;
        Err(io::Error::other("on purpose"))
    });
    assert_eq!(failure.unwrap_err().to_string(), "on purpose");
    assert_eq!(read(&path, 100).unwrap(), b"2");
    assert_eq!(read_dir(folder.path()).unwrap().len(), 1);
}

#[test]
fn a_file_that_does_not_exist_counts_as_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    StateFile::create_new(&path, 0o600).unwrap();
    remove_file(&path).unwrap();
    remove_file(&path).unwrap();
    let denied = remove_file(folder.path()).unwrap_err();
    assert_eq!(denied.to_string(), format!("cannot remove {}", folder.path().display()));
}

#[test]
fn a_held_lock_is_waited_for_no_longer_than_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = StateFile::lock(&path, 0o600, LONG).unwrap();
    let start = Instant::now();
    let late = StateFile::lock(&path, 0o600, Duration::from_millis(50)).unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    assert_eq!(late.to_string(), format!("cannot lock {}", path.display()));
    drop(held);
    // The waiting thread may get the lock first, and releases it.
    StateFile::lock(&path, 0o600, LONG).unwrap();
}

#[test]
fn of_fifty_waiting_threads_each_gets_the_lock_and_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let lock = StateFile::lock(&path, 0o600, LONG).unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                thread::sleep(Duration::from_millis(1));
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
            });
        }
    });
}
