//! Sets, maps and their elements.

use super::constants::{
    DELSET, DELSETELEM, ELEM_DATA, ELEM_KEY, ELEM_LIST_ELEMENTS, ELEM_LIST_SET, ELEM_LIST_TABLE,
    ELEM_USERDATA, GETSETELEM, LIST_ELEM, NEWSET, NEWSETELEM, SET_DATA_LEN, SET_DATA_TYPE, SET_F_ANONYMOUS,
    SET_F_INTERVAL, SET_F_MAP, SET_F_OBJECT, SET_FLAGS, SET_ID, SET_KEY_LEN, SET_KEY_TYPE, SET_NAME,
    SET_TABLE, SET_USERDATA,
};
use super::expression_message::put_value;
use super::table::{Family, Table};
use super::value::{DataType, Value, joined, split};
use super::wire::{
    COMMENT, SET_COMMENT, attributes, be32, comment, family_of, put_be32, put_name, put_userdata, start,
};
use crate::netlink::{Attributes, Message, NLM_F_CREATE, Request};

/// The number of elements that certainly fit into one message.
const AT_ONCE: usize = 100;

/// A set, or a map if it has data. Family, table and name identify it.
///
/// Keys and data can have several values, which `nft` joins with dots: `inet_proto . inet_service : ipv4_addr . inet_service`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Set {
    /// The family of its table.
    pub family: Family,
    /// The name of its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The types of the values in a key.
    pub key: Vec<DataType>,
    /// The types of the values in the data. Empty for a set.
    pub data: Vec<DataType>,
    /// Its comment, as `nft list ruleset` shows it.
    pub comment: Option<String>,
}

impl Set {
    /// Describes a set.
    pub fn new(table: &Table, name: impl Into<String>, key: &[DataType]) -> Self {
        Self {
            family: table.family,
            table: table.name.clone(),
            name: name.into(),
            key: key.to_vec(),
            data: Vec::new(),
            comment: None,
        }
    }

    /// Describes a map.
    pub fn map(table: &Table, name: impl Into<String>, key: &[DataType], data: &[DataType]) -> Self {
        Self { data: data.to_vec(), ..Self::new(table, name, key) }
    }

    /// Sets the comment. Adding a set that exists does not change its comment.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    pub(super) fn describe(&self) -> String {
        let kind = if self.data.is_empty() { "set" } else { "map" };
        format!("{kind} {} {} {}", self.family.as_str(), self.table, self.name)
    }
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Element {
    /// Its key.
    pub key: Vec<Value>,
    /// Its data. Empty in a set.
    pub data: Vec<Value>,
    /// Its comment, as `nft list ruleset` shows it.
    pub comment: Option<String>,
}

impl Element {
    /// Describes an element of a set.
    pub fn new(key: impl Into<Vec<Value>>) -> Self {
        Self { key: key.into(), data: Vec::new(), comment: None }
    }

    /// Sets the data.
    pub fn data(mut self, data: impl Into<Vec<Value>>) -> Self {
        self.data = data.into();
        self
    }

