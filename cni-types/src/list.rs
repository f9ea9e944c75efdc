//! The configuration of a network, which is a list of plugins.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::json::{Object, Path, decode};
use crate::version::parse_lenient;
use crate::{DecodeError, NetworkName, PluginName, SpecVersion, VersionError, from_json};

/// The prefix of the keys that only a runtime may set.
const PREFIX: &str = "cni.dev/";

/// The configuration of a network, as an administrator writes it in a `.conflist` file: the
/// [configuration format](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#configuration-format).
///
/// ```
/// use cni_types::{NetworkList, SpecVersion};
///
/// let list = NetworkList::parse(br#"{
///     "cniVersion": "1.1.0", "name": "lan",
///     "plugins": [{"type": "bridge", "mtu": 1400, "capabilities": {"mac": true}}]
/// }"#)?;
/// let version = list.select_version()?;
/// let bridge = &list.plugins()[0];
/// assert!(bridge.has_capability("mac"));
/// assert_eq!(
///     bridge.request(&list, version, &[("runtimeConfig", r#"{"mac":"0a:58:0a:01:00:02"}"#)])?,
///     r#"{"type":"bridge","mtu":1400,"cniVersion":"1.1.0","name":"lan","runtimeConfig":{"mac":"0a:58:0a:01:00:02"}}"#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkList {
    name: NetworkName,
    cni_version: String,
    cni_versions: Vec<String>,
    disable_check: bool,
    disable_gc: bool,
    load_only_inlined_plugins: bool,
    plugins: Vec<PluginEntry>,
}

impl NetworkList {
    /// Parses a network configuration. The configuration of a single plugin, as in a `.conf` file, is a list of one.
    ///
    /// # Errors
    /// - Code 6 if the text is not UTF-8 or not a JSON object, or a value has the wrong type.
    /// - Code 7 if `name` is missing or invalid, there are no plugins, a plugin has no `type`, or a version is not one to
    ///   three numbers.
    pub fn parse(text: &[u8]) -> Result<Self, DecodeError> {
        Self::aggregate(text, &[] as &[&[u8]])
    }

    /// Parses a network configuration, and appends plugin configurations from other files in their order
    /// ([`loadOnlyInlinedPlugins`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#configuration-format)).
    ///
    /// A runtime finds these files beside the list, as `*.conf` in a folder with the name of the network. `plugins` may be
    /// absent then. If `loadOnlyInlinedPlugins` is true, nothing is appended.
    ///
    /// ```
    /// use cni_types::NetworkList;
    ///
    /// let text = br#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "bridge"}]}"#;
    /// let list = NetworkList::aggregate(text, &[br#"{"type": "tuning"}"#])?;
    /// assert_eq!(list.plugins()[1].plugin_type(), "tuning");
    /// # Ok::<(), cni_types::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), and code 7 if `loadOnlyInlinedPlugins` is true without a key `plugins`. In the path
    /// of an error, the appended plugins continue the indices of `plugins`.
    pub fn aggregate(text: &[u8], others: &[impl AsRef<[u8]>]) -> Result<Self, DecodeError> {
        let root = Path::ROOT;
        let text = to_text(text, &root)?;
        let wire: Wire = decode(text, &root)?;
        for (n, version) in wire.cni_versions.iter().enumerate() {
            check_version(version, &root.key("cniVersions").index(n))?;
        }
        if let Some(version) = wire.cni_version.as_deref().filter(|version| !version.is_empty()) {
            check_version(version, &root.key("cniVersion"))?;
        }
        let load_only_inlined_plugins = wire.load_only_inlined_plugins.0;
        let is_alone = wire.plugins.is_none() && wire.r#type.is_some();
        if load_only_inlined_plugins && wire.plugins.is_none() && !is_alone {
            let path = root.key("loadOnlyInlinedPlugins");
            return Err(DecodeError::invalid(&path, "it is true, but there is no key plugins"));
        }
        let inlined = wire.plugins.iter().flatten().map(|json| json.get().as_bytes());
        let appended = others.iter().map(AsRef::as_ref).filter(|_| !load_only_inlined_plugins && !is_alone);
        let mut plugins = inlined
            .chain(appended)
            .enumerate()
            .map(|(n, json)| PluginEntry::parse(json, &root.key("plugins").index(n)))
            .collect::<Result<Vec<_>, _>>()?;
        if is_alone {
            plugins.push(PluginEntry::parse(text.as_bytes(), &root)?);
        }
        if plugins.is_empty() {
            return Err(DecodeError::invalid(&root.key("plugins"), "there must be at least one plugin"));
        }
        Ok(Self {
            name: wire.name.ok_or_else(|| DecodeError::invalid(&root, "missing network name"))?,
            cni_version: wire.cni_version.unwrap_or_default(),
            cni_versions: wire.cni_versions,
            disable_check: wire.disable_check.0,
            disable_gc: wire.disable_gc.0,
            load_only_inlined_plugins,
            plugins,
        })
    }

