//! The configuration of one plugin, as it arrives on stdin.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::json::{Object, Path, decode};
use crate::wire;
use crate::{AddResult, Attachment, DecodeError, Dns, NetworkName, PluginName, SpecVersion};

/// The configuration of one plugin, as a runtime passes it on stdin: an
/// [execution configuration](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#deriving-execution-configuration-from-plugin-configuration).
///
/// `name` and `cniVersion` are parsed at once. The other keys are decoded when a method asks for them, so an invalid value
/// of an unused key is not an error. Keys match exactly, else ignoring ASCII case, and `null` counts as absent, as in the
/// Go library.
///
/// ```
/// use cni_types::PluginConfig;
///
/// let config = PluginConfig::parse(br#"{
///     "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "mtu": 1400,
///     "ipam": {"type": "host-local"},
///     "runtimeConfig": {"mac": "0a:58:0a:01:00:02"}
/// }"#)?;
/// assert_eq!(config.name(), "lan");
/// assert_eq!(config.ipam_type()?.unwrap(), "host-local");
/// assert_eq!(config.runtime_config::<String>("mac")?.as_deref(), Some("0a:58:0a:01:00:02"));
/// assert_eq!(config.get::<u32>("mtu")?, Some(1400));
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone)]
pub struct PluginConfig {
    raw: String,
    object: Object,
    name: NetworkName,
    cni_version: String,
}

impl PluginConfig {
    /// Parses the bytes from stdin.
    ///
    /// # Errors
    /// - Code 6 if the input is not UTF-8 or not one JSON object, or `name` or `cniVersion` is not a string.
    /// - Code 7 if `name` is missing, empty or not a valid network name.
    pub fn parse(stdin: &[u8]) -> Result<Self, DecodeError> {
        let root = Path::ROOT;
        let raw = std::str::from_utf8(stdin).map_err(|cause| {
            DecodeError::mistyped(&root, format!("the network configuration is not UTF-8: {cause}"))
        })?;
        let object = Object::parse(raw, &root)?;
        let name =
            text(&object, "name")?.ok_or_else(|| DecodeError::invalid(&root, "missing network name"))?;
        let name =
            name.parse().map_err(|cause| DecodeError::invalid(&root.key("name"), format!("{cause}")))?;
        let cni_version =
            text(&object, "cniVersion")?.unwrap_or_else(|| SpecVersion::ABSENT.as_str().to_owned());
        Ok(Self { raw: raw.to_owned(), object, name, cni_version })
    }

    /// Returns the `cniVersion` of a document that [`parse`](Self::parse) refuses, for use in the error object. Returns
    /// `None` if the document is not a JSON object, or `cniVersion` is absent, empty or not a string.
    ///
    /// ```
    /// use cni_types::PluginConfig;
    ///
    /// let stdin = br#"{"cniVersion": "1.0.0", "name": 7}"#;
    /// assert!(PluginConfig::parse(stdin).is_err());
    /// assert_eq!(PluginConfig::version_of(stdin).as_deref(), Some("1.0.0"));
    /// ```
    pub fn version_of(stdin: &[u8]) -> Option<String> {
        let object = Object::parse(std::str::from_utf8(stdin).ok()?, &Path::ROOT).ok()?;
        text(&object, "cniVersion").ok()?
    }

    /// The name of the network: key `name`.
    pub fn name(&self) -> &NetworkName {
        &self.name
    }

    /// The text of the version that the call is made in: key `cniVersion`. It is `0.1.0` if the key is absent or empty.
    /// [`negotiate`](crate::negotiate) checks it.
    pub fn cni_version(&self) -> &str {
        &self.cni_version
    }

    /// The document as it arrived.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The name of the plugin: key `type`.
    ///
    /// # Errors
    /// - Code 6 if the value is not a string.
    /// - Code 7 if the value is not a valid plugin name.
    pub fn plugin_type(&self) -> Result<Option<PluginName>, DecodeError> {
        plugin_name(&self.object, &Path::ROOT)
    }

    /// The name of the IPAM plugin: key `ipam.type`.
    ///
    /// # Errors
    /// - Code 6 if `ipam` is not an object, or its `type` is not a string.
    /// - Code 7 if `type` is not a valid plugin name.
    pub fn ipam_type(&self) -> Result<Option<PluginName>, DecodeError> {
        let path = Path::ROOT.key("ipam");
        self.object("ipam")?.map_or(Ok(None), |ipam| plugin_name(&ipam, &path))
    }

    /// The resolver settings: key `dns`. They are empty if the key is absent.
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn dns(&self) -> Result<Dns, DecodeError> {
        Ok(self.get("dns")?.unwrap_or_default())
    }

