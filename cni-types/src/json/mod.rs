//! JSON as the protocol needs it: paths in errors, keys that ignore case, and everything else left as it is.

mod error;
mod extra;
mod node;
mod object;
mod path;
mod reader;

pub use error::DecodeError;
pub use extra::Extra;
pub(crate) use node::{Members, Node, quoted};
pub(crate) use object::Object;
pub(crate) use path::Path;
pub(crate) use reader::decode;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Decodes a document into a type of one's own, as the configuration of a plugin is decoded: struct fields match keys
/// exactly, else ignoring ASCII case, at every depth; `null` for a field is as good as absent; what is not wanted is not
/// looked at; errors name the JSON path.
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
/// Code 6 when the text is no JSON or a value is of another type, code 7 when a value will not do.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    // A document has an end; what is decoded from the middle of one has been found to be a value before.
    let document: Box<RawValue> = serde_json::from_str(text)
        .map_err(|cause| DecodeError::mistyped(&Path::ROOT, object::describe(&cause)))?;
    decode(document.get(), &Path::ROOT)
}