    /// The name of the network: key `name`.
    pub fn name(&self) -> &NetworkName {
        &self.name
    }

    /// The version of the specification as text: key `cniVersion`. It is empty if the key is absent.
    pub fn cni_version(&self) -> &str {
        &self.cni_version
    }

    /// The versions that the configuration is valid for, as text: key `cniVersions`, added in 1.1.0.
    pub fn cni_versions(&self) -> &[String] {
        &self.cni_versions
    }

    /// Whether the runtime must not call CHECK: key `disableCheck`, added in 0.4.0. The value is a boolean, or the string
    /// `true` or `false` in any case.
    pub fn disable_check(&self) -> bool {
        self.disable_check
    }

    /// Whether the runtime must not call GC: key `disableGC`, added in 1.1.0.
    pub fn disable_gc(&self) -> bool {
        self.disable_gc
    }

    /// Whether plugins from other files must not be appended: key `loadOnlyInlinedPlugins`, added in 1.1.0.
    pub fn load_only_inlined_plugins(&self) -> bool {
        self.load_only_inlined_plugins
    }

    /// The plugins in the order of ADD: key `plugins`.
    pub fn plugins(&self) -> &[PluginEntry] {
        &self.plugins
    }

    /// Selects the version that calls are made in: the newest known one of `cniVersions` and `cniVersion`.
    ///
    /// # Errors
    /// If there are versions, and none of them is known. The error names the newest.
    pub fn select_version(&self) -> Result<SpecVersion, VersionError> {
        if self.cni_version.is_empty() && self.cni_versions.is_empty() {
            return Ok(SpecVersion::ABSENT);
        }
        let named =
            || self.cni_versions.iter().chain(Some(&self.cni_version)).filter(|text| !text.is_empty());
        match named().filter_map(|text| text.parse::<SpecVersion>().ok()).max() {
            Some(version) => Ok(version),
            None => named().max_by_key(|text| parse_lenient(text)).map_or("", String::as_str).parse(),
        }
    }
}

/// The configuration of one plugin in a [`NetworkList`], as an administrator writes it: a
/// [plugin configuration object](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#plugin-configuration-objects).
#[derive(Clone)]
pub struct PluginEntry {
    object: Object,
    plugin_type: PluginName,
    capabilities: Vec<String>,
}

impl PluginEntry {
    fn parse(json: &[u8], path: &Path<'_>) -> Result<Self, DecodeError> {
        let object = Object::parse(to_text(json, path)?, path)?;
        let member = |key: &str| object.get(key).map(|value| value.get()).filter(|json| *json != "null");
        let plugin_type = match member("type") {
            Some(json) => decode(json, &path.key("type"))?,
            None => return Err(DecodeError::invalid(path, "missing type")),
        };
        let mut capabilities = Vec::new();
        if let Some(json) = member("capabilities") {
            let path = path.key("capabilities");
            for (name, value) in Object::parse(json, &path)?.iter() {
                if decode::<Option<bool>>(value.get(), &path.key(name))?.unwrap_or_default() {
                    capabilities.push(name.to_owned());
                }
            }
        }
        Ok(Self { object, plugin_type, capabilities })
    }

