//! A set of ranges: one address is handed out from each set.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::address::{Family, number};
use crate::exclude::Exclusion;
use crate::range::{Range, RangeError, RangeSpec};

/// Ranges of one address family that do not overlap; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<Range>,
    /// What is in the ranges and yet not handed out, gateways and exclusions: in order, and no two touch.
    blocked: Vec<(u128, u128)>,
}

impl RangeSet {
    pub(crate) fn new(specs: &[RangeSpec]) -> Result<Self, RangeError> {
        let ranges = specs.iter().map(Range::new).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = ranges.first() else { return Err(RangeError::Empty) };
        if let Some(other) = ranges.iter().find(|range| range.family() != first.family()) {
            return Err(RangeError::MixedFamilies(first.subnet(), other.subnet()));
        }
        for (index, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges[index + 1..].iter().find(|other| range.overlaps(other)) {
                return Err(RangeError::Overlap(Box::new(range.clone()), Box::new(other.clone())));
            }
        }
        let mut set = Self { ranges, blocked: Vec::new() };
        let gateways = set.ranges.iter().map(|range| number(range.gateway()));
        set.block(gateways.map(|gateway| (gateway, gateway)).collect());
        for (range, spec) in set.ranges.iter().zip(specs) {
            let (start, end) = range.numbers().into_inner();
            let is_outside = |exclusion: &&Exclusion| {
                let (first, last) = exclusion.numbers();
                exclusion.family() != range.family() || last < start || first > end
            };
            if let Some(outside) = spec.exclude.iter().find(is_outside) {
                return Err(RangeError::ExcludesNothing(*outside, Box::new(range.clone())));
            }
        }
        set.exclude(specs.iter().flat_map(|spec| &spec.exclude));
        Ok(set)
    }

