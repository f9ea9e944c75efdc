//! Labels of a container.

use serde::{Deserialize, Deserializer, Serialize, de};

/// A label of a container: an element of
/// [`args.cni.labels`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#args-in-network-config).
///
/// ```
/// use cni_types::{Label, from_json};
///
/// let labels: Vec<Label> = from_json(r#"[{"key": "app", "value": "web"}]"#)?;
/// assert_eq!((labels[0].key.as_str(), labels[0].value.as_str()), ("app", "web"));
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Label {
    /// The key of the label: key `key`. It is not empty in a decoded label.
    #[serde(deserialize_with = "not_empty")]
    pub key: String,
    /// The value of the label: key `value`. It is empty if the key is absent.
    #[serde(default)]
    pub value: String,
}

impl Label {
    /// Makes a label.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(de::Error::custom("the key of the label is empty")) } else { Ok(text) }
}