    /// The name of the plugin: key `type`.
    pub fn plugin_type(&self) -> &PluginName {
        &self.plugin_type
    }

    /// Returns whether the plugin has a capability, so that the runtime may pass a value for it: key
    /// `capabilities.<name>` is `true`.
    pub fn has_capability(&self, name: &str) -> bool {
        self.capabilities.iter().any(|capability| capability == name)
    }

    /// Returns the names of all capabilities of the plugin.
    pub fn capabilities(&self) -> impl Iterator<Item = &str> {
        self.capabilities.iter().map(String::as_str)
    }

    /// Derives the document that the plugin gets on stdin: an
    /// [execution configuration](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#deriving-execution-configuration-from-plugin-configuration).
    ///
    /// It has the keys of the entry with unchanged values, then `cniVersion` and `name`, then the given `keys`, each with
    /// its value as JSON. `capabilities`, `prevResult`, `runtimeConfig` and all keys that start with `cni.dev/` are the
    /// runtime's, so those of the entry are left out. See [`NetworkList`] for an example.
    ///
    /// # Errors
    /// Code 6 if a value in `keys` is not JSON.
    pub fn request(
        &self,
        list: &NetworkList,
        version: SpecVersion,
        keys: &[(&str, &str)],
    ) -> Result<String, DecodeError> {
        let mut object = self.object.clone();
        object.retain(|key| {
            // Other spellings are left out too: a plugin in Go reads the last one, in any case.
            let is_the_runtimes = ["capabilities", "prevResult", "runtimeConfig", "cniVersion", "name"]
                .iter()
                .any(|own| own.eq_ignore_ascii_case(key));
            let prefix = key.get(..PREFIX.len()).unwrap_or_default();
            !is_the_runtimes && !prefix.eq_ignore_ascii_case(PREFIX)
        });
        let text = |key: &str, text: &str| {
            to_raw_value(text).map_err(|cause| DecodeError::mistyped(&Path::ROOT.key(key), cause.to_string()))
        };
        object.set("cniVersion", text("cniVersion", version.as_str())?);
        object.set("name", text("name", list.name.as_str())?);
        for (key, json) in keys {
            object.set(key, from_json(json).map_err(|error| error.below(&Path::ROOT.key(key)))?);
        }
        Ok(object.to_json())
    }
}

impl std::fmt::Debug for PluginEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PluginEntry").field(&self.object.to_json()).finish()
    }
}

fn to_text<'a>(bytes: &'a [u8], path: &Path<'_>) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|cause| {
        DecodeError::mistyped(path, format!("the network configuration is not UTF-8: {cause}"))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: Option<NetworkName>,
    cni_version: Option<String>,
    #[serde(default)]
    cni_versions: Vec<String>,
    #[serde(default)]
    disable_check: Flag,
    #[serde(default, rename = "disableGC")]
    disable_gc: Flag,
    #[serde(default)]
    load_only_inlined_plugins: Flag,
    plugins: Option<Vec<Box<RawValue>>>,
    /// Present only if the document is the configuration of a single plugin.
    r#type: Option<Box<RawValue>>,
}

/// A boolean, which was a string in 0.4.0.
#[derive(Clone, Copy, Default)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Flag;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Flag, E> {
                let parsed = text.to_ascii_lowercase().parse();
                parsed.map(Flag).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

fn check_version(text: &str, path: &Path<'_>) -> Result<(), DecodeError> {
    parse_lenient(text).map(drop).ok_or_else(|| {
        DecodeError::invalid(
            path,
            format!("{text:?} is not a CNI version, which is three numbers as in 1.1.0"),
        )
    })
}
