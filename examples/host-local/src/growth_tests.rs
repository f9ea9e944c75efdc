//! What a call does to the disk does not depend on how many addresses are in use, nor on what the index has become.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cni_skel::seam::{Operation, Watch, World};
use cni_skel::types::{Attachment, ContainerId, IfName, NetworkName};

use crate::add::allocate;
use crate::check::check;
use crate::del::release;
use crate::range::tests::spec;
use crate::range_set::RangeSet;
use crate::reservation::Reservation;
use crate::store::Store;

/// A network whose addresses can be had without a process.
struct Pool {
    dir: tempfile::TempDir,
    store: Store,
    sets: Vec<RangeSet>,
}

impl Pool {
    /// With the subnet's addresses of these numbers taken, each by a container of its own.
    fn new(subnet: &str, taken: impl IntoIterator<Item = u128>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), &NetworkName::try_from("net").unwrap());
        let set = RangeSet::new(&[spec(subnet, "", "", "")]).unwrap();
        fs::create_dir(dir.path().join("net")).unwrap();
        let pool = Self { dir, store, sets: vec![set] };
        let start: ipnet::IpNet = subnet.parse().unwrap();
        for number in taken {
            let address = match start.network() {
                IpAddr::V4(start) => {
                    IpAddr::from((start.to_bits() + u32::try_from(number).unwrap()).to_be_bytes())
                }
                IpAddr::V6(start) => IpAddr::from((start.to_bits() + number).to_be_bytes()),
            };
            pool.put(&address.to_string(), &format!("x{number}\r\neth0"));
        }
        pool
    }

    fn put(&self, name: &str, contents: &str) {
        fs::write(self.path(name), contents).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("net").join(name)
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join(".net.index")
    }

    fn add(&self, id: &str) -> String {
        self.try_add(id).unwrap()
    }

    fn try_add(&self, id: &str) -> cni_skel::Result<String> {
        self.try_add_and_sync(id, false)
    }

    fn try_add_and_sync(&self, id: &str, fsync: bool) -> cni_skel::Result<String> {
        let attachment = attachment(id);
        let reservation = Reservation::prepare(&self.store, &attachment, 1, fsync)?;
        let locked = self.store.lock_or_create()?;
        let allocation = allocate(&locked, &attachment, &reservation, &self.sets, &[None])?;
        Ok(allocation.ips()[0].address.addr().to_string())
    }

    fn del(&self, id: &str) {
        release(&self.store, &attachment(id)).unwrap();
    }

    /// A CHECK without a previous result, so that the address has to be found.
    fn holds(&self, id: &str) -> bool {
        check(&self.store, &attachment(id), &self.sets, []).is_ok()
    }

    /// The number of file operations of an ADD, a CHECK, a DEL and another DEL once there is an index.
    fn operations(&self) -> [usize; 4] {
        self.add("first");
        self.del("first");
        let add = count(|| drop(self.add("a")));
        let check = count(|| assert!(self.holds("a")));
        let del = count(|| self.del("a"));
        [add, check, del, count(|| self.del("a"))]
    }
}

fn attachment(id: &str) -> Attachment {
    Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from("eth0").unwrap())
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Watch for Log {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        self.0.lock().unwrap().push(operation.to_string());
        Ok(())
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// The file operations of a step, in their order.
fn log(step: impl FnOnce()) -> Vec<String> {
    let log = Arc::new(Log::default());
    World::new().watch(log.clone()).run(step);
    log.0.lock().unwrap().clone()
}

fn count(step: impl FnOnce()) -> usize {
    log(step).len()
}

#[test]
fn no_command_does_more_with_fifty_times_the_addresses() {
    let few = Pool::new("10.0.0.0/8", 2..102).operations();
    let many = Pool::new("10.0.0.0/8", 2..5_002).operations();
    // The tree of taken addresses is higher by a level or two.
    for (few, many) in few.into_iter().zip(many) {
        assert!(many <= few + 6 && many < 60, "{few} operations have become {many}");
    }
}

#[test]
fn a_vast_subnet_full_of_holes_is_as_quick() {
    // Every second address, and some far away.
    let near = (1..2_000).map(|number| 2 * number);
    let far = (0..500_u128).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff_ffff_ffff);
    let pool = Pool::new("2001:db8::/64", near.chain(far).collect::<std::collections::BTreeSet<_>>());
    let operations = pool.operations();
    assert!(operations.iter().all(|count| *count < 60), "{operations:?}");
    // The numbers after the last one that was handed out, without those in use.
    let got: Vec<_> = (0..3).map(|n| pool.add(&format!("n{n}"))).collect();
    assert_eq!(got, ["2001:db8::7", "2001:db8::9", "2001:db8::b"]);
}

