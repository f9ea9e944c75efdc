//! Compares the JSON Schema of a plugin with the type that its configuration is decoded into.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Asserts that a JSON Schema describes each key of `C`, the [`Config`](cni_skel::Plugin::Config) of a plugin. Keys of
/// nested structs are included. Structs in a list or an `Option` are not, and need a call of their own.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Config {
///     mtu: Option<u32>,
/// }
///
/// cni_testing::assert_schema_has_keys::<Config>(r#"{"properties": {"mtu": {"type": "integer"}}}"#);
/// ```
///
/// # Panics
/// If the schema is not JSON, or lacks keys, with their names.
#[track_caller]
pub fn assert_schema_has_keys<C: DeserializeOwned>(schema: &str) {
    let schema: Value =
        serde_json::from_str(schema).unwrap_or_else(|cause| panic!("the schema is not JSON: {cause}"));
    let missing: Vec<_> = config_keys::<C>().into_iter().filter(|path| !describes(&schema, path)).collect();
    assert!(missing.is_empty(), "the schema lacks {missing:?}");
}

/// The path of each key that `C` is decoded from.
fn config_keys<C: DeserializeOwned>() -> Vec<Vec<&'static str>> {
    let paths = RefCell::default();
    // Some types refuse the values that they are probed with. Their keys have been recorded by then.
    let _ = C::deserialize(Probe { path: Vec::new(), paths: &paths });
    paths.into_inner()
}

fn describes(schema: &Value, path: &[&str]) -> bool {
    let found = path.iter().try_fold(schema, |at, key| resolve(schema, at).get("properties")?.get(key));
    found.is_some()
}

/// Follows a `$ref` into the schema's own definitions.
fn resolve<'a>(schema: &'a Value, at: &'a Value) -> &'a Value {
    let target = at.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| schema.pointer(pointer)).unwrap_or(at)
}

/// Deserialises a type from nothing, and records the keys that it asks for.
struct Probe<'a> {
    path: Vec<&'static str>,
    paths: &'a RefCell<Vec<Vec<&'static str>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the type refuses what it is probed with")]
struct Refused;

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let path = |field| [self.path.as_slice(), &[field]].concat();
        self.paths.borrow_mut().extend(fields.iter().map(|field| path(field)));
        visitor.visit_map(Fields { path: self.path, paths: self.paths, fields: fields.iter(), field: "" })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(false)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(de::value::SeqDeserializer::new(std::iter::empty::<u8>()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_map(de::value::MapDeserializer::new(std::iter::empty::<(u8, u8)>()))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str("")
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u8(0)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier ignored_any
    }
}

struct Fields<'a> {
    path: Vec<&'static str>,
    paths: &'a RefCell<Vec<Vec<&'static str>>>,
    fields: std::slice::Iter<'static, &'static str>,
    field: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        let Some(field) = self.fields.next() else { return Ok(None) };
        self.field = field;
        seed.deserialize(StrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let path = [self.path.as_slice(), &[self.field]].concat();
        seed.deserialize(Probe { path, paths: self.paths })
    }
}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct Outer {
        is_gateway: bool,
        list: Vec<u8>,
        ipam: Inner,
        last: Option<Inner>,
    }

    #[derive(Default, Deserialize)]
    #[expect(dead_code, reason = "only the names of the fields are under test")]
    struct Inner {
        subnet: String,
    }

    #[test]
    fn keys_are_found_at_every_depth() {
        let paths: Vec<_> = config_keys::<Outer>().iter().map(|path| path.join(".")).collect();
        assert_eq!(paths, ["isGateway", "list", "ipam", "last", "ipam.subnet"]);
    }

    #[test]
    fn a_key_that_the_schema_lacks_fails_the_test() {
        let whole = r##"{"properties": {"isGateway": {}, "list": {}, "last": {}, "ipam": {"$ref": "#/$defs/ipam"}},
            "$defs": {"ipam": {"properties": {"subnet": {}}}}}"##;
        assert_schema_has_keys::<Outer>(whole);
        for key in ["isGateway", "subnet"] {
            let schema = whole.replace(key, "other");
            let panic = std::panic::catch_unwind(|| assert_schema_has_keys::<Outer>(&schema)).expect_err(key);
            assert!(panic.downcast_ref::<String>().is_some_and(|text| text.contains(key)), "{key}");
        }
    }
}
