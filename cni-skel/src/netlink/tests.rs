//! Message headers: hostile bytes, answers to other requests, the kernel's explanations.

use std::error::Error;

use netlink_packet_core::NlasIterator;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::answer::{Message, Messages, Refusal};
use super::attributes::Attributes;
use super::exchange::Exchange;
use super::request::Request;

const PORT: u32 = 77;

/// A message as the kernel would send it.
fn message(kind: u16, flags: u16, sequence: u32, port: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len()).expect("a short one").to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&port.to_ne_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + payload.len()).expect("a short one").to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn yes(sequence: u32) -> Vec<u8> {
    message(2, 0x100, sequence, PORT, &[0; 20])
}

/// A refusal with errno, the request's header, and an explanation.
fn no(sequence: u32, errno: i32, words: &str, offset: u32) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend_from_slice(&[0; 16]);
    payload.extend_from_slice(&attribute(1, format!("{words}\0").as_bytes()));
    payload.extend_from_slice(&attribute(2, &offset.to_ne_bytes()));
    message(2, 0x300, sequence, PORT, &payload)
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoders_panic_or_loop_for_ever(bytes in vec(any::<u8>(), 0..300), header in 0..40_usize) {
        prop_assert!(Messages::new(&bytes).count() <= bytes.len() / 16 + 1);
        let attributes = Attributes::after(header, &bytes);
        prop_assert!(attributes.count() <= bytes.len() / 4 + 1);
        for attribute in attributes {
            let _ = (attribute.u8(), attribute.u32(), attribute.i32(), attribute.text(), attribute.nested().count());
        }
        let requests = [Request::read(18), Request::dump(18)];
        let mut exchange = Exchange::new(&requests, 0, 0);
        exchange.feed(&bytes);
        let _ = exchange.finish();
        // The same bytes as an answer to a request.
        for kind in [2, 3, 16] {
            for flags in [0, 0x100, 0x200, 0x300] {
                let datagram = message(kind, flags, 1, PORT, &bytes);
                let mut exchange = Exchange::new(&requests, 1, PORT);
                exchange.feed(&datagram);
                prop_assert!(exchange.is_open());
                let _ = exchange.finish();
            }
        }
    }

    #[test]
    fn attributes_are_read_as_they_were_written(wanted in vec((1..0x3fff_u16, vec(any::<u8>(), 0..50)), 0..8)) {
        let mut request = Request::change(1, 0);
        request.fixed(&[1, 2, 3, 4, 5]).nest(9, |nest| {
            for (kind, payload) in &wanted {
                nest.bytes(*kind, payload);
            }
        }).u32(10, 11);
        let bytes = request.finish(1).unwrap();
        let message = Messages::new(bytes).next().unwrap();
        prop_assert_eq!(message.whole.len(), bytes.len());
        let outer: Vec<_> = Attributes::after(5, message.payload).collect();
        prop_assert_eq!(outer.len(), 2);
        prop_assert_eq!((outer[0].kind, outer[1].kind, outer[1].u32()), (9, 10, Some(11)));
        let read: Vec<_> = outer[0].nested().map(|a| (a.kind, a.payload.to_vec())).collect();
        prop_assert_eq!(&read, &wanted);

        let oracle: Vec<_> = NlasIterator::new(outer[0].payload)
            .map(|nla| nla.expect("well formed"))
            .map(|nla| (nla.kind(), nla.value().to_vec()))
            .collect();
        prop_assert_eq!(oracle, wanted);
    }
}

