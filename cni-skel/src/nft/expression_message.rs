//! Encodes and decodes expressions.

use super::constants::{
    BITWISE_DREG, BITWISE_LEN, BITWISE_MASK, BITWISE_OP, BITWISE_SREG, BITWISE_XOR, CMP_DATA, CMP_OP,
    CMP_SREG, COUNTER_BYTES, COUNTER_PACKETS, CT_DIRECTION, CT_SREG, DATA_VALUE, DATA_VERDICT, EXPR_DATA,
    EXPR_NAME, FIB_DREG, FIB_FLAGS, FIB_RESULT, IMMEDIATE_DATA, IMMEDIATE_DREG, KEYED_DREG, KEYED_KEY,
    LIST_ELEM, LOOKUP_DREG, LOOKUP_FLAGS, LOOKUP_SET, LOOKUP_SREG, MASQ_FLAGS, META_SREG, NAT_F_IMPLIED,
    NAT_FAMILY, NAT_FLAGS, NAT_REG_ADDR_MAX, NAT_REG_ADDR_MIN, NAT_REG_PROTO_MAX, NAT_REG_PROTO_MIN,
    NAT_TYPE, PAYLOAD_BASE, PAYLOAD_DREG, PAYLOAD_LEN, PAYLOAD_OFFSET, PAYLOAD_SREG, VERDICT_CHAIN,
    VERDICT_CODE, XT_INFO, XT_NAME, XT_REVISION,
};
use super::expression::{Expression, Extension, Nat, Register, Verdict};
use super::wire::{be32, put_be32, put_be64, put_name};
use crate::netlink::{Attributes, Request};

pub(super) fn put(request: &mut Request, expression: &Expression) {
    request.nest(LIST_ELEM, |nest| {
        nest.text(EXPR_NAME, expression.name());
        match expression {
            Expression::Other { raw, .. } => {
                nest.bytes(EXPR_DATA, raw);
            }
            _ => {
                nest.nest(EXPR_DATA, |data| put_data(data, expression));
            }
        }
    });
}

