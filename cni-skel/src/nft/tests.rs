//! What is encoded is decoded unchanged; hostile replies.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use cni_types::Protocol;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use super::constants::{CT_NEW, NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, NEWTABLE};
use super::value::DataType;
use super::{
    Base, Chain, ChainType, CtState, Element, Family, Field, FlowFilter, Hook, Nft, Rule, Set, Table, Value,
};
use super::{chain, flow, rule_message, set, table};
use crate::netlink::{Answer, Event, Message, Messages, Request, Transport};

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_./-]{0,40}"
}

fn comment() -> impl Strategy<Value = Option<String>> {
    option::of("[^\"\\pC]{0,32}")
}

fn any_table() -> impl Strategy<Value = Table> {
    (select(Family::ALL), name(), comment())
        .prop_map(|(family, name, comment)| Table { comment, ..Table::new(family, name) })
}

fn any_base() -> impl Strategy<Value = Base> {
    let kinds = vec![ChainType::Filter, ChainType::Nat, ChainType::Route];
    let hooks = vec![Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
    (select(kinds), select(hooks), any::<i32>(), any::<bool>())
        .prop_map(|(kind, hook, priority, drops)| Base { drops, ..Base::new(kind, hook, priority) })
}

fn any_chain() -> impl Strategy<Value = Chain> {
    (any_table(), name(), option::of(any_base()), comment()).prop_map(|(table, name, base, comment)| Chain {
        base,
        comment,
        ..Chain::new(&table, name)
    })
}

fn value(kind: DataType) -> impl Strategy<Value = Value> {
    vec(any::<u8>(), kind.length()).prop_map(move |bytes| Value::read(kind, &bytes).expect("long enough"))
}

fn types(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<DataType>> {
    // Two types of 16 bytes and three shorter ones still fit.
    let short: Vec<_> = DataType::ALL.iter().copied().filter(|kind| kind.length() < 16).collect();
    vec(select(short), range)
}

fn set_and_element() -> impl Strategy<Value = (Set, Element)> {
    let parts = (any_table(), name(), types(1..5), types(0..3), comment(), comment());
    parts.prop_flat_map(|(table, name, key, data, set_comment, element_comment)| {
        let set = Set { comment: set_comment, ..Set::map(&table, name, &key, &data) };
        let values = |types: &[DataType]| types.iter().map(|kind| value(*kind)).collect::<Vec<_>>();
        (Just(set), values(&key), values(&data)).prop_map(move |(set, key, data)| {
            (set, Element { comment: element_comment.clone(), ..Element::new(key).data(data) })
        })
    })
}

fn subnet() -> impl Strategy<Value = IpNet> {
    let prefix = |ip: IpAddr, prefix: u8| IpNet::new(ip, prefix % (if ip.is_ipv4() { 33 } else { 129 }));
    (any::<IpAddr>(), any::<u8>()).prop_map(move |(ip, n)| prefix(ip, n).expect("in range"))
}

/// A condition or statement of a rule in a chain of family `inet`.
#[derive(Debug, Clone)]
enum Step {
    Saddr(IpNet),
    NotDaddr(IpNet),
    Dport(Protocol, u16),
    IsNot(Field, Value),
    Marks(u32),
    Others,
    Snat(IpAddr),
    Dnat(SocketAddr),
    Masquerade,
}

impl Step {
    fn append(&self, rule: Rule) -> Rule {
        match self.clone() {
            Self::Saddr(net) => rule.saddr(net),
            Self::NotDaddr(net) => rule.not_daddr(net),
            Self::Dport(protocol, port) => rule.dport(protocol, port),
            Self::IsNot(field, value) => rule.is_not(field, value),
            Self::Marks(mark) => rule.mark(mark, u32::MAX).set_mark(mark, 0xff00),
            Self::Others => rule.ct_state(&[CtState::New]).counter().to_this_machine(),
            Self::Snat(address) => rule.snat_to(address),
            Self::Dnat(to) => rule.protocol(Protocol::Tcp).dnat_to_port(to),
            Self::Masquerade => rule.masquerade(),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let field = select(Field::ALL).prop_filter("inet", |f| *f != Field::EtherSaddr);
    let is = field.prop_flat_map(|field| value(field.data_type()).prop_map(move |value| (field, value)));
    prop_oneof![
        subnet().prop_map(Step::Saddr),
        subnet().prop_map(Step::NotDaddr),
        (select(Protocol::ALL), any::<u16>()).prop_map(|(p, n)| Step::Dport(p, n)),
        is.prop_map(|(field, value)| Step::IsNot(field, value)),
        any::<u32>().prop_map(Step::Marks),
        Just(Step::Others),
        any::<IpAddr>().prop_map(Step::Snat),
        any::<SocketAddr>().prop_map(Step::Dnat),
        Just(Step::Masquerade),
    ]
}

/// Encodes a request, and decodes it with `decode`.
#[track_caller]
fn decoded<T>(mut request: Request, decode: impl FnOnce(Message<'_>) -> T) -> T {
    let bytes = request.finish(1).expect("it can be said");
    let mut messages = Messages::new(bytes);
    let read = decode(messages.next().expect("one message"));
    assert!(messages.next().is_none());
    read
}

proptest! {
    #[test]
    fn tables_and_chains_are_read_as_they_were_written(table in any_table(), chain in any_chain()) {
        prop_assert_eq!(decoded(table::add(&table).1, table::decode), Some(table));
        prop_assert_eq!(decoded(chain::add(&chain).1, chain::decode), Some(chain));
    }

    #[test]
    fn sets_and_elements_are_read_as_they_were_written((set, element) in set_and_element()) {
        prop_assert_eq!(decoded(set::add(&set, 1).1, set::decode), Some(set.clone()));
        let (_, request) = set::add_elements(&set, std::slice::from_ref(&element)).remove(0);
        prop_assert_eq!(decoded(request, |message| set::decode_elements(&set, message)), [element]);
    }

    #[test]
    fn rules_are_read_as_they_were_written(
        table in name(), chain in name(), steps in vec(step(), 0..6), comment in comment()
    ) {
        let chain = Chain::new(&Table::new(Family::Inet, table), chain);
        let rule = steps.iter().fold(Rule::new(&chain), |rule, step| {
            // A step that contradicts the rule is left out.
            let more = step.append(rule.clone());
            if rule_message::add(&more).1.finish(1).is_ok() { more } else { rule }
        });
        let rule = comment.iter().fold(rule, |rule, comment| rule.comment(comment.clone()));
        let read = decoded(rule_message::add(&rule).1, rule_message::decode).expect("it is a rule");
        prop_assert!(read.does_the_same(&rule), "{:?} is not {:?}", read, rule);
        prop_assert_eq!(read.as_comment(), comment.as_deref());
        prop_assert!(!read.does_the_same(&rule.counter()));
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in vec(any::<u8>(), 0..300), cut in 0..200_usize) {
        let (nft, set) = hostile(bytes.clone());
        let table = Table::new(Family::Inet, "t");
        let chain = Chain::new(&table, "c");
        let _ = (nft.tables(Family::Inet), nft.chains(&table), nft.rules(&chain), nft.sets(&table));
        let _ = (nft.elements(&set), nft.generation(), nft.flows(&FlowFilter::ipv4(Protocol::Udp)));
        // The same bytes in well-formed messages, and real messages with some bytes changed.
        for kind in [NEWTABLE, NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, CT_NEW] {
            let mut request = Request::part(kind, 0);
            request.fixed(&[1, 0, 0, 0]).fixed(&bytes);
            decoded(request, |message| read_all(message, &set));
        }
        let rule = Rule::new(&chain).dport(Protocol::Tcp, 80).dnat_to([10, 0, 0, 1].into()).comment("x");
        let mut spoilt = rule_message::add(&rule).1.finish(1).expect("it can be said").to_vec();
        let at = 20 + cut % (spoilt.len() - 20);
        for (place, byte) in spoilt[at..].iter_mut().zip(&bytes) {
            *place ^= byte;
        }
        Messages::new(&spoilt).for_each(|message| read_all(message, &set));
    }
}

fn read_all(message: Message<'_>, set: &Set) {
    let _ =
        (table::decode(message), chain::decode(message), rule_message::decode(message), set::decode(message));
    let _ = (set::decode_elements(set, message), flow::decode(message), rule_message::comment_of(message));
}

/// A kernel that answers with arbitrary bytes.
struct Hostile(Vec<u8>);

impl Transport for Hostile {
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>> {
        Ok(requests.iter().map(|_| Answer { bytes: self.0.clone(), refusal: None }).collect())
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

fn hostile(bytes: Vec<u8>) -> (Nft, Set) {
    let types = [DataType::Ipv4Addr, DataType::InetService];
    (Nft::over(Hostile(bytes)), Set::map(&Table::new(Family::Inet, "t"), "s", &types, &types))
}

#[test]
fn a_rule_that_was_listed_cannot_be_added_again() {
    let chain = Chain::new(&Table::new(Family::Inet, "t"), "c");
    let read = decoded(rule_message::add(&Rule::new(&chain).accept()).1, rule_message::decode)
        .expect("it is a rule");
    let refused = rule_message::add(&read).1.finish(1).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "a rule to add comes from a list");
}

#[test]
fn objects_that_were_not_requested_are_ignored() {
    let other = Table::new(Family::Inet, "other");
    let mut bytes = Vec::new();
    for (_, mut request) in [
        table::add(&other),
        chain::add(&Chain::new(&other, "c")),
        rule_message::add(&Rule::new(&Chain::new(&other, "c")).accept().comment("another")),
        set::add(&Set::new(&other, "s", &[DataType::Mark]), 1),
    ] {
        bytes.extend_from_slice(request.finish(1).expect("it can be said"));
    }
    let (nft, _) = hostile(bytes);
    let table = Table::new(Family::Inet, "t");
    assert_eq!(nft.tables(Family::Inet).unwrap(), std::slice::from_ref(&other));
    assert_eq!(nft.tables(Family::Ip).unwrap(), []);
    assert_eq!(nft.chains(&table).unwrap(), []);
    assert_eq!(nft.chains(&other).unwrap().len(), 1);
    let chain = Chain::new(&table, "c");
    assert!(nft.rules(&chain).unwrap().is_empty());
    assert!(nft.find_rules(&chain, |_| true).unwrap().is_empty());
    assert!(nft.rules_with_comment(&chain, |_| true).unwrap().is_empty());
    assert_eq!(nft.sets(&table).unwrap(), []);
    assert_eq!(nft.sets(&other).unwrap().len(), 1);
}
