//! The fields of an object under decoding. Each known field is taken out, so the unknown ones are left.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::address::{InvalidAddress, parse_ip};
use crate::json::{Object, Path, decode};
use crate::{DecodeError, Extra, parse_cidr};

pub(super) struct Fields<'a> {
    object: Object,
    path: &'a Path<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: Object, path: &'a Path<'a>) -> Self {
        Self { object, path }
    }

    pub(super) fn parse(json: &str, path: &'a Path<'a>) -> Result<Self, DecodeError> {
        Ok(Self::new(Object::parse(json, path)?, path))
    }

    /// Takes a value of any type.
    pub(super) fn value<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, DecodeError> {
        self.with(key, decode)
    }

    /// Takes a string. An empty string counts as absent.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, DecodeError> {
        Ok(self.value::<String>(key)?.filter(|text| !text.is_empty()))
    }

    /// Takes an address with a prefix length.
    pub(super) fn cidr(&mut self, key: &str) -> Result<Option<ipnet::IpNet>, DecodeError> {
        self.parsed(key, parse_cidr)
    }

    /// Takes an address without a prefix length.
    pub(super) fn ip(&mut self, key: &str) -> Result<Option<std::net::IpAddr>, DecodeError> {
        self.parsed(key, parse_ip)
    }

    /// Takes a list, and decodes each element with `element`. An absent list is empty.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        element: impl Fn(&str, &Path<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let list = self.with(key, |json, path| {
            let elements: Vec<Box<RawValue>> = decode(json, path)?;
            elements.iter().enumerate().map(|(n, json)| element(json.get(), &path.index(n))).collect()
        })?;
        Ok(list.unwrap_or_default())
    }

    /// Takes a value, and decodes it with `read`.
    pub(super) fn with<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str, &Path<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        self.object.take(key).map(|json| read(json.get(), &self.path.key(key))).transpose()
    }

    /// The error for a required field that is absent.
    pub(super) fn missing(&self, key: &str) -> DecodeError {
        DecodeError::invalid(self.path, format!("missing {key}"))
    }

    /// The fields that were not taken.
    pub(super) fn extra(self) -> Extra {
        Extra::new(self.object)
    }

    fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, InvalidAddress>,
    ) -> Result<Option<T>, DecodeError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|cause| DecodeError::invalid(&self.path.key(key), cause.to_string()))
    }
}
