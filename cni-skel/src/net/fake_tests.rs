//! `Net` with scripted answers, for what a real kernel cannot be made to do.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Address, Bridge, BridgeVlan, LinkIndex, Net, Veth};
use crate::netlink::{Answer, Event, Messages, Refusal, Request, Transport};
use crate::netns::Netns;

/// Gives one scripted answer for each request, and records the requests.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<u16>>>,
    /// Whether a wait for notifications ends with lost ones. Otherwise it times out.
    loses: bool,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Answer>) -> (Self, Net) {
        Self::losing(false, answers)
    }

    fn losing(loses: bool, answers: impl IntoIterator<Item = Answer>) -> (Self, Net) {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let script = Self { answers, loses, ..Self::default() };
        let net = Net::over(script.clone());
        (script, net)
    }

    /// Returns the message types of the requests. Panics if an answer was not used.
    #[track_caller]
    fn asked(&self) -> Vec<u16> {
        assert!(self.answers.lock().expect("no panic").is_empty(), "an answer was not used");
        self.asked.lock().expect("no panic").clone()
    }
}

impl Transport for Script {
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>> {
        let mut given = Vec::new();
        for request in requests {
            let kind = Messages::new(request.finish(1)?).next().expect("one message").kind;
            self.asked.lock().expect("no panic").push(kind);
            let answer = self.answers.lock().expect("no panic").pop_front();
            given.push(answer.ok_or_else(|| io::Error::other("the script has no more answers"))?);
        }
        Ok(given)
    }