    /// Hands none of these out; those of the other family and of other sets do not matter.
    pub(crate) fn exclude<'a>(&mut self, exclusions: impl IntoIterator<Item = &'a Exclusion>) {
        let family = self.family();
        let ours = exclusions.into_iter().filter(|exclusion| exclusion.family() == family);
        self.block(ours.map(Exclusion::numbers).collect());
    }

    fn block(&mut self, more: Vec<(u128, u128)>) {
        self.blocked.extend(more);
        self.blocked.sort_unstable();
        self.blocked.dedup_by(|(first, last), (_, before)| {
            let do_touch = first.checked_sub(1).is_none_or(|below| below <= *before);
            if do_touch {
                *before = (*before).max(*last);
            }
            do_touch
        });
    }

    pub(crate) fn family(&self) -> Family {
        self.ranges[0].family()
    }

    /// The range of the set that the address may be handed out from.
    pub(crate) fn range_for(&self, address: IpAddr) -> Option<&Range> {
        self.ranges.iter().find(|range| range.contains(address))
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.range_for(address).is_some()
    }

    pub(crate) fn is_gateway(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.gateway() == address)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.ranges.iter().any(|range| other.ranges.iter().any(|theirs| range.overlaps(theirs)))
    }

    pub(crate) fn is_excluded(&self, address: IpAddr) -> bool {
        let number = number(address);
        let at = self.blocked.partition_point(|(_, last)| *last < number);
        Family::of(address) == self.family()
            && self.blocked.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// Every address that may be handed out, once, by its number and in runs, in the order in which to try them: from
    /// the one after `last` around to `last` itself, or from the start when `last` is none of this set's. Gateways and
    /// what is excluded are left out.
    pub(crate) fn candidates(
        &self,
        last: Option<IpAddr>,
    ) -> impl Iterator<Item = (RangeInclusive<u128>, &Range)> {
        let start = last.and_then(|last| {
            let index = self.ranges.iter().position(|range| range.contains(last))?;
            Some((index, number(last)))
        });
        let (index, seen) = start.unwrap_or((0, 0));
        let (before, from) = self.ranges.split_at(index);
        // The range of `last` is in two pieces: what comes after it is tried first, what comes before it last.
        let (after_last, upto_last) = match start {
            None => (Some(from[0].numbers()), None),
            Some(_) => {
                let (first, end) = (*from[0].numbers().start(), *from[0].numbers().end());
                (seen.checked_add(1).map(|next| next..=end), Some(first..=seen))
            }
        };
        let whole = from[1..].iter().chain(before).map(|range| (range, range.numbers()));
        after_last
            .map(|numbers| (&from[0], numbers))
            .into_iter()
            .chain(whole)
            .chain(upto_last.map(|numbers| (&from[0], numbers)))
            .flat_map(|(range, numbers)| self.open_runs(numbers).map(move |run| (run, range)))
    }

    /// What is left of a run of numbers without what is blocked.
    fn open_runs(&self, numbers: RangeInclusive<u128>) -> impl Iterator<Item = RangeInclusive<u128>> {
        let (start, end) = numbers.into_inner();
        let at = self.blocked.partition_point(|(_, last)| *last < start);
        let mut blocked = self.blocked[at..].iter();
        let mut next = (start <= end).then_some(start);
        std::iter::from_fn(move || {
            loop {
                let from = next?;
                let Some((first, last)) = blocked.next().filter(|(first, _)| *first <= end) else {
                    next = None;
                    return Some(from..=end);
                };
                next = last.checked_add(1).filter(|after| *after <= end);
                if *first > from {
                    return Some(from..=*first - 1);
                }
            }
        })
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use proptest::prelude::{any, prop, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::StrDeserializer;

    use super::RangeSet;
    use crate::exclude::Exclusion;
    use crate::range::RangeSpec;
    use crate::range::tests::spec;

    fn candidates(set: &RangeSet, last: &str) -> Vec<String> {
        let last = (!last.is_empty()).then(|| last.parse().unwrap());
        addresses(set, last).take(100).map(|address| address.to_string()).collect()
    }

    fn addresses(set: &RangeSet, last: Option<IpAddr>) -> impl Iterator<Item = IpAddr> {
        set.candidates(last).flat_map(|(run, range)| run.map(|number| range.family().address(number)))
    }

    #[test]
    fn candidates_go_around_from_the_last_reserved_address() {
        let set = RangeSet::new(&[spec("10.1.2.0/29", "", "", "")]).unwrap();
        let around = ["10.1.2.5", "10.1.2.6", "10.1.2.2", "10.1.2.3", "10.1.2.4"];
        assert_eq!(candidates(&set, "10.1.2.4"), around);
        let from_the_start = ["10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.6"];
        for last in ["", "10.1.2.6", "10.1.2.1", "10.1.2.7", "10.9.9.9", "::1"] {
            assert_eq!(candidates(&set, last), from_the_start, "after {last:?}");
        }
    }

    #[test]
    fn candidates_cross_from_one_range_of_the_set_to_the_next() {
        let set = RangeSet::new(&[
            spec("10.1.0.0/30", "", "", ""),
            spec("10.2.0.0/29", "10.2.0.3", "10.2.0.4", "10.2.0.4"),
            spec("10.3.0.0/30", "", "", "10.3.0.3"),
        ])
        .unwrap();
        assert_eq!(candidates(&set, ""), ["10.1.0.2", "10.2.0.3", "10.3.0.1", "10.3.0.2"]);
        assert_eq!(candidates(&set, "10.2.0.3"), ["10.3.0.1", "10.3.0.2", "10.1.0.2", "10.2.0.3"]);
        assert_eq!(candidates(&set, "10.3.0.2"), ["10.1.0.2", "10.2.0.3", "10.3.0.1", "10.3.0.2"]);
    }

    #[test]
    fn candidates_stop_at_the_ends_of_the_address_space() {
        let set = RangeSet::new(&[spec("255.255.255.252/30", "", "255.255.255.255", "")]).unwrap();
        assert_eq!(candidates(&set, "255.255.255.255"), ["255.255.255.254", "255.255.255.255"]);
        let set = RangeSet::new(&[spec("0.0.0.0/30", "0.0.0.0", "", "")]).unwrap();
        assert_eq!(candidates(&set, "0.0.0.0"), ["0.0.0.2", "0.0.0.0"]);
        let (end, before) =
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
        let set = RangeSet::new(&[spec("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", "", "", "")]).unwrap();
        assert_eq!(candidates(&set, end), [before, end]);
        assert_eq!(candidates(&set, before), [end, before]);
        let set = RangeSet::new(&[spec("::/0", "::", end, "")]).unwrap();
        assert_eq!(candidates(&set, end)[..3], ["::", "::2", "::3"]);
    }

    #[test]
    fn a_gateway_of_any_range_of_the_set_is_not_handed_out() {
        let set = RangeSet::new(&[
            spec("10.1.0.0/24", "10.1.0.2", "10.1.0.4", "10.1.0.9"),
            spec("10.1.0.0/24", "10.1.0.8", "10.1.0.10", "10.1.0.3"),
        ])
        .unwrap();
        assert_eq!(candidates(&set, ""), ["10.1.0.2", "10.1.0.4", "10.1.0.8", "10.1.0.10"]);
    }

    #[test]
    fn what_is_excluded_is_not_handed_out() {
        let mut set = RangeSet::new(&[
            excluding(
                spec("10.1.2.0/28", "", "", ""),
                &["10.1.2.2", "10.1.2.4-10.1.2.6", "10.1.2.6-10.1.2.8"],
            ),
            excluding(spec("10.1.3.0/29", "10.1.3.0", "10.1.3.7", ""), &["10.1.3.4/30"]),
        ])
        .unwrap();
        let left = ["10.1.2.3", "10.1.2.9", "10.1.2.10", "10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14"];
        let more = ["10.1.3.0", "10.1.3.2", "10.1.3.3"];
        assert_eq!(candidates(&set, ""), [&left[..], &more].concat());
        assert_eq!(candidates(&set, "10.1.2.5"), [&left[1..], &more, &left[..1]].concat());
        set.exclude(&["10.1.2.10/31", "::/0", "10.9.0.0/16", "10.1.3.0/24"].map(exclusion));
        assert_eq!(candidates(&set, ""), ["10.1.2.3", "10.1.2.9", "10.1.2.12", "10.1.2.13", "10.1.2.14"]);
        for (address, is_excluded) in [("10.1.2.8", true), ("10.1.2.9", false), ("::a01:208", false)] {
            assert_eq!(set.is_excluded(address.parse().unwrap()), is_excluded, "{address}");
        }
        set.exclude(&[exclusion("0.0.0.0/0")]);
        assert!(candidates(&set, "").is_empty() && candidates(&set, "10.1.2.9").is_empty());
    }

    #[test]
    fn a_vast_exclusion_is_stepped_over() {
        let vast = ["2001:db8::-2001:db8::ffff:ffff:ffff:0", "2001:db8::ffff:ffff:ffff:2/127"];
        let set = RangeSet::new(&[excluding(spec("2001:db8::/64", "", "", ""), &vast)]).unwrap();
        let left = candidates(&set, "");
        assert_eq!(left[..2], ["2001:db8::ffff:ffff:ffff:1", "2001:db8::ffff:ffff:ffff:4"]);
        let end = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126";
        let set = RangeSet::new(&[excluding(spec(end, "", "", ""), &["ffff::/16"])]).unwrap();
        assert!(candidates(&set, "").is_empty());
    }

    #[test]
    fn an_exclusion_that_excludes_nothing_is_refused() {
        for outside in ["10.1.2.15", "10.1.3.0/24", "10.1.2.0", "::/0"] {
            let specs = [excluding(spec("10.1.2.0/28", "", "", ""), &[outside])];
            let error = RangeSet::new(&specs).unwrap_err().to_string();
            assert!(error.starts_with("exclude ") && error.ends_with("range 10.1.2.1-10.1.2.14"), "{error}");
        }
    }

    fn excluding(mut spec: RangeSpec, texts: &[&str]) -> RangeSpec {
        spec.exclude = texts.iter().copied().map(exclusion).collect();
        spec
    }

    fn exclusion(text: &str) -> Exclusion {
        let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Exclusion::deserialize(deserializer).unwrap()
    }

    #[test]
    fn a_set_of_one_gateway_has_no_candidates() {
        let set = RangeSet::new(&[spec("10.1.0.0/24", "10.1.0.1", "10.1.0.1", "")]).unwrap();
        assert!(candidates(&set, "").is_empty());
        assert!(candidates(&set, "10.1.0.1").is_empty());
    }

    #[test]
    fn an_inconsistent_set_is_refused() {
        let message = |specs: &[_]| RangeSet::new(specs).unwrap_err().to_string();
        assert_eq!(message(&[]), "empty range set");
        assert_eq!(
            message(&[spec("10.1.0.0/24", "", "", ""), spec("2001:db8::/64", "", "", "")]),
            "subnet 10.1.0.0/24 and subnet 2001:db8::/64 are of different address families"
        );
        assert_eq!(
            message(&[spec("10.1.0.0/24", "", "", ""), spec("10.1.0.0/16", "10.1.0.254", "10.1.1.7", "")]),
            "ranges 10.1.0.1-10.1.0.254 and 10.1.0.254-10.1.1.7 overlap"
        );
    }

    #[test]
    fn a_set_reads_as_its_ranges() {
        let set = RangeSet::new(&[spec("10.1.0.0/30", "", "", ""), spec("10.2.0.0/30", "", "", "")]).unwrap();
        assert_eq!(set.to_string(), "10.1.0.1-10.1.0.2,10.2.0.1-10.2.0.2");
    }

    proptest! {
        #[test]
        fn every_address_but_the_gateways_comes_exactly_once(
            third in any::<u8>(),
            prefix in 24u8..=30,
            more in prop::option::of(24u8..=30),
            last in any::<u8>(),
        ) {
            let mut specs = vec![spec(&format!("10.0.{third}.0/{prefix}"), "", "", "")];
            if let Some(more) = more {
                specs.push(spec(&format!("10.1.{third}.0/{more}"), "", "", ""));
            }
            let set = RangeSet::new(&specs).unwrap();
            let last: IpAddr = format!("10.0.{third}.{last}").parse().unwrap();
            let seen: Vec<IpAddr> = addresses(&set, Some(last)).collect();
            let distinct: BTreeSet<_> = seen.iter().copied().collect();
            prop_assert_eq!(distinct.len(), seen.len());
            // A subnet's own address, its broadcast address and its gateway are not handed out.
            let expected: usize = std::iter::once(prefix).chain(more).map(|p| (1 << (32 - p)) - 3).sum();
            prop_assert_eq!(seen.len(), expected);
            prop_assert!(seen.iter().all(|address| set.contains(*address) && !set.is_gateway(*address)));
            if set.contains(last) && !set.is_gateway(last) {
                prop_assert_eq!(seen.last(), Some(&last));
            }
        }
    }
}
