//! JSON with the rules of the protocol: paths in errors, keys that ignore case, and unknown parts kept unchanged.

mod error;
mod extra;
mod key;
mod node;
mod object;
mod path;
mod reader;

pub use error::DecodeError;
pub use extra::Extra;
pub(crate) use node::{Members, Node};
pub(crate) use object::{Object, quoted};
pub(crate) use path::Path;
pub(crate) use reader::decode;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Decodes a JSON document into a type of your own, by the rules for a plugin's configuration.
///
/// - A struct field takes the value of the key with exactly its name. If there is none, it takes the last key that
///   differs only in the case of ASCII letters. This holds at every depth.
/// - `null` for a struct field counts as absent.
/// - Values that the type does not use are not examined.
/// - An error names the JSON path.
/// - Keys of a map may be integers, booleans, characters, newtypes of these, and enum variants without data.
/// - An enum variant with data is an object with one key, the name of the variant. The rules above hold for that key and
///   inside the variant.
///
/// serde reads some types into a buffer of its own before it knows how to decode them: enums with `#[serde(tag = "..")]`
/// or `#[serde(untagged)]`, and structs with a `#[serde(flatten)]` field. Their keys match only exactly, and an error in
/// what was buffered names the path of the enum or struct as a whole.
///
/// ```
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Config {
///     mtu: Option<u32>,
/// }
///
/// let config: Config = cni_types::from_json(r#"{"MTU": 1400, "other": [1, "x"]}"#)?;
/// assert_eq!(config.mtu, Some(1400));
/// let error = cni_types::from_json::<Config>(r#"{"mtu": "1400"}"#).err().unwrap();
/// assert_eq!(error.path(), "mtu");
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
///
/// # Errors
/// - Code 6 if the text is not one JSON document, or a value has the wrong type.
/// - Code 7 if a value has the right type but is invalid, or a required field is missing.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    // This checks that nothing follows the value. `decode` does not, because parts of a document were checked before.
    let document: Box<RawValue> = serde_json::from_str(text)
        .map_err(|cause| DecodeError::mistyped(&Path::ROOT, object::describe(&cause)))?;
    decode(document.get(), &Path::ROOT)
}