fn put_data(data: &mut Request, expression: &Expression) {
    match expression {
        Expression::Payload { to, base, offset, length } => {
            put_be32(data, PAYLOAD_DREG, to.number());
            put_be32(data, PAYLOAD_BASE, *base);
            put_be32(data, PAYLOAD_OFFSET, *offset);
            put_be32(data, PAYLOAD_LEN, *length);
        }
        Expression::Meta { to, key } | Expression::Ct { to, key } => {
            put_be32(data, KEYED_KEY, *key);
            put_be32(data, KEYED_DREG, to.number());
        }
        Expression::SetMeta { from, key } => {
            put_be32(data, KEYED_KEY, *key);
            put_be32(data, META_SREG, from.number());
        }
        Expression::SetCt { from, key } => {
            put_be32(data, KEYED_KEY, *key);
            put_be32(data, CT_SREG, from.number());
        }
        Expression::Fib { to, result, flags } => {
            put_be32(data, FIB_DREG, to.number());
            put_be32(data, FIB_RESULT, *result);
            put_be32(data, FIB_FLAGS, *flags);
        }
        Expression::Cmp { from, differs, value } => {
            put_be32(data, CMP_SREG, from.number());
            put_be32(data, CMP_OP, u32::from(*differs));
            put_value(data, CMP_DATA, value);
        }
        Expression::Bitwise { from, to, mask, xor } => {
            put_be32(data, BITWISE_SREG, from.number());
            put_be32(data, BITWISE_DREG, to.number());
            put_be32(data, BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
            put_value(data, BITWISE_MASK, mask);
            put_value(data, BITWISE_XOR, xor);
        }
        Expression::Lookup { set, from, to, inverted } => {
            put_name(data, LOOKUP_SET, set);
            put_be32(data, LOOKUP_SREG, from.number());
            if let Some(to) = to {
                put_be32(data, LOOKUP_DREG, to.number());
            }
            put_be32(data, LOOKUP_FLAGS, u32::from(*inverted));
        }
        Expression::Immediate { to, value } => {
            put_be32(data, IMMEDIATE_DREG, to.number());
            put_value(data, IMMEDIATE_DATA, value);
        }
        Expression::Verdict(verdict) => put_verdict(data, verdict),
        Expression::Nat { nat, family, address, port } => {
            put_be32(data, NAT_TYPE, u32::from(*nat == Nat::Destination));
            put_be32(data, NAT_FAMILY, *family);
            if let Some(address) = address {
                put_be32(data, NAT_REG_ADDR_MIN, address.number());
            }
            if let Some(port) = port {
                put_be32(data, NAT_REG_PROTO_MIN, port.number());
            }
        }
        Expression::Match(extension) | Expression::Target(extension) => {
            data.text(XT_NAME, &extension.name);
            put_be32(data, XT_REVISION, extension.revision);
            data.bytes(XT_INFO, &extension.info);
        }
        Expression::Counter => {
            put_be64(data, COUNTER_BYTES, 0);
            put_be64(data, COUNTER_PACKETS, 0);
        }
        Expression::Masquerade | Expression::Other { .. } => {}
    }
}

pub(super) fn put_value(request: &mut Request, kind: u16, value: &[u8]) {
    request.nest(kind, |nest| {
        nest.bytes(DATA_VALUE, value);
    });
}

fn put_verdict(data: &mut Request, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (-3, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
        Verdict::Return => (-5_i32, None),
    };
    // The verdict register.
    put_be32(data, IMMEDIATE_DREG, 0);
    data.nest(IMMEDIATE_DATA, |nest| {
        nest.nest(DATA_VERDICT, |nest| {
            put_be32(nest, VERDICT_CODE, code.cast_unsigned());
            if let Some(chain) = chain {
                put_name(nest, VERDICT_CHAIN, chain);
            }
        });
    });
}

/// Reads the elements of a list of expressions.
pub(super) fn read(list: Attributes<'_>) -> Vec<Expression> {
    list.filter(|element| element.kind == LIST_ELEM)
        .filter_map(|element| read_one(element.nested()))
        .collect()
}

fn read_one(attributes: Attributes<'_>) -> Option<Expression> {
    let name = find(attributes, EXPR_NAME)?;
    let name = String::from_utf8_lossy(name.split(|b| *b == 0).next()?).into_owned();
    let data = attributes.clone().find(|a| a.kind == EXPR_DATA);
    let (raw, nested) = match data {
        Some(data) => (data.payload, data.nested()),
        None => (&[][..], Attributes::after(0, &[])),
    };
    let known = read_data(&name, nested);
    Some(known.unwrap_or_else(|| Expression::Other { name, raw: raw.to_vec() }))
}

/// Reads the attributes of an expression. Returns `None` if it has attributes that are unknown here, so that it is not equal to
/// one without them.
fn read_data(name: &str, data: Attributes<'_>) -> Option<Expression> {
    let number = |kind| find(data, kind).and_then(be32);
    let register = |kind| number(kind).and_then(Register::from_number);
    let has = |kind| find(data, kind).is_some();
    let value = |kind| nested(data, kind).and_then(|inside| find(inside, DATA_VALUE)).map(<[u8]>::to_vec);
    Some(match name {
        "payload" if !has(PAYLOAD_SREG) => Expression::Payload {
            to: register(PAYLOAD_DREG)?,
            base: number(PAYLOAD_BASE)?,
            offset: number(PAYLOAD_OFFSET)?,
            length: number(PAYLOAD_LEN)?,
        },
        "meta" => match register(META_SREG) {
            Some(from) => Expression::SetMeta { from, key: number(KEYED_KEY)? },
            None => Expression::Meta { to: register(KEYED_DREG)?, key: number(KEYED_KEY)? },
        },
        "ct" if !has(CT_DIRECTION) => match register(CT_SREG) {
            Some(from) => Expression::SetCt { from, key: number(KEYED_KEY)? },
            None => Expression::Ct { to: register(KEYED_DREG)?, key: number(KEYED_KEY)? },
        },
        "fib" => Expression::Fib {
            to: register(FIB_DREG)?,
            result: number(FIB_RESULT)?,
            flags: number(FIB_FLAGS)?,
        },
        "cmp" => Expression::Cmp {
            from: register(CMP_SREG)?,
            differs: match number(CMP_OP)? {
                0 => false,
                1 => true,
                _ => return None,
            },
            value: value(CMP_DATA)?,
        },
        "bitwise" if number(BITWISE_OP).unwrap_or(0) == 0 => Expression::Bitwise {
            from: register(BITWISE_SREG)?,
            to: register(BITWISE_DREG)?,
            mask: value(BITWISE_MASK)?,
            xor: value(BITWISE_XOR)?,
        },
        "lookup" => {
            let set = find(data, LOOKUP_SET)?;
            Expression::Lookup {
                set: text(set),
                from: register(LOOKUP_SREG)?,
                to: register(LOOKUP_DREG),
                inverted: number(LOOKUP_FLAGS).unwrap_or(0) & 1 != 0,
            }
        }
        "immediate" => match nested(nested(data, IMMEDIATE_DATA)?, DATA_VERDICT) {
            Some(verdict) => Expression::Verdict(read_verdict(verdict)?),
            None => Expression::Immediate { to: register(IMMEDIATE_DREG)?, value: value(IMMEDIATE_DATA)? },
        },
        "masq" if number(MASQ_FLAGS).unwrap_or(0) == 0 && data.count() <= usize::from(has(MASQ_FLAGS)) => {
            Expression::Masquerade
        }
        "nat" => {
            let (address, port) = (register(NAT_REG_ADDR_MIN), register(NAT_REG_PROTO_MIN));
            let is_range = |max, min| register(max).is_some_and(|max| Some(max) != min);
            if number(NAT_FLAGS).unwrap_or(0) & !NAT_F_IMPLIED != 0
                || is_range(NAT_REG_ADDR_MAX, address)
                || is_range(NAT_REG_PROTO_MAX, port)
            {
                return None;
            }
            let nat = match number(NAT_TYPE)? {
                0 => Nat::Source,
                1 => Nat::Destination,
                _ => return None,
            };
            Expression::Nat { nat, family: number(NAT_FAMILY)?, address, port }
        }
        "match" => Expression::Match(read_extension(data)?),
        "target" => Expression::Target(read_extension(data)?),
        "counter" => Expression::Counter,
        _ => return None,
    })
}

fn read_extension(data: Attributes<'_>) -> Option<Extension> {
    Some(Extension {
        name: find(data, XT_NAME).map(text)?,
        revision: find(data, XT_REVISION).and_then(be32)?,
        info: find(data, XT_INFO)?.to_vec(),
    })
}

fn read_verdict(verdict: Attributes<'_>) -> Option<Verdict> {
    let chain = || find(verdict, VERDICT_CHAIN).map(text);
    Some(match find(verdict, VERDICT_CODE).and_then(be32)?.cast_signed() {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        -3 => Verdict::Jump(chain()?),
        -4 => Verdict::Goto(chain()?),
        -5 => Verdict::Return,
        _ => return None,
    })
}

fn find(mut attributes: Attributes<'_>, kind: u16) -> Option<&[u8]> {
    attributes.find(|attribute| attribute.kind == kind).map(|attribute| attribute.payload)
}

fn nested(mut attributes: Attributes<'_>, kind: u16) -> Option<Attributes<'_>> {
    attributes.find(|attribute| attribute.kind == kind).map(|attribute| attribute.nested())
}

fn text(payload: &[u8]) -> String {
    let end = payload.iter().position(|b| *b == 0).unwrap_or(payload.len());
    String::from_utf8_lossy(&payload[..end]).into_owned()
}
