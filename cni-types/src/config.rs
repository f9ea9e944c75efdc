//! The configuration of one plugin, as it comes on stdin.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::json::{Object, Path, decode};
use crate::wire;
use crate::{AddResult, Attachment, DecodeError, Dns, NetworkName, PluginName, SpecVersion};

/// The configuration of one plugin, as a runtime gives it on stdin: an
/// [execution configuration](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#deriving-execution-configuration-from-plugin-configuration).
///
/// Name and version are parsed at once. The other keys stay as they were written until somebody asks for one, so a key
/// that nobody needs cannot fail anybody. Keys match exactly, else ignoring ASCII case, and `null` is as good as absent,
/// as in the Go library.
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
    /// Parses what came on stdin.
    ///
    /// # Errors
    /// Code 6 when it is not one JSON object, when it is not UTF-8, and when `name` or `cniVersion` is no text; code 7
    /// when `name` is missing or no network name.
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

    /// The version that a document names, for an answer to input that does not parse otherwise; none if it is no JSON
    /// object or names none.
    pub fn version_of(stdin: &[u8]) -> Option<String> {
        let object = Object::parse(std::str::from_utf8(stdin).ok()?, &Path::ROOT).ok()?;
        text(&object, "cniVersion").ok()?
    }

    /// The network's name: key `name`.
    pub fn name(&self) -> &NetworkName {
        &self.name
    }

    /// The version of the specification that the call is made in, as it was written: key `cniVersion`; 0.1.0 where
    /// there is none.
    pub fn cni_version(&self) -> &str {
        &self.cni_version
    }

    /// The whole document as it came.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The plugin's own name: key `type`.
    ///
    /// # Errors
    /// Code 6 when it is no text, 7 when it is no plugin name.
    pub fn plugin_type(&self) -> Result<Option<PluginName>, DecodeError> {
        plugin_name(&self.object, &Path::ROOT)
    }

    /// The IPAM plugin's name: key `ipam.type`.
    ///
    /// # Errors
    /// Code 6 when `ipam` is no object or its `type` no text, 7 when it is no plugin name.
    pub fn ipam_type(&self) -> Result<Option<PluginName>, DecodeError> {
        let path = Path::ROOT.key("ipam");
        self.object("ipam")?.map_or(Ok(None), |ipam| plugin_name(&ipam, &path))
    }

    /// Resolver settings: key `dns`.
    ///
    /// # Errors
    /// Code 6 or 7 when it is there but is none.
    pub fn dns(&self) -> Result<Dns, DecodeError> {
        Ok(self.get("dns")?.unwrap_or_default())
    }

    /// The result of the plugins before this one: key `prevResult`. If the result names no version, it has the
    /// configuration's.
    ///
    /// # Errors
    /// - Code 1 if the version of the result is unknown, or it names none and the configuration's is unknown.
    /// - Code 6 or 7 if `prevResult` is not a valid result, as for [`AddResult::decode`].
    pub fn prev_result(&self) -> Result<Option<AddResult>, DecodeError> {
        let path = Path::ROOT.key("prevResult");
        let Some(json) = self.raw_value("prevResult") else { return Ok(None) };
        let version = || {
            self.cni_version.parse().map_err(|_| {
                let why = format!(
                    "it names no version, and that of the configuration is unknown: {:?}",
                    self.cni_version
                );
                DecodeError::unsupported_version(&Path::ROOT, why)
            })
        };
        wire::decode(version, json).map(Some).map_err(|error| error.below(&path))
    }

    /// What the runtime passes for a capability: key `runtimeConfig.<capability>`.
    ///
    /// # Errors
    /// Code 6 or 7 when it is there but is no `T`.
    pub fn runtime_config<T: DeserializeOwned>(&self, capability: &str) -> Result<Option<T>, DecodeError> {
        let path = Path::ROOT.key("runtimeConfig");
        self.object("runtimeConfig")?.map_or(Ok(None), |config| value(&config, capability, &path))
    }

    /// What the runtime asks of any plugin that understands it: key `args.cni.<key>`.
    ///
    /// # Errors
    /// Code 6 or 7 when it is there but is no `T`.
    pub fn args_cni<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        let args_path = Path::ROOT.key("args");
        let cni_path = args_path.key("cni");
        let Some(args) = self.object("args")? else { return Ok(None) };
        let Some(cni) = value::<Object>(&args, "cni", &args_path)? else { return Ok(None) };
        value(&cni, key, &cni_path)
    }

    /// The attachments that are still valid, for GC: key `cni.dev/valid-attachments`, else `cni.dev/attachments`, as
    /// the tagged specification calls it. None when neither is there; `null`, which runtimes send when there are no
    /// containers, is an empty list.
    ///
    /// # Errors
    /// Code 6 or 7 when it is there but is no list of attachments.
    pub fn valid_attachments(&self) -> Result<Option<Vec<Attachment>>, DecodeError> {
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let Some((key, json)) = keys.iter().find_map(|key| Some((key, self.object.get(key)?.get()))) else {
            return Ok(None);
        };
        let list: Option<Vec<Attachment>> = decode(json, &Path::ROOT.key(key))?;
        Ok(Some(list.unwrap_or_default()))
    }

    /// The value of any key.
    ///
    /// # Errors
    /// Code 6 or 7 when it is there but is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        value(&self.object, key, &Path::ROOT)
    }

    /// Decodes the whole object into a type of one's own, as [`from_json`](crate::from_json) does.
    ///
    /// # Errors
    /// Code 6 when a value has another type, 7 when a value will not do. The JSON path is named.
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

/// Text that is not empty.
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
