//! Objects with the text of their values.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::DecodeError;
use super::path::Path;

/// A JSON object in the order of its keys. Each value is kept as text and decoded only if asked for. If a key occurs
/// twice, the last value counts.
#[derive(Clone, Default)]
pub(crate) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// Parses an object.
    pub(crate) fn parse(text: &str, path: &Path<'_>) -> Result<Self, DecodeError> {
        serde_json::from_str(text).map_err(|cause| DecodeError::mistyped(path, describe(&cause)))
    }

    /// Returns the value of exactly this key, else that of the last key that differs only in the case of ASCII letters.
    pub(crate) fn get(&self, key: &str) -> Option<&RawValue> {
        self.position(key).map(|at| &*self.0[at].1)
    }

    /// Removes a key and its other spellings, and returns its value. `null` counts as absent. The keys that are left
    /// after all known keys were taken are the unknown ones.
    pub(crate) fn take(&mut self, key: &str) -> Option<Box<RawValue>> {
        let taken = self.position(key).map(|at| self.0.remove(at).1);
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
        taken.filter(|value| value.get() != "null")
    }

    /// Sets exactly this key: in its place if it is there, else at the end.
    pub(crate) fn set(&mut self, key: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some(member) => member.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Keeps the keys for which `wanted` is true.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.0.retain(|(key, _)| wanted(key));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), &**value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_members(self) -> Vec<(String, Box<RawValue>)> {
        self.0
    }

    /// Returns the object as compact JSON.
    pub(crate) fn to_json(&self) -> String {
        let member = |(key, value): (&str, &RawValue)| format!("{}:{value}", quoted(key));
        format!("{{{}}}", self.iter().map(member).collect::<Vec<_>>().join(","))
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|(name, _)| name == key)
            .or_else(|| self.0.iter().rposition(|(name, _)| name.eq_ignore_ascii_case(key)))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<String, Box<RawValue>>()? {
            members.push(member);
        }
        Ok(Object(without_repetitions(members)))
    }
}

/// Keeps the last of the members with the same key. A search in the list for each key would be quadratic, and a hostile
/// document has many keys.
fn without_repetitions(members: Vec<(String, Box<RawValue>)>) -> Vec<(String, Box<RawValue>)> {
    let mut seen = BTreeSet::new();
    let mut is_last: Vec<bool> = members.iter().rev().map(|(key, _)| seen.insert(key.as_str())).collect();
    let kept = members.iter().filter_map(|_| is_last.pop()).collect::<Vec<_>>();
    members.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(member, _)| member).collect()
}

/// Returns text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every string has a JSON form")
}

/// Returns the message of a serde_json error, with line and column, and a clearer one for empty input.
pub(super) fn describe(cause: &serde_json::Error) -> String {
    if cause.is_eof() && cause.line() <= 1 && cause.column() == 0 {
        return "empty input, expected a JSON object".to_owned();
    }
    cause.to_string()
}
