//! Keys that nobody here understands.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use super::error::DecodeError;
use super::object::Object;
use super::path::Path;
use super::reader::decode;

/// The keys of an object that this crate does not know, with their values as they were written. They pass through a
/// plugin unchanged: integers of any size, any depth.
///
/// ```
/// use cni_types::Extra;
///
/// let mut extra = Extra::default();
/// extra.insert("example.com/pool", &"blue")?;
/// assert_eq!(extra.get::<String>("example.com/pool").unwrap()?, "blue");
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Default)]
pub struct Extra(Object);

impl Extra {
    pub(crate) fn new(leftovers: Object) -> Self {
        Self(leftovers)
    }

    /// Decodes the value of a key, if it is there.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<Result<T, DecodeError>> {
        self.0.get(key).map(|value| decode(value.get(), &Path::ROOT.key(key)))
    }

    /// Sets a key. A key that the specification knows belongs into a field; here it is not printed, and
    /// [`losses`](crate::AddResult::losses) tells.
    ///
    /// # Errors
    /// When the value has no JSON, as a map with keys that are no text.
    pub fn insert(&mut self, key: &str, value: &impl Serialize) -> Result<(), DecodeError> {
        let value = to_raw_value(value)
            .map_err(|cause| DecodeError::mistyped(&Path::ROOT.key(key), cause.to_string()))?;
        self.0.set(key, value);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys with the JSON of their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key, value.get()))
    }

    pub(crate) fn append(&mut self, later: &Self) {
        for (key, value) in later.raw() {
            self.0.set(key, value.to_owned());
        }
    }

    pub(crate) fn raw(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter()
    }
}

impl PartialEq for Extra {
    /// Equal if the same values are written in the same way, in whatever order of the keys: an object has none, and
    /// results since 1.0.0 are printed in alphabetical order.
    fn eq(&self, other: &Self) -> bool {
        let (mut these, mut those): (Vec<_>, Vec<_>) = (self.iter().collect(), other.iter().collect());
        these.sort_unstable();
        those.sort_unstable();
        these == those
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