#[test]
fn answers_are_sorted_by_their_sequence_number() {
    let requests = [Request::read(18), Request::change(19, 0), Request::read(18)];
    let mut exchange = Exchange::new(&requests, u32::MAX, PORT);
    exchange.feed(&[message(16, 0, 1, PORT, b"third"), yes(1), yes(0)].concat());
    assert!(exchange.is_open());
    exchange.feed(&[message(16, 0, u32::MAX, PORT, b"first"), yes(u32::MAX)].concat());
    assert!(!exchange.is_open());
    assert!(!exchange.has_unrelated());
    let answers = exchange.finish().unwrap();
    let payloads: Vec<_> =
        answers.iter().flat_map(|a| a.messages().map(|m: Message<'_>| m.payload)).collect();
    assert_eq!(payloads, [b"first", b"third"]);
}

#[test]
fn answers_to_other_requests_are_ignored() {
    let requests = [Request::read(18)];
    let mut exchange = Exchange::new(&requests, 5, PORT);
    // To another port; a notification; a late answer; an answer to no request.
    for stranger in [message(2, 0, 5, PORT + 1, &[0; 20]), message(16, 0, 0, 0, b"news"), yes(4), yes(6)] {
        exchange.feed(&stranger);
        assert!(exchange.is_open());
        assert!(exchange.has_unrelated());
    }
    exchange.feed(&yes(5));
    assert!(!exchange.is_open());
    assert_eq!(exchange.finish().unwrap()[0].messages().count(), 0);
}

#[test]
fn what_comes_after_the_end_of_an_answer_is_not_part_of_it() {
    let requests = [Request::read(18), Request::read(18)];
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed(&[yes(1), message(16, 0, 1, PORT, b"late"), no(1, 19, "late", 0), yes(2)].concat());
    let answers = exchange.finish().unwrap();
    assert!(answers[0].refusal.is_none());
    assert_eq!(answers[0].messages().count(), 0);
}

#[test]
fn messages_that_are_not_wanted_are_dropped_and_still_show_an_interruption() {
    let requests = [Request::dump(18)];
    let mut wanted = |message: Message<'_>| message.payload.starts_with(b"keep");
    let mut exchange = Exchange::new(&requests, 1, PORT);
    for text in [b"keep one", b"drop one", b"keep two"] {
        exchange.feed_wanted(&message(16, 0x2, 1, PORT, text), &mut wanted);
    }
    exchange.feed_wanted(&message(3, 0x2, 1, PORT, &[0; 4]), &mut wanted);
    assert!(!exchange.is_open());
    let answers = exchange.finish().unwrap();
    let kept: Vec<_> = answers[0].messages().map(|message| message.payload).collect();
    assert_eq!(kept, [b"keep one", b"keep two"]);

    // Any of its messages may show that the dump was interrupted.
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed_wanted(&message(16, 0x12, 1, PORT, b"drop"), &mut wanted);
    exchange.feed_wanted(&message(3, 0x2, 1, PORT, &[0; 4]), &mut wanted);
    assert!(exchange.finish().is_err());
}

#[test]
fn an_interrupted_dump_is_not_reliable() {
    let requests = [Request::dump(18)];
    for at in 0..2 {
        let mut exchange = Exchange::new(&requests, 1, PORT);
        let flags = |n: u16| if n == at { 0x12 } else { 0x2 };
        exchange.feed(&message(16, flags(0), 1, PORT, b"link"));
        exchange.feed(&message(3, flags(1), 1, PORT, &[0; 4]));
        assert!(!exchange.is_open());
        assert!(exchange.finish().is_err());
    }
}

#[test]
fn a_dump_that_ends_in_an_error_is_refused() {
    let requests = [Request::dump(18)];
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed(&message(3, 2, 1, PORT, &(-19_i32).to_ne_bytes()));
    let answers = exchange.finish().unwrap();
    let refusal = answers[0].refusal.as_ref().expect("it is refused");
    assert_eq!(refusal.error.raw_os_error(), Some(19));
}

#[test]
fn answers_with_an_overrun_are_not_reliable() {
    let requests = [Request::read(18)];
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed(&[message(4, 0, 1, PORT, &[]), yes(1)].concat());
    assert!(exchange.finish().is_err());
}

#[test]
fn a_refusal_has_the_kernels_explanation_and_the_attribute_that_it_names() {
    let mut request = Request::change(24, 0);
    request.fixed(&[0; 12]).u32(5, 1).u32(6, 2);
    let requests = [request];
    for (offset, wanted) in [(28 + 8, "bad thing (attribute 6)"), (0, "bad thing"), (u32::MAX, "bad thing")] {
        let mut exchange = Exchange::new(&requests, 1, PORT);
        exchange.feed(&no(1, 22, "bad thing", offset));
        let answers = exchange.finish().unwrap();
        let refusal: &Refusal = answers[0].refusal.as_ref().expect("it is refused");
        assert_eq!(refusal.to_string(), "Invalid argument (os error 22)");
        assert_eq!(refusal.source().expect("it has words").to_string(), wanted);
    }
}

#[test]
fn a_refusal_is_read_after_the_request_that_it_repeats() {
    let mut payload = (-22_i32).to_ne_bytes().to_vec();
    payload.extend_from_slice(&message(24, 0, 1, 0, &[9; 12]));
    payload.extend_from_slice(&attribute(1, b"words\0"));
    let requests = [Request::change(24, 0)];
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed(&message(2, 0x200, 1, PORT, &payload));
    let answers = exchange.finish().unwrap();
    assert_eq!(
        answers[0].refusal.as_ref().and_then(|r| r.text.as_ref()).map(|t| t.0.as_str()),
        Some("words")
    );
}

#[test]
fn a_request_that_cannot_be_encoded_is_refused_before_it_is_sent() {
    let said = |request: &mut Request| request.finish(1).map(|_| ()).map_err(|e| e.to_string());
    let new = || Request::change(16, 0);
    assert_eq!(said(new().text(3, "eth0")), Ok(()));
    assert_eq!(said(new().text(3, "eth\0")), Err("a name contains a NUL byte".to_owned()));
    let long = vec![0; 65_532];
    let wanted = Err("an attribute is longer than 64 KiB".to_owned());
    assert_eq!(said(new().bytes(3, &long)), wanted);
    let fill = |nest: &mut Request| {
        nest.bytes(1, &long[..40_000]).bytes(2, &long[..40_000]);
    };
    assert_eq!(said(new().nest(3, fill)), wanted);
}

/// Three messages, of which the kernel refuses one.
#[cfg(feature = "nft")]
fn transaction() -> Request {
    let part = |attribute: u16| {
        let mut part = Request::part(24, 0);
        part.fixed(&[0; 4]).u32(attribute, 1);
        part
    };
    let envelope = || {
        let mut envelope = Request::part(16, 0);
        envelope.fixed(&[0; 4]);
        envelope
    };
    Request::transaction(envelope(), vec![part(5), part(6), part(7)], envelope())
}

#[cfg(feature = "nft")]
#[test]
fn a_transaction_is_several_messages_with_one_number_of_which_the_last_is_acknowledged() {
    let mut request = transaction();
    let bytes = request.finish(9).unwrap();
    let messages: Vec<_> = Messages::new(bytes).collect();
    let numbers: Vec<_> = messages.iter().map(|m| (m.sequence, m.port, m.flags)).collect();
    assert_eq!(numbers, [(9, 0, 1), (9, 1, 1), (9, 2, 1), (9, 3, 5), (9, 4, 1)]);
    assert_eq!(messages.iter().map(|m| m.whole.len()).sum::<usize>(), bytes.len());
    assert!(!request.is_read());
}

#[cfg(feature = "nft")]
#[test]
fn the_first_refusal_of_a_transaction_is_its_answer_and_names_the_message() {
    let requests = [transaction()];
    let refused = |errno: i32, part: u32, offset: u32| {
        let mut bytes = no(1, errno, "words", offset);
        // The port in the header that the answer repeats.
        bytes[32..36].copy_from_slice(&part.to_ne_bytes());
        bytes
    };
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed(&refused(2, 2, 20));
    assert!(!exchange.is_open());
    exchange.feed(&[refused(22, 3, 20), yes(1)].concat());
    let answers = exchange.finish().unwrap();
    let refusal: &Refusal = answers[0].refusal.as_ref().expect("it is refused");
    assert_eq!((refusal.error.raw_os_error(), refusal.part), (Some(2), 2));
    assert_eq!(refusal.source().expect("it has words").to_string(), "words (attribute 6)");

    // The index of a message that was not sent is ignored.
    let mut exchange = Exchange::new(&requests, 1, PORT);
    exchange.feed(&refused(2, 77, 20));
    let answers = exchange.finish().unwrap();
    assert_eq!(
        answers[0].refusal.as_ref().expect("it is refused").to_string(),
        "No such file or directory (os error 2)"
    );
}
