//! Rules encoded for kernel and program, hostile input, and kernels without extensions.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Instant;

use cni_types::{PluginConfig, Protocol, SpecVersion};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::libc;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use super::nat::Access;
use super::options;
use super::rule::{Is, Match, Spec, Target};
use super::*;
use crate::netlink::{Answer, Event, Refusal, Request, Transport};
use crate::nft::{Expression, Extension, Nft};
use crate::request::Call;
use crate::{Env, Log, Result, System};

fn chain() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_./-]{0,27}"
}

fn net(family: Family) -> BoxedStrategy<IpNet> {
    match family {
        Family::Ipv4 => (any::<[u8; 4]>(), 1..=32_u8)
            .prop_map(|(address, prefix)| Ipv4Net::new_assert(address.into(), prefix).trunc().into())
            .boxed(),
        Family::Ipv6 => (any::<[u8; 16]>(), 1..=128_u8)
            .prop_map(|(address, prefix)| Ipv6Net::new_assert(address.into(), prefix).trunc().into())
            .boxed(),
    }
}

fn is<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<Is<T>>> {
    option::of((any::<bool>(), of).prop_map(|(not, value)| Is::new(not, value)))
}

fn matches() -> impl Strategy<Value = Match> {
    prop_oneof![
        "[^\\pC]{0,60}".prop_map(Match::Comment),
        any::<u16>().prop_map(Match::Dport),
        vec(any::<u16>(), 1..=15).prop_map(Match::Dports),
        Just(Match::Local),
        (any::<bool>(), any::<u32>(), any::<u32>())
            .prop_map(|(not, mark, mask)| Match::Mark { mark: Is::new(not, mark & mask), mask }),
    ]
}

fn target(family: Family) -> impl Strategy<Value = Target> {
    let dnat = (net(family), option::of(any::<u16>()));
    prop_oneof![
        Just(Target::Accept),
        Just(Target::Return),
        Just(Target::Masquerade),
        chain().prop_map(Target::Jump),
        chain().prop_map(Target::Goto),
        dnat.prop_map(|(net, port)| Target::Dnat { to: net.addr(), port }),
        (any::<u32>(), any::<u32>()).prop_map(|(mark, mask)| Target::Mark { mark, mask }),
    ]
    // These names are targets when they are read.
    .prop_filter("the name is a target", |target| {
        !matches!(target, Target::Jump(name) if matches!(name.as_str(), "ACCEPT" | "RETURN" | "MASQUERADE"))
    })
}

fn spec() -> impl Strategy<Value = (Family, Spec)> {
    select(&Family::ALL[..]).prop_flat_map(|family| {
        let interfaces = (is("[a-z][a-z0-9.]{0,13}\\+?"), is("[a-z][a-z0-9.]{0,13}\\+?"));
        let places = (is(net(family)), is(net(family)), select(Protocol::ALL));
        (interfaces, places, vec(matches(), 0..5), option::of(target(family))).prop_map(
            move |((in_interface, out_interface), (source, destination, protocol), matches, target)| {
                let protocol = Some(protocol);
                let fault = None;
                (
                    family,
                    Spec {
                        in_interface,
                        out_interface,
                        protocol,
                        source,
                        destination,
                        matches,
                        target,
                        fault,
                    },
                )
            },
        )
    })
}

