//! `Netns` and `Sysctl` with the kernel. The tests need root or user namespaces, and fail if they cannot create a namespace.

use std::fs::File;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use cni_skel::{Netns, Sysctl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Creates a namespace that exists as long as the value.
#[track_caller]
fn namespace() -> Netns {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
        Netns::own().expect("open the new network namespace")
    });
    thread.join().expect("the thread ends")
}

#[track_caller]
fn refusal(path: &Path) -> (io::ErrorKind, String) {
    let failed = Netns::open(path).expect_err("it is not a network namespace");
    (failed.kind(), failed.to_string())
}

#[test]
fn the_path_is_returned_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("netns");
    symlink("/proc/self/ns/net", &path).unwrap();
    let netns = Netns::open(&path).unwrap();
    assert_eq!(netns.path(), path);
    assert_eq!(String::from(&netns), path.to_str().unwrap());
    assert!(netns.is_same(&Netns::own().unwrap()));
}

#[test]
fn a_file_that_is_not_a_network_namespace_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let invalid = io::ErrorKind::InvalidInput;
    for path in [file.as_path(), &fifo, folder.path(), Path::new("/dev/null"), Path::new("/proc/self/status")]
    {
        assert_eq!(refusal(path), (invalid, format!("{} is not a network namespace", path.display())));
    }
    for kind in ["mnt", "pid", "user", "uts", "ipc", "cgroup"] {
        let path = format!("/proc/self/ns/{kind}");
        let wanted = format!("{path} is a namespace, but not a network namespace");
        assert_eq!(refusal(Path::new(&path)), (invalid, wanted));
    }
}

#[test]
fn a_missing_path_is_not_found() {
    let failed = Netns::open("/run/netns/there-is-no-such-thing").unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    assert_eq!(failed.to_string(), "cannot open /run/netns/there-is-no-such-thing");
    let source = std::error::Error::source(&failed).expect("it has a cause").to_string();
    assert_eq!(source, "No such file or directory (os error 2)");
}

#[test]
fn namespaces_are_compared_by_identity() {
    let (a, b) = (namespace(), namespace());
    assert!(!a.is_same(&b));
    assert!(!a.is_own().unwrap() && Netns::own().unwrap().is_own().unwrap());
    assert!(a.is_same(&a.clone()));
    assert!(a.run(|| a.is_own().unwrap()).unwrap());
}

#[test]
fn a_closure_runs_inside_and_the_caller_stays_in_its_namespace() {
    let netns = namespace();
    let own = Netns::own().unwrap();
    let links = netns.run(|| {
        // Of the thread's namespace, as all below this folder. Two lines are above the first link.
        let text = std::fs::read_to_string("/proc/thread-self/net/dev").expect("the kernel lists links");
        text.lines().skip(2).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    });
    let links = links.unwrap();
    assert!(links.len() == 1 && links[0].starts_with("lo:"), "{links:?}");
    assert!(Netns::own().unwrap().is_same(&own));
}

#[test]
fn a_panic_inside_continues_in_the_caller() {
    let netns = namespace();
    let panic = std::panic::catch_unwind(|| netns.run(|| panic!("inside"))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"inside"));
}

#[test]
fn a_namespace_exists_as_long_as_it_is_open() {
    let netns = namespace();
    let inode = format!("{netns:?}");
    for _ in 0..20 {
        drop(namespace());
    }
    assert!(netns.run(|| ()).is_ok());
    assert_eq!(format!("{netns:?}"), inode);
}

#[test]
fn a_sysctl_belongs_to_the_namespace_of_the_thread() {
    let (a, b) = (namespace(), namespace());
    let forward = Sysctl::at(&["ipv4", "ip_forward"]).unwrap();
    let read = |netns: &Netns| netns.run(|| forward.read()).expect("enter the namespace").expect("read it");
    assert!(a.run(|| forward.write("1")).unwrap().unwrap());
    assert!(b.run(|| forward.write("0")).unwrap().unwrap());
    assert_eq!((read(&a).as_deref(), read(&b).as_deref()), (Some("1"), Some("0")));
}

#[test]
fn a_missing_sysctl_is_not_an_error_and_a_refused_value_is() {
    let netns = namespace();
    netns
        .run(|| {
            let missing = Sysctl::ipv6("nope", "accept_ra").unwrap();
            assert_eq!(missing.read().unwrap(), None);
            assert!(!missing.write("0").unwrap());
            let failed = Sysctl::at(&["ipv4", "ip_forward"]).unwrap().write("lots").unwrap_err();
            assert_eq!(failed.to_string(), "cannot write /proc/sys/net/ipv4/ip_forward");
        })
        .unwrap();
}

#[test]
fn a_name_never_leaves_its_folder() {
    for name in ["", ".", "..", "../all", "a/b", "a\0b"] {
        assert_eq!(
            Sysctl::ipv4(name, "arp_notify").unwrap_err().kind(),
            io::ErrorKind::InvalidInput,
            "{name:?}"
        );
        assert!(Sysctl::ipv6("eth0", name).is_err());
        assert!(Sysctl::at(&[name]).is_err());
    }
    assert!(Sysctl::at(&[]).is_err());
}