    fn join(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn leave(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, _: Option<Instant>) -> io::Result<Event> {
        Ok(if self.loses { Event::Lost } else { Event::TimedOut })
    }
}

fn yes() -> Answer {
    Answer::default()
}

fn no(errno: i32) -> Answer {
    Answer { refusal: Some(Refusal::from(io::Error::from_raw_os_error(errno))), ..Answer::default() }
}

/// A link with an index, a name and an operational state.
fn link(index: u32, name: &str, state: u8) -> Answer {
    let mut request = Request::change(16, 0);
    request.fixed(&super::link::header(0, LinkIndex::new(index), 0, 0)).text(3, name).u8(16, state);
    Answer { bytes: request.finish(1).expect("it can be encoded").to_vec(), refusal: None }
}

fn index(index: u32) -> LinkIndex {
    LinkIndex::new(index).expect("not 0")
}

/// A link of unknown state, with flags and a number of reports about its carrier.
fn unknown(flags: u32, carrier_changes: u32) -> Answer {
    let mut request = Request::change(16, 0);
    request.fixed(&super::link::header(0, LinkIndex::new(5), flags, 0)).text(3, "dummy0").u8(16, 0);
    request.u32(35, carrier_changes);
    Answer { bytes: request.finish(1).expect("it can be encoded").to_vec(), refusal: None }
}

#[test]
fn a_new_link_that_is_not_found_is_not_deleted_by_a_name_that_may_be_another_links() {
    let own = Netns::own().unwrap();
    // New link; find it: no such device.
    let (script, net) = Script::of([yes(), no(19)]);
    assert!(net.add_veth(&Veth::new("veth0", "eth0"), &own).unwrap_err().is_not_found());
    assert_eq!(script.asked(), [16, 18]);
}

#[test]
fn a_veth_that_was_not_created_is_neither_changed_nor_deleted() {
    let own = Netns::own().unwrap();
    // Another link has the name.
    let (script, net) = Script::of([no(17), link(5, "veth0", 6)]);
    assert!(net.add_veth(&Veth::new("veth0", "eth0").alias("x"), &own).unwrap_err().is_exists());
    assert_eq!(script.asked(), [16, 18]);
}

#[test]
fn a_veth_whose_alias_cannot_be_set_is_deleted() {
    let own = Netns::own().unwrap();
    // New link, find it, alias; the name for the message; delete.
    let (script, net) = Script::of([yes(), link(5, "veth0", 6), no(12), link(5, "veth0", 6), yes()]);
    let failed = net.add_veth(&Veth::new("veth0", "eth0").alias("x"), &own).unwrap_err();
    assert_eq!(failed.to_string(), "cannot set the alias of veth0");
    assert_eq!(script.asked(), [16, 18, 19, 18, 17]);
}

#[test]
fn a_bridge_that_cannot_be_read_is_deleted() {
    // New link; find it: no memory for the answer; delete it by name.
    let (script, net) = Script::of([yes(), no(105), yes()]);
    let failed = net.add_bridge(&Bridge::new("br0")).unwrap_err();
    assert_eq!(failed.io_error().raw_os_error(), Some(105));
    assert_eq!(script.asked(), [16, 18, 17]);
}

#[test]
fn a_bridge_that_should_filter_vlans_and_does_not_is_deleted() {
    // New link, find it; delete it. A kernel without VLAN filtering ignores the option.
    let (script, net) = Script::of([yes(), link(5, "br0", 6), yes()]);
    let failed = net.add_bridge(&Bridge::new("br0").vlan_filtering()).unwrap_err();
    assert!(failed.is_unsupported());
    assert_eq!(failed.to_string(), "cannot add bridge br0 with VLAN filtering");
    assert_eq!(script.asked(), [16, 18, 17]);
}

#[test]
fn invalid_vlans_are_refused_without_asking_the_kernel() {
    for vlan in [
        BridgeVlan::tagged(0),
        BridgeVlan::native(4095),
        BridgeVlan::tagged_range(7, 6),
        BridgeVlan::tagged_range(4000, 4095),
        BridgeVlan { last: 9, ..BridgeVlan::native(7) },
    ] {
        // Only the name for the message.
        let (script, net) = Script::of([link(5, "veth0", 6)]);
        let failed = net.add_bridge_vlans(index(5), &[vlan]).unwrap_err();
        assert_eq!(failed.io_error().kind(), io::ErrorKind::InvalidInput, "{vlan:?}");
        assert_eq!(script.asked(), [18]);
    }
}

#[test]
fn an_answer_without_a_link_is_an_error() {
    let (script, net) = Script::of([yes(), yes(), yes(), yes()]);
    let failed = net.add_bridge(&Bridge::new("br0")).unwrap_err();
    assert_eq!(failed.io_error().kind(), io::ErrorKind::InvalidData);
    assert!(net.link("br0").is_err());
    script.asked();
}

#[test]
fn a_link_whose_name_cannot_be_found_is_named_by_its_index() {
    let (script, net) = Script::of([no(1), no(19)]);
    let failed = net.add_address(&Address::new(index(7), "10.0.0.1/8".parse().unwrap())).unwrap_err();
    assert!(failed.is_denied());
    assert_eq!(failed.to_string(), "cannot add address 10.0.0.1/8 to link 7");
    script.asked();
}

#[test]
fn a_wait_asks_again_when_notifications_were_lost() {
    let answers = [link(5, "veth0", 2), link(5, "veth0", 2), link(5, "veth0", 6)];
    let (script, net) = Script::losing(true, answers);
    assert!(net.wait_until_up(index(5), Duration::from_secs(1)).is_ok());
    assert_eq!(script.asked(), [18, 18, 18]);
}

#[test]
fn a_link_whose_driver_reports_no_carrier_is_waited_for_until_it_is_set_up() {
    let (script, net) = Script::of([unknown(0, 0), unknown(0x1_0001, 0)]);
    assert!(net.wait_until_up(index(5), Duration::from_secs(1)).is_ok());
    assert_eq!(script.asked(), [18, 18]);
}

#[test]
fn a_link_whose_driver_has_lost_the_carrier_once_is_not_up_while_its_state_is_unknown() {
    let (script, net) = Script::of([unknown(0x1_0001, 1), unknown(0x1_0001, 1)]);
    assert!(net.wait_until_up(index(5), Duration::from_secs(1)).unwrap_err().is_timeout());
    script.asked();
}

#[test]
fn a_timeout_of_duration_max_does_not_panic() {
    let (_, net) = Script::of([link(5, "veth0", 6)]);
    assert!(net.wait_until_up(index(5), Duration::MAX).is_ok());
    let (_, net) = Script::of([yes()]);
    assert!(net.wait_for_addresses(index(5), Duration::MAX, |_| true).is_ok());
}

#[test]
fn a_change_before_notifications_are_received_is_not_missed() {
    let (script, net) = Script::of([link(5, "veth0", 2), link(5, "veth0", 6)]);
    assert!(net.wait_until_up(index(5), Duration::from_secs(1)).is_ok());
    assert_eq!(script.asked(), [18, 18]);
}

#[test]
fn a_batch_stops_after_the_part_that_failed() {
    let mut answers: Vec<_> = (0..64).map(|_| yes()).collect();
    answers[3] = no(19);
    answers[9] = no(1);
    answers.push(no(19));
    let (script, net) = Script::of(answers);
    let mut batch = net.batch();
    for n in 1..=100 {
        batch = batch.set_up(index(n));
    }
    let failed = batch.send().unwrap_err();
    assert_eq!(failed.to_string(), "cannot set up link 4");
    assert!(failed.is_not_found());
    assert_eq!(script.asked().len(), 65);
}