proptest! {
    #[test]
    fn a_rule_for_the_kernel_is_read_as_it_was_written((family, spec) in spec()) {
        prop_assert_eq!(spec.fault(family), None);
        let steps = steps::of(&spec, family).expect("it can be encoded");
        prop_assert_eq!(steps::read(&steps, family), spec);
    }

    #[test]
    fn a_rule_for_the_program_is_read_as_it_was_written((_, spec) in spec()) {
        let line = words::of(&spec);
        let words = words::split(&line).expect("its quotes are closed");
        prop_assert_eq!(options::read_listed(&words), spec, "{}", line);
    }

    #[test]
    fn a_quoted_text_is_read_as_one_word(text in "\\PC*") {
        let spec = Spec { matches: vec![Match::Comment(text.clone())], ..Spec::default() };
        let words = words::split(&words::of(&spec)).expect("its quotes are closed");
        prop_assert_eq!(words, ["-m", "comment", "--comment", &text]);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(line in "\\PC*", words in vec("(-[a-zA-Z]|--[a-z]+|!|\\PC*)", 0..8)) {
        let _ = words::split(&line).map(|words| options::read_listed(&words));
        let _ = options::read_listed(&words);
        let _ = Rule::new().conditions(&words).map(|rule| rule.to_string());
    }

    #[test]
    fn no_extension_makes_the_decoders_panic(
        name in select(vec!["comment", "multiport", "addrtype", "sctp", "mark", "MASQUERADE", "DNAT", "MARK", "x"]),
        revision in 0..3_u32,
        info in vec(any::<u8>(), 0..300),
    ) {
        let extension = Extension { name: name.to_owned(), revision, info: info.clone() };
        let load = Expression::Payload { to: crate::nft::Register(0), base: 1, offset: 12, length: 4 };
        let compare = Expression::Cmp { from: crate::nft::Register(0), differs: false, value: info };
        for steps in [
            vec![Expression::Match(extension.clone())],
            vec![Expression::Target(extension)],
            vec![load, compare.clone()],
            vec![Expression::Meta { to: crate::nft::Register(0), key: 3 }, compare],
        ] {
            let _ = (steps::read(&steps, Family::Ipv4), steps::read(&steps, Family::Ipv6));
        }
    }
}

#[test]
fn a_port_of_a_protocol_that_is_not_known_here_is_left_to_the_program() {
    const DCCP: u8 = 33;
    assert_eq!(extension::of_port(DCCP, 80), None);
    for protocol in Protocol::ALL {
        let extension = extension::of_port(protocol.number(), 80).expect("it has a match");
        assert_eq!(extension.name, protocol.as_str());
    }
}

#[test]
fn the_name_of_an_interface_is_one_word_whatever_characters_it_has() {
    for name in ["a\"b", "a\\b", "a'b", "a\\\"b+", "-A", "a;b"] {
        let rule = Rule::new().iifname(name).oifname(name).accept();
        let words = words::split(&rule.to_string()).expect("its quotes are closed");
        assert_eq!(words, ["-i", name, "-o", name, "-j", "ACCEPT"]);
        assert_eq!(options::read_listed(&words), rule.spec);
    }
}

#[test]
fn accepted_conditions_are_formatted_in_full() {
    for (words, shown) in [
        ("-p tcp --syn", "-p tcp -m tcp --syn"),
        ("--source 10.0.0.0/255.0.0.0", "-s 10.0.0.0/8"),
        ("! -p icmp -f", "! -p icmp -f"),
        ("-m set --match-set blocked src -i eth0", "-i eth0 -m set --match-set blocked src"),
        ("-m comment --comment -i", "-m comment --comment -i"),
        ("-m mark --mark 5", "-m mark --mark 0x5"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        assert_eq!(Rule::new().conditions(&words).unwrap().to_string(), shown);
    }
}

/// A kernel that refuses all changes, and may have the extensions of iptables.
struct Lacking {
    refusal: i32,
    has_extensions: bool,
}

impl Transport for Lacking {
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>> {
        let answer = |request: &mut Request| {
            let refused = |code| {
                let refusal = Refusal::from(io::Error::from_raw_os_error(code));
                Answer { refusal: Some(refusal), ..Answer::default() }
            };
            if request.is_transaction() {
                return refused(self.refusal);
            }
            let kind = request.finish(1).map(|bytes| bytes[5]);
            match kind {
                // The extensions of iptables have a subsystem of their own.
                Ok(11) if self.has_extensions => Answer::default(),
                Ok(11) => refused(libc::EINVAL),
                _ => generation(),
            }
        };
        Ok(requests.iter_mut().map(answer).collect())
    }

    fn join(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn leave(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, _: Option<Instant>) -> io::Result<Event> {
        Ok(Event::TimedOut)
    }
}

/// The answer of the kernel to a request for the generation of the ruleset.
fn generation() -> Answer {
    let mut message = Request::part(0x0a0f, 0);
    message.fixed(&[0; 4]).bytes(1, &7_u32.to_be_bytes());
    Answer { bytes: message.finish(1).unwrap().to_vec(), refusal: None }
}

/// Sends a batch to such a kernel; gives what came of it, and what `iptables-restore` got.
fn sent(refusal: i32, has_extensions: bool, file: &str) -> (Result<()>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(file);
    fs::write(&program, "#!/bin/sh\n/bin/cat >\"${0%/*}/got\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["iptables", "iptables-save", "iptables-restore"] {
        symlink(&program, folder.path().join(name)).unwrap();
    }
    let config = PluginConfig::parse(br#"{"cniVersion": "1.1.0", "name": "n", "type": "t"}"#).unwrap();
    let env = Env::new().with("PATH", folder.path());
    let call = Call::new(env, config, SpecVersion::NEWEST, Arc::new(System::new()), Log::default());
    let nft = Nft::over(Lacking { refusal, has_extensions });
    let nat = Nat { call: Arc::new(call), family: Family::Ipv4, access: Access::Netlink(nft) };
    let outcome = nat.batch().create_chain("C").append_rule("C", &Rule::new().comment("c").accept()).send();
    (outcome, fs::read_to_string(folder.path().join("got")).ok())
}

#[test]
fn a_kernel_without_extensions_gets_it_from_the_program() {
    for refusal in [libc::ENOENT, libc::EOPNOTSUPP] {
        let (outcome, got) = sent(refusal, false, "xtables-nft-multi");
        outcome.unwrap();
        assert_eq!(got.as_deref(), Some("*nat\n-N C\n-A C -m comment --comment c -j ACCEPT\nCOMMIT\n"));
    }
}

#[test]
fn what_a_kernel_refuses_for_another_reason_is_not_the_programs() {
    for (refusal, has_extensions) in [(libc::ENOENT, true), (libc::EEXIST, false), (libc::EPERM, false)] {
        let (outcome, got) = sent(refusal, has_extensions, "xtables-nft-multi");
        assert_eq!((outcome.unwrap_err().code(), got), (cni_types::ErrorCode::INTERNAL, None), "{refusal}");
    }
}
