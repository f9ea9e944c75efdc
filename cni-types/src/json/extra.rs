//! Unknown keys of an object.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use super::error::DecodeError;
use super::object::Object;
use super::path::Path;
use super::reader::decode;

/// The keys of an object that this crate does not know, with the text of their values. They pass through a plugin
/// unchanged, integers of any size and values of any depth included.
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

    /// Decodes the value of a key. Returns `None` if the key is absent.
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<Result<T, DecodeError>> {
        self.0.get(key).map(|value| decode(value.get(), &Path::ROOT.key(key)))
    }

    /// Sets the value of a key. A key that the specification defines has a field of its own: set here, it is not
    /// printed, and [`losses`](crate::AddResult::losses) reports it.
    ///
    /// # Errors
    /// Code 6 if the value has no JSON form, for example a map whose keys are structs.
    pub fn insert(&mut self, key: &str, value: &impl Serialize) -> Result<(), DecodeError> {
        let value = to_raw_value(value)
            .map_err(|cause| DecodeError::mistyped(&Path::ROOT.key(key), cause.to_string()))?;
        self.0.set(key, value);
        Ok(())
    }

    /// Returns whether there are no unknown keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the keys with the JSON of their values, in the order of the document.
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
    /// Compares keys and the text of their values, in any order of the keys. The keys of a JSON object have no order,
    /// and results from 1.0.0 are printed in alphabetical order.
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
