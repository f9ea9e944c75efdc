//! Configurations as text, together with their values.

use cni_skel::types::{AddResult, Attachment, Dns, NetworkName, PluginName, SpecVersion};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;

use super::json::{object, quoted, unknown_members};
use super::names::{attachment, network_name, plugin_name, spec_version};
use super::network::dns;
use super::result::versioned_result;

/// The configuration of a plugin as text, together with its values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConfigSample {
    /// The whole text.
    pub json: String,
    /// Key `cniVersion`.
    pub cni_version: SpecVersion,
    /// Key `name`.
    pub name: NetworkName,
    /// Key `type`.
    pub plugin_type: PluginName,
    /// Key `ipam.type`, or `None` without `ipam`.
    pub ipam_type: Option<PluginName>,
    /// Key `dns`.
    pub dns: Dns,
    /// Key `prevResult`, in the version of the configuration.
    pub prev_result: Option<AddResult>,
    /// Key `cni.dev/valid-attachments`.
    pub valid_attachments: Option<Vec<Attachment>>,
    /// Unknown members, with their JSON.
    pub unknown: Vec<(String, String)>,
}

/// The configuration of a network as text, together with its values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListSample {
    /// The whole text.
    pub json: String,
    /// Key `cniVersion`.
    pub cni_version: SpecVersion,
    /// Key `name`.
    pub name: NetworkName,
    /// Key `disableCheck`.
    pub disable_check: bool,
    /// The `type` of each plugin in order, with the capabilities that are `true`.
    pub plugins: Vec<(PluginName, Vec<String>)>,
}

/// The configuration of a plugin, in any version. Its keys are in any order, with unknown keys among them. Known keys
/// are sometimes in upper case, because runtimes and administrators write them so.
pub fn plugin_config() -> impl Strategy<Value = ConfigSample> {
    let names = (network_name(), plugin_name(), option::of(plugin_name()));
    let prev_result = (versioned_result(), any::<bool>());
    let attachments = option::of(vec(attachment(), 0..3));
    (names, prev_result, dns(), attachments, unknown_members(), weighted(0.2))
        .prop_map(|(names, prev_result, dns, valid_attachments, unknown, in_capitals)| {
            let (name, plugin_type, ipam_type) = names;
            let ((cni_version, result), is_chained) = prev_result;
            let prev_result = is_chained.then_some(result);
            let mut members = vec![
                ("cniVersion", quoted(cni_version.as_str())),
                ("name", quoted(name.as_str())),
                ("type", quoted(plugin_type.as_str())),
                ("dns", to_json(&dns)),
            ];
            members.extend(ipam_type.iter().map(|name| ("ipam", format!("{{\"type\":{}}}", to_json(name)))));
            members.extend(prev_result.iter().map(|result| {
                let json = result.encode(cni_version).expect("the strategy makes what the version can say");
                ("prevResult", json)
            }));
            members.extend(valid_attachments.iter().map(|list| ("cni.dev/valid-attachments", to_json(list))));
            let sample = ConfigSample {
                json: String::new(),
                cni_version,
                name,
                plugin_type,
                ipam_type,
                dns,
                prev_result,
                valid_attachments,
                unknown,
            };
            let members = spelled(members, in_capitals).chain(sample.unknown.clone()).collect::<Vec<_>>();
            (sample, members)
        })
        .prop_flat_map(|(sample, members)| (Just(sample), Just(members).prop_shuffle()))
        .prop_map(|(sample, members)| ConfigSample { json: object(&members), ..sample })
        .boxed()
}

/// The configuration of a network with one to three plugins.
pub fn network_list() -> impl Strategy<Value = ListSample> {
    let capability = select(vec!["portMappings", "mac", "ips", "bandwidth"]);
    let capabilities = vec((capability, any::<bool>()), 0..4).prop_map(|mut capabilities| {
        capabilities.sort_unstable();
        capabilities.dedup_by_key(|(name, _)| *name);
        capabilities
    });
    let plugins = vec((plugin_name(), capabilities, unknown_members()), 1..4);
    (spec_version(), network_name(), any::<bool>(), plugins, weighted(0.2))
        .prop_map(|(cni_version, name, disable_check, plugins, in_capitals)| {
            let entry = |(name, capabilities, unknown): &(PluginName, Vec<_>, Vec<_>)| {
                let flags: Vec<(String, String)> = capabilities
                    .iter()
                    .map(|(key, on): &(&str, bool)| ((*key).into(), on.to_string()))
                    .collect();
                let known = vec![("type", to_json(name)), ("capabilities", object(&flags))];
                object(&spelled(known, in_capitals).chain(unknown.clone()).collect::<Vec<_>>())
            };
            let entries: Vec<_> = plugins.iter().map(entry).collect();
            let members = vec![
                ("cniVersion", quoted(cni_version.as_str())),
                ("name", quoted(name.as_str())),
                ("disableCheck", disable_check.to_string()),
                ("plugins", format!("[{}]", entries.join(", "))),
            ];
            let json = object(&spelled(members, in_capitals).collect::<Vec<_>>());
            let enabled = |capabilities: Vec<(&str, bool)>| {
                capabilities.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()).collect()
            };
            let plugins =
                plugins.into_iter().map(|(name, capabilities, _)| (name, enabled(capabilities))).collect();
            ListSample { json, cni_version, name, disable_check, plugins }
        })
        .boxed()
}

fn spelled(
    members: Vec<(&'static str, String)>,
    in_capitals: bool,
) -> impl Iterator<Item = (String, String)> {
    members
        .into_iter()
        .map(move |(key, json)| (if in_capitals { key.to_ascii_uppercase() } else { key.to_owned() }, json))
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the types of the specification have JSON")
}