#[test]
fn the_ends_of_the_address_space_are_reached_by_the_index_too() {
    let vast = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:f000/116";
    let pool = Pool::new(vast, 0..4095);
    assert_eq!(pool.add("a"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert!(pool.index().exists());
    assert!(pool.try_add("b").unwrap_err().msg().contains("no IP addresses available"));
    pool.del("x1234");
    assert_eq!(pool.add("b"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:f4d2");

    let pool = Pool::new("255.255.255.0/24", 2..254);
    assert_eq!(pool.add("a"), "255.255.255.254");
    assert!(pool.try_add("b").is_err());
    let pool = Pool::new("0.0.0.0/24", 2..254);
    assert_eq!(pool.add("a"), "0.0.0.254");
    assert!(pool.try_add("b").is_err());
}

#[test]
fn an_index_grows_and_goes_with_the_addresses() {
    let pool = Pool::new("10.0.0.0/16", 2..3);
    for n in 0..1_500 {
        assert_eq!(pool.add(&format!("c{n}")), format!("10.0.{}.{}", (n + 3) >> 8, (n + 3) & 255));
    }
    assert!((0..1_500).all(|n| pool.holds(&format!("c{n}"))));
    assert!(pool.index().exists());
    (0..1_500).for_each(|n| pool.del(&format!("c{n}")));
    pool.del("x2");
    let left: Vec<_> =
        fs::read_dir(pool.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["net"]);
    let mut left: Vec<_> =
        fs::read_dir(pool.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["last_reserved_ip.0", "lock"]);
}

#[test]
fn whoever_else_changes_the_folder_in_the_same_moment_is_seen() {
    let pool = Pool::new("10.0.0.0/16", 2..302);
    for n in 0..150_u32 {
        let taken = pool.add(&format!("c{n}"));
        let number = u32::from_be_bytes(taken.parse::<std::net::Ipv4Addr>().unwrap().octets());
        let next = std::net::Ipv4Addr::from(number + 1).to_string();
        // At once after the last change of ours, in the same step of the kernel's clock.
        match n % 3 {
            0 => {
                pool.put(&next, &format!("foreign{n}\r\neth0"));
                assert!(pool.holds(&format!("foreign{n}")));
                assert_ne!(pool.add(&format!("d{n}")), next);
                pool.del(&format!("foreign{n}"));
                assert!(!pool.path(&next).exists());
            }
            1 => {
                fs::remove_file(pool.path(&taken)).unwrap();
                pool.put("last_reserved_ip.0", &std::net::Ipv4Addr::from(number - 1).to_string());
                assert_eq!(pool.add(&format!("d{n}")), taken);
            }
            _ => {
                fs::rename(pool.path(&taken), pool.path(&next)).unwrap();
                pool.del(&format!("c{n}"));
                assert!(!pool.path(&next).exists());
            }
        }
    }
}

/// What a spoilt index may be.
fn spoil(index: &Path, how: usize) {
    let mut bytes = fs::read(index).unwrap();
    let length = bytes.len();
    match how {
        0 => bytes.clear(),
        1 => bytes.truncate(length - 1),
        2 => bytes.truncate(1024),
        3 => bytes.fill(0),
        4 => bytes[1024..].fill(0),
        5 => bytes[1024..].fill(0xff),
        6 => bytes.extend_from_slice(&[0; 1024]),
        // Two blocks in each other's place.
        7 => (1024..2048).for_each(|at| bytes.swap(at, at + 1024)),
        8..20 => bytes[(how - 8) * 8] ^= 1,
        _ => (1..length / 1024).for_each(|block| bytes[block * 1024 + (how * 37) % 1024] ^= 0x10),
    }
    fs::write(index, bytes).unwrap();
}

#[test]
fn a_corrupt_index_is_found_out_and_made_anew() {
    for how in 0..40 {
        let pool = Pool::new("10.0.0.0/16", 2..200);
        assert_eq!(pool.add("a"), "10.0.0.200");
        spoil(&pool.index(), how);
        assert!(pool.holds("a") && pool.holds("x77") && !pool.holds("b"), "{how}");
        assert_eq!(pool.add("b"), "10.0.0.201", "{how}");
        spoil_if_there(&pool.index(), how);
        pool.del("a");
        assert!(!pool.path("10.0.0.200").exists(), "{how}");
        pool.del("x77");
        assert!(!pool.path("10.0.0.77").exists(), "{how}");
        assert!(pool.try_add("b").unwrap_err().msg().contains("duplicate"), "{how}");
        assert_eq!(pool.add("c"), "10.0.0.202", "{how}");
    }
}

fn spoil_if_there(index: &Path, how: usize) {
    if index.exists() {
        spoil(index, how);
    }
}

#[test]
fn what_is_in_the_place_of_the_index_does_no_harm() {
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    fs::write(elsewhere.path(), "precious").unwrap();
    let in_place: [&dyn Fn(&Path); 4] = [
        &|index| fs::create_dir(index).unwrap(),
        &|index| std::os::unix::fs::symlink(elsewhere.path(), index).unwrap(),
        &|index| std::os::unix::fs::symlink("/nonexistent", index).unwrap(),
        &|index| fs::hard_link(elsewhere.path(), index).unwrap_or_else(|_| fs::write(index, "x").unwrap()),
    ];
    for place in in_place {
        let pool = Pool::new("10.0.0.0/16", 2..200);
        place(&pool.index());
        assert_eq!(pool.add("a"), "10.0.0.200");
        assert!(pool.holds("a"));
        assert_eq!(pool.add("b"), "10.0.0.201");
        pool.del("a");
        assert!(!pool.path("10.0.0.200").exists());
        assert_eq!(fs::read(elsewhere.path()).unwrap(), b"precious");
    }
}

#[test]
fn who_takes_no_lock_while_we_have_it_is_noticed_where_it_matters() {
    let pool = Pool::new("10.0.0.0/16", 2..200);
    assert_eq!(pool.add("a"), "10.0.0.200");
    let attachment = attachment("b");
    let reservation = Reservation::prepare(&pool.store, &attachment, 1, false).unwrap();
    let locked = pool.store.lock_or_create().unwrap();
    // From here on the index is gone by.
    assert_eq!(locked.held_by(&self::attachment("x77")).unwrap().own.len(), 1);
    pool.put("10.0.0.201", "foreign\r\neth0");
    let allocation = allocate(&locked, &attachment, &reservation, &pool.sets, &[None]).unwrap();
    assert_eq!(allocation.ips()[0].address.addr().to_string(), "10.0.0.202");
    drop(locked);
    assert!(pool.holds("foreign") && pool.holds("b"));
    pool.del("foreign");
    assert!(!pool.path("10.0.0.201").exists());

    pool.add("c");
    let locked = pool.store.lock_or_create().unwrap();
    assert_eq!(locked.held_by(&self::attachment("x78")).unwrap().own.len(), 1);
    fs::rename(pool.path("10.0.0.78"), pool.path("10.0.9.78")).unwrap();
    let held = locked.held_by(&self::attachment("x78")).unwrap().own;
    assert_eq!(held, ["10.0.9.78".parse::<IpAddr>().unwrap()]);
}

/// Removes a file, without the lock, right before one of the operations of a call.
#[derive(Debug)]
struct Remover {
    path: PathBuf,
    at: usize,
    seen: Mutex<usize>,
}

impl Watch for Remover {
    fn before(&self, _: &Operation<'_>) -> io::Result<()> {
        let mut seen = self.seen.lock().unwrap();
        *seen += 1;
        if *seen == self.at { fs::remove_file(&self.path) } else { Ok(()) }
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_address_whose_file_is_removed_without_the_lock_during_an_add_is_handed_out_again() {
    for at in 1.. {
        // Four addresses are free.
        let pool = Pool::new("10.0.0.0/25", 2..123);
        pool.add("first");
        pool.del("first");
        let remover = Arc::new(Remover { path: pool.path("10.0.0.77"), at, seen: Mutex::default() });
        World::new().watch(remover.clone()).run(|| pool.add("a"));
        if *remover.seen.lock().unwrap() < at {
            assert!(at > 20, "{at}");
            break;
        }
        let rest: Vec<_> = ["b", "c", "d"].map(|id| pool.add(id)).into();
        crate::status::ready(&pool.store, &pool.sets, false).unwrap_or_else(|error| panic!("{at}: {error}"));
        let last = pool.try_add("e").unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(last == "10.0.0.77" || rest.contains(&"10.0.0.77".to_owned()), "{at}: {rest:?}, {last}");
        assert!(crate::status::ready(&pool.store, &pool.sets, false).is_err());
        pool.try_add("f").unwrap_err();
    }
}

#[test]
fn an_index_that_is_of_no_use_does_not_stay() {
    let pool = Pool::new("10.0.0.0/16", 2..100);
    pool.add("a");
    let new = pool.dir.path().join(".net.index.new");
    fs::write(&new, "left by a call that was killed").unwrap();
    // The reference takes all of it away.
    for n in 2..=100 {
        fs::remove_file(pool.path(&format!("10.0.0.{n}"))).unwrap();
    }
    pool.del("a");
    assert!(!pool.index().exists() && !new.exists());
}

#[test]
fn an_index_of_another_boot_or_another_folder_is_not_gone_by() {
    let pool = Pool::new("10.0.0.0/16", 2..200);
    pool.add("a");
    let saved = fs::read(pool.index()).unwrap();
    // The folder as it was, but another one.
    let copy = pool.dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(pool.path("")).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    fs::rename(pool.path(""), pool.dir.path().join("gone")).unwrap();
    fs::rename(&copy, pool.dir.path().join("net")).unwrap();
    fs::remove_file(pool.path("10.0.0.100")).unwrap();
    assert!(pool.store.index().is_none());
    pool.del("a");
    assert!(!pool.path("10.0.0.200").exists());
    // One that was kept aside while the network went on.
    pool.add("b");
    fs::write(pool.index(), &saved).unwrap();
    assert!(pool.store.index().is_none());
    pool.del("b");
    assert!(!pool.path("10.0.0.201").exists());
    // One that bears the name of another boot, and is right otherwise.
    pool.add("c");
    assert!(pool.store.index().is_some());
    let mut other = fs::read(pool.index()).unwrap();
    other[24] = if other[24] == b'0' { b'1' } else { b'0' };
    fs::write(pool.index(), &other).unwrap();
    assert!(pool.store.index().is_none());
}

#[test]
fn an_address_file_is_on_the_disk_before_it_has_its_name() {
    for taken in [2..3, 2..200] {
        let pool = Pool::new("10.0.0.0/16", taken);
        let log = log(|| drop(pool.try_add_and_sync("a", true).unwrap()));
        let at = |operation: &str| log.iter().position(|line| line.starts_with(operation)).unwrap();
        let named = format!("create {}", pool.path("10.0.0.").display());
        assert!(
            at("create a file in") < at("write ") && at("write ") < at("sync") && at("sync") < at(&named)
        );
        // And before others have to wait for it.
        assert!(at("sync") < at("lock"), "{log:#?}");
    }
}

#[test]
fn with_an_index_a_failed_add_is_undone_without_making_it_void() {
    let pool = Pool::new("10.0.0.0/16", 2..200);
    pool.add("a");
    let attachment = attachment("b");
    let reservation = Reservation::prepare(&pool.store, &attachment, 1, false).unwrap();
    let locked = pool.store.lock_or_create().unwrap();
    let allocation = allocate(&locked, &attachment, &reservation, &pool.sets, &[None]).unwrap();
    drop(locked);
    allocation.undo(&pool.store).unwrap();
    assert!(!pool.path("10.0.0.201").exists());
    assert!(pool.store.index().is_some());
    assert!(!pool.holds("b"));
    assert_eq!(pool.add("c"), "10.0.0.201");
}
