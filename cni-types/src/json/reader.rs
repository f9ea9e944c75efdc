//! A deserializer over JSON text that tracks the path, ignores the case of keys, and skips unused values.

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::value::RawValue;

use super::error::DecodeError;
use super::key::Key;
use super::object::{Object, describe};
use super::path::Path;

/// Decodes the text of one JSON value at `path`.
pub(crate) fn decode<T: DeserializeOwned>(text: &str, path: &Path<'_>) -> Result<T, DecodeError> {
    T::deserialize(Reader { text, path }).map_err(|error| error.at(path))
}

/// The text of a value, and its path.
#[derive(Clone, Copy)]
struct Reader<'a> {
    text: &'a str,
    path: &'a Path<'a>,
}

impl Reader<'_> {
    /// Returns the first character, which determines the type of the value.
    fn kind(&self) -> u8 {
        self.text.trim_start().bytes().next().unwrap_or_default()
    }

    /// Parses the value with serde_json, without ignoring the case of keys.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_str(self.text).map_err(|cause| DecodeError::mistyped(self.path, describe(&cause)))
    }

    fn object(&self) -> Result<Vec<(String, Box<RawValue>)>, DecodeError> {
        if self.path.is_too_deep() {
            return Err(DecodeError::invalid(self.path, "nested too deeply"));
        }
        Ok(Object::parse(self.text, self.path)?.into_members())
    }

    fn list<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.path.is_too_deep() {
            return Err(DecodeError::invalid(self.path, "nested too deeply"));
        }
        let mut elements = Elements::new(self.parse()?, self.path);
        let visited = visitor.visit_seq(&mut elements)?;
        match elements.elements.len() {
            0 => Ok(visited),
            // A tuple does not ask for more elements than it has fields.
            left => Err(DecodeError::invalid_length(elements.index + left, &"fewer elements")),
        }
    }
}

/// Implemented for any lifetime, because decoded values borrow nothing from the text.
impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let visited = match self.kind() {
            b'{' => visitor.visit_map(Members::new(self.object()?, self.path)),
            b'[' => self.list(visitor),
            b'"' => visitor.visit_string(self.parse()?),
            b't' | b'f' => visitor.visit_bool(self.parse()?),
            b'n' => self.parse::<()>().and_then(|()| visitor.visit_unit()),
            _ => {
                let number: serde_json::Number = self.parse()?;
                match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => visitor.visit_u64(number),
                    (None, Some(number)) => visitor.visit_i64(number),
                    // A fraction, an exponent, or an integer beyond 64 bits.
                    (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::INFINITY)),
                }
            }
        };
        visited.map_err(|error: DecodeError| error.at(self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.text.trim() == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.kind() {
            b'{' => {}
            // A derived struct accepts a list of its fields' values. No runtime sends that, and Go refuses it.
            b'[' => return Err(DecodeError::invalid_type(Unexpected::Seq, &visitor).at(self.path)),
            _ => return self.deserialize_any(visitor),
        }
        let members = fold(self.object()?, fields);
        visitor.visit_map(Members::new(members, self.path)).map_err(|error| error.at(self.path))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        // RawValue, which keeps the text of a value, asks serde_json for it by the name of a struct.
        if name.starts_with("$serde_json::") {
            let mut json = serde_json::Deserializer::from_reader(self.text.as_bytes());
            return json
                .deserialize_newtype_struct(name, visitor)
                .map_err(|cause| DecodeError::mistyped(self.path, describe(&cause)));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let visited = match self.kind() {
            b'"' => visitor.visit_enum(StrDeserializer::<DecodeError>::new(&self.parse::<String>()?)),
            b'{' => Variant::new(self.object()?, variants, self.path).and_then(|it| visitor.visit_enum(it)),
            _ => return self.deserialize_any(visitor),
        };
        visited.map_err(|error| error.at(self.path))
    }

    /// An unused value is not examined. Its text was checked to be JSON before.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// Renames the member that belongs to a field to the field's name, and drops it if it is `null`. An exact key comes before
/// the last other spelling; the rest of the spellings are dropped.
fn fold(mut members: Vec<(String, Box<RawValue>)>, fields: &[&str]) -> Vec<(String, Box<RawValue>)> {
    for field in fields {
        let exact = members.iter().position(|(key, _)| key == field);
        let meant = exact.or_else(|| members.iter().rposition(|(key, _)| key.eq_ignore_ascii_case(field)));
        let Some(meant) = meant else { continue };
        members[meant].0 = (*field).to_owned();
        let mut at = 0;
        members.retain(|(key, value)| {
            let is_meant = at == meant;
            at += 1;
            // Another field may have a name that differs only in case. It keeps its key.
            let is_other = !key.eq_ignore_ascii_case(field) || fields.contains(&key.as_str());
            if is_meant { value.get() != "null" } else { is_other }
        });
    }
    members
}

struct Members<'a> {
    members: std::vec::IntoIter<(String, Box<RawValue>)>,
    value: Option<(String, Box<RawValue>)>,
    path: &'a Path<'a>,
}

impl<'a> Members<'a> {
    fn new(members: Vec<(String, Box<RawValue>)>, path: &'a Path<'a>) -> Self {
        Self { members: members.into_iter(), value: None, path }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.members.next();
        let Some((key, _)) = &self.value else { return Ok(None) };
        seed.deserialize(Key(key)).map(Some).map_err(|error| error.at(&self.path.key(key)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, value) =
            self.value.take().ok_or_else(|| DecodeError::custom("a value was asked for before its key"))?;
        let path = self.path.key(&key);
        seed.deserialize(Reader { text: value.get(), path: &path }).map_err(|error| error.at(&path))
    }
}

struct Elements<'a> {
    elements: std::vec::IntoIter<Box<RawValue>>,
    index: usize,
    path: &'a Path<'a>,
}

impl<'a> Elements<'a> {
    fn new(elements: Vec<Box<RawValue>>, path: &'a Path<'a>) -> Self {
        Self { elements: elements.into_iter(), index: 0, path }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        let path = self.path.index(self.index);
        self.index += 1;
        seed.deserialize(Reader { text: element.get(), path: &path })
            .map(Some)
            .map_err(|error| error.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

/// An enum variant with data: the only member of an object.
struct Variant<'a> {
    name: String,
    value: Box<RawValue>,
    path: &'a Path<'a>,
}

impl<'a> Variant<'a> {
    fn new(
        members: Vec<(String, Box<RawValue>)>,
        variants: &[&str],
        path: &'a Path<'a>,
    ) -> Result<Self, DecodeError> {
        let [(key, value)] = <[_; 1]>::try_from(members).map_err(|members| {
            DecodeError::invalid_length(members.len(), &"an object with one key, the name of a variant")
        })?;
        let exact = variants.iter().find(|variant| **variant == key);
        let meant = exact.or_else(|| variants.iter().find(|variant| variant.eq_ignore_ascii_case(&key)));
        let name = meant.map_or(key, |variant| (*variant).to_owned());
        Ok(Self { name, value, path })
    }

    /// Reads the value, and adds its path to an error.
    fn read<T>(&self, read: impl FnOnce(Reader<'_>) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
        let path = self.path.key(&self.name);
        read(Reader { text: self.value.get(), path: &path }).map_err(|error| error.at(&path))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let variant =
            seed.deserialize(Key(&self.name)).map_err(|error| error.at(&self.path.key(&self.name)))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        self.read(|value| Deserialize::deserialize(value))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        self.read(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.read(|value| value.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.read(|value| value.deserialize_struct("", fields, visitor))
    }
}
