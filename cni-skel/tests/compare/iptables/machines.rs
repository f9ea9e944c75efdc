//! Which tables there are on a machine, and what is run there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use cni_skel::iptables::{Family, Iptables, Rule};
use cni_skel::types::ErrorCode;

use crate::support::iptables::world::{Kind, World, iptables_of, the};

const V4: Family = Family::Ipv4;

/// Makes programs that note that they were run, and fail.
fn spies(world: &World) -> impl Fn() -> bool + use<> {
    let folder = world.folder.path().to_owned();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        fs::remove_file(&path).unwrap();
        // Not through the link: what it leads to is the machine's.
        fs::write(&path, "#!/bin/sh\necho \"$0 $*\" >>\"${0%/*}/spied\"\nexit 1\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    move || folder.join("spied").exists()
}

#[test]
fn no_program_is_run_where_iptables_is_nftables() {
    let world = World::new(Kind::Nft);
    // What iptables is a link says; what else is there must not be touched.
    let was_run = spies(&world);
    fs::remove_file(world.folder.path().join("iptables")).unwrap();
    world.install("iptables", &the("xtables-nft-multi"));
    let nat = world.nat(V4);
    world.in_netns(|| nat.batch().add_chain("C").append_rule("C", &Rule::new().accept()).send()).unwrap();
    assert_eq!(world.rules(V4, "C"), [Rule::new().accept()]);
    for family in Family::ALL {
        let iptables = world.iptables();
        assert_eq!(world.in_netns(|| iptables.all_nats(family)).unwrap().len(), 1);
    }
    assert!(!was_run());
}

#[test]
fn to_open_the_older_table_runs_nothing_and_makes_nothing() {
    let world = World::new(Kind::Legacy);
    let was_run = spies(&world);
    let iptables = world.iptables();
    let _ = world.nat(V4);
    // There is none of the older ones yet.
    assert_eq!(world.in_netns(|| iptables.all_nats(V4)).unwrap().len(), 1);
    assert!(!was_run());
    assert!(
        !world
            .in_netns(|| fs::read_to_string("/proc/thread-self/net/ip_tables_names"))
            .unwrap()
            .contains("nat")
    );
}

#[test]
fn all_tables_are_found_whichever_program_made_them() {
    let world = World::new(Kind::Legacy);
    world.does(V4, "-N C");
    let all = |iptables: &Iptables| world.in_netns(|| iptables.all_nats(V4)).unwrap();
    let nats = all(&world.iptables());
    assert_eq!(nats.len(), 2);
    let mut chains = Vec::new();
    for nat in &nats {
        let look = || {
            nat.transaction(|listing, batch| {
                chains.extend(listing.chains()?.into_iter().filter(|chain| chain == "C"));
                Ok(batch)
            })
        };
        world.in_netns(look).unwrap();
    }
    assert_eq!(chains, ["C"]);

    // On a machine whose iptables is nftables by now, under the older one's own name.
    let now = World::new(Kind::Nft);
    now.install("iptables-legacy-save", &the("xtables-legacy-multi"));
    now.install("iptables-legacy-restore", &the("xtables-legacy-multi"));
    assert_eq!(all(&now.iptables()).len(), 2);
}

#[test]
fn without_a_program_it_is_nftables() {
    let world = World::new(Kind::Nft);
    let folder = tempfile::tempdir().unwrap();
    // The folders of administrators are searched too, so the environment alone does not hide what a machine has there.
    let env = world.env().with("PATH", folder.path());
    let iptables = iptables_of(env);
    let nat = world.in_netns(|| iptables.nat(V4)).unwrap();
    world.in_netns(|| nat.batch().add_chain("C").send()).unwrap();
    assert_eq!(world.saved(V4), [":C -"]);
}

#[test]
fn what_a_program_says_and_how_it_ended_is_in_the_error() {
    for (end, code, text) in [
        (
            "echo 'a  lock' >&2; echo >&2; echo again >&2; exit 4",
            ErrorCode::TRY_AGAIN_LATER,
            Some("a  lock; again"),
        ),
        ("exit 1", ErrorCode::INTERNAL, None),
        ("kill -9 $$", ErrorCode::INTERNAL, None),
    ] {
        let world = World::new(Kind::Legacy);
        let program = world.folder.path().join("iptables-restore");
        fs::remove_file(&program).unwrap();
        fs::write(&program, format!("#!/bin/sh\n{end}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let nat = world.nat(V4);
        let error = world.in_netns(|| nat.batch().create_chain("C").send()).unwrap_err();
        assert_eq!((error.code(), error.details().as_deref()), (code, text), "{error}");
        assert!(error.msg().starts_with("iptables-restore failed with "), "{error}");
    }
}

#[test]
fn a_program_that_cannot_be_run_is_named() {
    let world = World::new(Kind::Legacy);
    let program = world.folder.path().join("iptables-restore");
    fs::remove_file(&program).unwrap();
    fs::write(&program, "no program").unwrap();
    let nat = world.nat(V4);
    let error = world.in_netns(|| nat.batch().create_chain("C").send()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::IO_FAILURE);
    assert_eq!(error.msg(), format!("failed to run {}", program.display()));
}