    /// The result of the plugins before this one: key `prevResult`. If the result has no `cniVersion`, it is decoded as one
    /// of the configuration's version.
    ///
    /// # Errors
    /// - Code 1 if the result's version is unknown, or it has none and the configuration's version is unknown.
    /// - Code 6 or 7 if the value is not a valid result, as for [`AddResult::decode`].
    pub fn prev_result(&self) -> Result<Option<AddResult>, DecodeError> {
        let path = Path::ROOT.key("prevResult");
        let Some(json) = self.raw_value("prevResult") else { return Ok(None) };
        let version = || {
            self.cni_version.parse().map_err(|_| {
                let why = format!(
                    "it has no cniVersion, and the configuration's is unknown: {:?}",
                    self.cni_version
                );
                DecodeError::unsupported_version(&Path::ROOT, why)
            })
        };
        wire::decode(version, json).map(Some).map_err(|error| error.below(&path))
    }

    /// The value that the runtime passes for a capability: key `runtimeConfig.<capability>`.
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn runtime_config<T: DeserializeOwned>(&self, capability: &str) -> Result<Option<T>, DecodeError> {
        let path = Path::ROOT.key("runtimeConfig");
        self.object("runtimeConfig")?.map_or(Ok(None), |config| value(&config, capability, &path))
    }

    /// An argument for every plugin that understands it: key
    /// [`args.cni.<key>`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#args-in-network-config).
    ///
    /// ```
    /// use cni_types::{PluginConfig, RequestedIp};
    ///
    /// let config = PluginConfig::parse(br#"{"name": "lan", "args": {"cni": {"ips": ["10.1.0.7"]}}}"#)?;
    /// let ips: Vec<RequestedIp> = config.args_cni("ips")?.unwrap();
    /// assert_eq!(ips[0].to_string(), "10.1.0.7");
    /// # Ok::<(), cni_types::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn args_cni<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        let args_path = Path::ROOT.key("args");
        let cni_path = args_path.key("cni");
        let Some(args) = self.object("args")? else { return Ok(None) };
        let Some(cni) = value::<Object>(&args, "cni", &args_path)? else { return Ok(None) };
        value(&cni, key, &cni_path)
    }

    /// The attachments that are still valid, for
    /// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources): key
    /// `cni.dev/valid-attachments`, else `cni.dev/attachments`, the name in the tagged specification.
    ///
    /// Returns `None` if both keys are absent: nothing must be collected then. `null` is an empty list, because runtimes
    /// send it if there are no attachments.
    ///
    /// ```
    /// use cni_types::PluginConfig;
    ///
    /// let config = PluginConfig::parse(br#"{"name": "lan", "cni.dev/valid-attachments": null}"#)?;
    /// assert_eq!(config.valid_attachments()?, Some(vec![]));
    /// let config = PluginConfig::parse(br#"{"name": "lan"}"#)?;
    /// assert_eq!(config.valid_attachments()?, None);
    /// # Ok::<(), cni_types::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn valid_attachments(&self) -> Result<Option<Vec<Attachment>>, DecodeError> {
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let Some((key, json)) = keys.iter().find_map(|key| Some((key, self.object.get(key)?.get()))) else {
            return Ok(None);
        };
        let list: Option<Vec<Attachment>> = decode(json, &Path::ROOT.key(key))?;
        Ok(Some(list.unwrap_or_default()))
    }

    /// The value of any key. Returns `None` if the key is absent or `null`.
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        value(&self.object, key, &Path::ROOT)
    }

    /// Decodes the whole object into a type of your own, by the rules of [`from_json`](crate::from_json).
    ///
    /// ```
    /// use cni_types::PluginConfig;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Bridge {
    ///     mtu: u32,
    /// }
    ///
    /// let config = PluginConfig::parse(br#"{"name": "lan", "type": "bridge", "mtu": 1400}"#)?;
    /// let bridge: Bridge = config.decode()?;
    /// assert_eq!(bridge.mtu, 1400);
    /// # Ok::<(), cni_types::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_json`](crate::from_json).
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode(&self.raw, &Path::ROOT)
    }

    fn raw_value(&self, key: &str) -> Option<&str> {
        self.object.get(key).map(|value| value.get()).filter(|json| *json != "null")
    }

    fn object(&self, key: &str) -> Result<Option<Object>, DecodeError> {
        self.raw_value(key).map(|json| Object::parse(json, &Path::ROOT.key(key))).transpose()
    }
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PluginConfig").field(&self.raw).finish()
    }
}

fn value<T: DeserializeOwned>(object: &Object, key: &str, path: &Path<'_>) -> Result<Option<T>, DecodeError> {
    let json = object.get(key).map(|value| value.get()).filter(|json| *json != "null");
    json.map(|json| decode(json, &path.key(key))).transpose()
}

/// Returns the string at a key, unless it is empty.
fn text(object: &Object, key: &str) -> Result<Option<String>, DecodeError> {
    Ok(value::<String>(object, key, &Path::ROOT)?.filter(|text| !text.is_empty()))
}

fn plugin_name(object: &Object, path: &Path<'_>) -> Result<Option<PluginName>, DecodeError> {
    let Some(name) = value::<String>(object, "type", path)?.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let parsed = PluginName::try_from(name);
    parsed.map(Some).map_err(|cause| DecodeError::invalid(&path.key("type"), cause.to_string()))
}
