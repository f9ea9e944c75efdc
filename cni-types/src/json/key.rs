//! A deserializer for the keys of a map. JSON writes them as text, whatever their type is.

use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde_json::Number;

use super::error::DecodeError;

/// The text of a key.
pub(super) struct Key<'a>(pub(super) &'a str);

impl Key<'_> {
    fn integer<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, DecodeError> {
        let number = self.0.parse::<Number>().ok();
        match number.map(|number| (number.as_u64(), number.as_i64())) {
            Some((Some(number), _)) => visitor.visit_u64(number),
            Some((None, Some(number))) => visitor.visit_i64(number),
            _ => Err(DecodeError::invalid_value(Unexpected::Str(self.0), &visitor)),
        }
    }
}

/// Implements the methods for integer types.
macro_rules! integers {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
                self.integer(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.0)
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0.parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_) => Err(DecodeError::invalid_value(Unexpected::Str(self.0), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(StrDeserializer::<DecodeError>::new(self.0))
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
