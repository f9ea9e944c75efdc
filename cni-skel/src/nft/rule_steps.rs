//! Turns the conditions and statements of a rule into expressions.

use std::net::IpAddr;

use ipnet::IpNet;

use super::constants::{NFPROTO_IPV4, NFPROTO_IPV6};
use super::expression::{Expression, Nat, Register};
use super::rule::Rule;
use super::set::Set;
use super::table::Family;
use super::value::{Field, Value};

impl Rule {
    pub(super) fn address(self, [v4, v6]: [Field; 2], net: IpNet, differs: bool) -> Self {
        let (field, octets, mask) = match net {
            IpNet::V4(net) => (v4, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
            IpNet::V6(net) => (v6, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        };
        let prefix = usize::from(net.prefix_len());
        // As `nft` does: for a prefix of whole bytes only these are loaded; any other prefix is masked.
        if prefix > 0 && prefix.is_multiple_of(8) {
            let mut rule = self.load(field, Register(0), prefix / 8);
            rule.steps.push(Expression::compare(differs, octets[..prefix / 8].to_vec()));
            return rule;
        }
        let mut rule = self.load(field, Register(0), octets.len());
        rule.steps.push(Expression::bitwise(&mask, &vec![0; mask.len()]));
        rule.steps.push(Expression::compare(differs, octets));
        rule
    }

    pub(super) fn named(self, field: Field, name: &str) -> Self {
        match Value::ifname(name) {
            Some(value) => self.is(field, value),
            None => self.refuse("a rule has an invalid interface name"),
        }
    }

    pub(super) fn masked(self, field: Field, mark: u32, mask: u32, differs: bool) -> Self {
        if mark & !mask != 0 {
            return self.refuse("a mark has bits outside of its mask");
        }
        let mut rule = self.load(field, Register(0), 4);
        if mask != u32::MAX {
            rule.steps.push(Expression::bitwise(&mask.to_ne_bytes(), &[0; 4]));
        }
        rule.steps.push(Expression::compare(differs, mark.to_ne_bytes().to_vec()));
        rule
    }

    pub(super) fn compared(self, field: Field, value: &Value, differs: bool) -> Self {
        if value.data_type() != field.data_type() {
            return self.refuse("a field is compared with a value of another type");
        }
        let mut rule = self;
        if field == Field::NfProto && !differs {
            match value.bytes() {
                [NFPROTO_IPV4] => return rule.for_network(NFPROTO_IPV4),
                [NFPROTO_IPV6] => return rule.for_network(NFPROTO_IPV6),
                _ => {}
            }
        }
        rule = rule.load(field, Register(0), value.bytes().len());
        rule.steps.push(Expression::compare(differs, value.bytes().to_vec()));
        rule.has_transport |= field == Field::L4Proto && !differs;
        rule
    }

    pub(super) fn looked_up(self, fields: &[Field], set: &Set, to: Option<Register>, inverted: bool) -> Self {
        if !fields.iter().map(|field| field.data_type()).eq(set.key.iter().copied()) {
            return self.refuse("fields are looked up in a set of other types");
        }
        let mut rule = self.in_table(set.family, &set.table);
        rule.has_transport |= !inverted && fields.contains(&Field::L4Proto);
        for field in fields {
            rule = rule.depends(*field);
        }
        let mut place = 0;
        for field in fields {
            let length = field.data_type().length();
            rule.steps.push(field.load(Register(place), length));
            place += u32::try_from(length.div_ceil(4)).unwrap_or(u32::MAX);
        }
        if fields.is_empty() || place > 16 {
            return rule.refuse("a lookup does not have at least one field and at most 64 bytes");
        }
        rule.then(Expression::Lookup { set: set.name.clone(), from: Register(0), to, inverted })
    }

    pub(super) fn nat(self, nat: Nat, address: IpAddr, port: Option<u16>) -> Self {
        let network = if address.is_ipv4() { NFPROTO_IPV4 } else { NFPROTO_IPV6 };
        let mut rule = self.for_network(network);
        if port.is_some() && !rule.has_transport {
            rule = rule.refuse("a rule with a port has no protocol");
        }
        rule.steps
            .push(Expression::Immediate { to: Register(0), value: Value::from(address).bytes().to_vec() });
        let port_register = port.map(|port| {
            rule.steps.push(Expression::Immediate { to: Register(4), value: port.to_be_bytes().to_vec() });
            Register(4)
        });
        rule.then(Expression::Nat {
            nat,
            family: network.into(),
            address: Some(Register(0)),
            port: port_register,
        })
    }

    /// Adds the conditions that a field depends on.
    pub(super) fn depends(self, field: Field) -> Self {
        match field {
            Field::IpSaddr | Field::IpDaddr => self.for_network(NFPROTO_IPV4),
            Field::Ip6Saddr | Field::Ip6Daddr => self.for_network(NFPROTO_IPV6),
            Field::Sport | Field::Dport if !self.has_transport => {
                self.refuse("a rule with a port has no protocol")
            }
            Field::EtherSaddr if self.family != Family::Bridge => {
                self.refuse("a hardware address is in a table of another family than bridge")
            }
            _ => self,
        }
    }

    pub(super) fn for_network(mut self, network: u8) -> Self {
        match self.network {
            Some(known) if known == network => self,
            Some(_) => self.refuse("a rule has conditions for both IPv4 and IPv6"),
            None if self.family == Family::Bridge => {
                self.refuse("an IP address is in a table of family bridge")
            }
            None => {
                self.network = Some(network);
                self.steps.push(Field::NfProto.load(Register(0), 1));
                self.steps.push(Expression::compare(false, Value::nfproto(network).bytes().to_vec()));
                self
            }
        }
    }

    pub(super) fn load(self, field: Field, to: Register, length: usize) -> Self {
        self.depends(field).then(field.load(to, length))
    }

    pub(super) fn then(mut self, step: Expression) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn in_table(self, family: Family, table: &str) -> Self {
        if family == self.family && table == self.table {
            self
        } else {
            self.refuse("a rule refers to a chain or set of another table")
        }
    }

    pub(super) fn refuse(mut self, fault: &'static str) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
}