    /// Sets the comment: up to 128 bytes without quotes and control characters.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

/// `id` identifies the set in its batch.
pub(super) fn add(set: &Set, id: u32) -> (String, Request) {
    let mut request = start(Request::part(NEWSET, NLM_F_CREATE), set.family.number());
    put_name(&mut request, SET_TABLE, &set.table);
    put_name(&mut request, SET_NAME, &set.name);
    put_be32(&mut request, SET_FLAGS, if set.data.is_empty() { 0 } else { SET_F_MAP });
    put_types(&mut request, [SET_KEY_TYPE, SET_KEY_LEN], &set.key);
    let mut orders = byte_order(0, &set.key);
    if !set.data.is_empty() {
        put_types(&mut request, [SET_DATA_TYPE, SET_DATA_LEN], &set.data);
        orders.extend(byte_order(1, &set.data));
    }
    put_be32(&mut request, SET_ID, id);
    put_userdata(&mut request, SET_USERDATA, orders, SET_COMMENT, set.comment.as_deref());
    (format!("add {}", set.describe()), request)
}

fn put_types(request: &mut Request, [kind, length]: [u16; 2], types: &[DataType]) {
    let bytes = match types {
        [one] => one.length(),
        several => several.iter().map(|kind| kind.length().next_multiple_of(4)).sum(),
    };
    if types.is_empty() || types.len() > 5 || bytes > 64 {
        request.refuse("a key or its data does not have one to five values and at most 64 bytes");
        return;
    }
    // Six bits for each type. The last one has the lowest bits.
    put_be32(request, kind, types.iter().fold(0, |number, kind| number << 6 | kind.number()));
    put_be32(request, length, u32::try_from(bytes).unwrap_or(u32::MAX));
}

/// Returns the userdata in which `nft` stores the byte order of a type.
fn byte_order(tag: u8, types: &[DataType]) -> Vec<u8> {
    let order = match types {
        [one] if one.is_host_endian() => 1_u32,
        [_] => 2,
        _ => 0,
    };
    [&[tag, 4][..], &order.to_ne_bytes()].concat()
}

pub(super) fn delete(set: &Set) -> (String, Request) {
    let mut request = start(Request::part(DELSET, 0), set.family.number());
    put_name(&mut request, SET_TABLE, &set.table);
    put_name(&mut request, SET_NAME, &set.name);
    (format!("delete {}", set.describe()), request)
}

/// Returns the requests that add elements. An existing element with the same data is not an error.
pub(super) fn add_elements(set: &Set, elements: &[Element]) -> Vec<(String, Request)> {
    change_elements(set, elements, "add", NEWSETELEM, NLM_F_CREATE)
}

pub(super) fn delete_elements(set: &Set, elements: &[Element]) -> Vec<(String, Request)> {
    change_elements(set, elements, "delete", DELSETELEM, 0)
}

fn change_elements(
    set: &Set,
    elements: &[Element],
    verb: &str,
    kind: u16,
    flags: u16,
) -> Vec<(String, Request)> {
    let requests = elements.chunks(AT_ONCE).map(|elements| {
        let mut request = start(Request::part(kind, flags), set.family.number());
        put_name(&mut request, ELEM_LIST_TABLE, &set.table);
        put_name(&mut request, ELEM_LIST_SET, &set.name);
        request.nest(ELEM_LIST_ELEMENTS, |list| {
            for element in elements {
                list.nest(LIST_ELEM, |nest| put_element(nest, set, element, kind == NEWSETELEM));
            }
        });
        (format!("{verb} elements of {}", set.describe()), request)
    });
    requests.collect()
}

fn put_element(nest: &mut Request, set: &Set, element: &Element, is_new: bool) {
    let fits =
        |values: &[Value], types: &[DataType]| values.iter().map(Value::data_type).eq(types.iter().copied());
    if !fits(&element.key, &set.key) || (is_new && !fits(&element.data, &set.data)) {
        nest.refuse("an element has other types than its set");
        return;
    }
    put_value(nest, ELEM_KEY, &joined(&element.key));
    if is_new {
        if !element.data.is_empty() {
            put_value(nest, ELEM_DATA, &joined(&element.data));
        }
        put_userdata(nest, ELEM_USERDATA, Vec::new(), COMMENT, element.comment.as_deref());
    }
}

/// Returns the request for all elements.
pub(super) fn list(set: &Set) -> Request {
    let mut request = start(Request::dump(GETSETELEM), set.family.number());
    put_name(&mut request, ELEM_LIST_TABLE, &set.table);
    put_name(&mut request, ELEM_LIST_SET, &set.name);
    request
}

/// Returns the request for one element.
pub(super) fn find(set: &Set, key: &[Value]) -> Request {
    let mut request = start(Request::read(GETSETELEM), set.family.number());
    put_name(&mut request, ELEM_LIST_TABLE, &set.table);
    put_name(&mut request, ELEM_LIST_SET, &set.name);
    request.nest(ELEM_LIST_ELEMENTS, |list| {
        list.nest(LIST_ELEM, |nest| put_element(nest, set, &Element::new(key), false));
    });
    request
}

/// Reads a set. Returns `None` for sets of unknown types, of intervals, and for anonymous sets.
pub(super) fn decode(message: Message<'_>) -> Option<Set> {
    if message.kind != NEWSET {
        return None;
    }
    let family = Family::from_number(family_of(message.payload)?)?;
    let mut set = Set::new(&Table::new(family, ""), "", &[]);
    let mut flags = 0;
    for attribute in attributes(message.payload) {
        match attribute.kind {
            SET_TABLE => set.table = attribute.text().into_owned(),
            SET_NAME => set.name = attribute.text().into_owned(),
            SET_FLAGS => flags = be32(attribute.payload)?,
            SET_KEY_TYPE => set.key = types(be32(attribute.payload)?)?,
            SET_DATA_TYPE => set.data = types(be32(attribute.payload)?)?,
            SET_USERDATA => set.comment = comment(attribute.payload, SET_COMMENT),
            _ => {}
        }
    }
    let is_ours = flags & (SET_F_ANONYMOUS | SET_F_INTERVAL | SET_F_OBJECT) == 0;
    (is_ours && !set.table.is_empty() && !set.name.is_empty() && !set.key.is_empty()).then_some(set)
}

fn types(mut number: u32) -> Option<Vec<DataType>> {
    let mut types = Vec::new();
    while number != 0 {
        types.insert(0, DataType::from_number(number & 0x3f)?);
        number >>= 6;
    }
    Some(types)
}

/// Reads the elements in one message of a dump.
pub(super) fn decode_elements(set: &Set, message: Message<'_>) -> Vec<Element> {
    if message.kind != NEWSETELEM {
        return Vec::new();
    }
    attributes(message.payload)
        .filter(|attribute| attribute.kind == ELEM_LIST_ELEMENTS)
        .flat_map(|list| list.nested())
        .filter(|element| element.kind == LIST_ELEM)
        .filter_map(|element| decode_element(set, element.nested()))
        .collect()
}

fn decode_element(set: &Set, attributes: Attributes<'_>) -> Option<Element> {
    let mut element = Element::new([]);
    for attribute in attributes {
        let value = |types: &[DataType]| split(types, attribute.nested().next()?.payload);
        match attribute.kind {
            ELEM_KEY => element.key = value(&set.key)?,
            ELEM_DATA => element.data = value(&set.data)?,
            ELEM_USERDATA => element.comment = comment(attribute.payload, COMMENT),
            _ => {}
        }
    }
    (!element.key.is_empty()).then_some(element)
}
