//! Names, numbers and small documents of the protocol.

use cni_skel::types::{
    Attachment, CniArgs, Command, ContainerId, ErrorCode, ErrorObject, IfName, MacAddr, NetworkName,
    PluginName, SpecVersion, VersionReply,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::json::{filled_text, text};

/// A version of the specification.
pub fn spec_version() -> impl Strategy<Value = SpecVersion> + Clone {
    select(SpecVersion::ALL)
}

/// A command of the protocol.
pub fn command() -> impl Strategy<Value = Command> + Clone {
    select(Command::ALL)
}

/// The ID of a container, of 1 to 1000 characters.
pub fn container_id() -> impl Strategy<Value = ContainerId> + Clone {
    identifier().prop_map(|id| ContainerId::try_from(id).expect("the strategy makes valid ids"))
}

/// The name of a network, of 1 to 1000 characters.
pub fn network_name() -> impl Strategy<Value = NetworkName> + Clone {
    identifier().prop_map(|name| NetworkName::try_from(name).expect("the strategy makes valid names"))
}

/// The name of an interface: 1 to 15 bytes of any characters that the kernel allows.
pub fn ifname() -> impl Strategy<Value = IfName> + Clone {
    let odd = vec(any::<char>(), 1..16).prop_map(|characters| {
        let mut name = String::new();
        for character in characters {
            if name.len() + character.len_utf8() <= 15 {
                name.push(character);
            }
        }
        name
    });
    prop_oneof!["eth[0-9]{1,3}", "[a-z]{15}", odd]
        .prop_filter_map("no interface name", |name| IfName::try_from(name).ok())
}

/// The name of a plugin.
pub fn plugin_name() -> impl Strategy<Value = PluginName> + Clone {
    prop_oneof!["[a-z]{1,8}-[a-z]{1,8}", filled_text()]
        .prop_filter_map("no plugin name", |name| PluginName::try_from(name).ok())
}

/// A hardware address of any length.
pub fn mac_addr() -> impl Strategy<Value = MacAddr> + Clone {
    let bytes = prop_oneof![vec(any::<u8>(), 6), vec(any::<u8>(), 1..=32)];
    bytes.prop_map(|bytes| MacAddr::from_bytes(&bytes).expect("the strategy makes 1 to 32 bytes"))
}

/// The pairs of `CNI_ARGS`, including those that Kubernetes sends. The text joins each key and value with `=`, and the
/// pairs with `;`.
pub fn cni_args() -> impl Strategy<Value = CniArgs> + Clone {
    let odd_key = filled_text().prop_filter("no key", |key| !key.contains([';', '=']));
    let key = prop_oneof![
        select(vec!["IgnoreUnknown", "K8S_POD_NAMESPACE", "K8S_POD_NAME", "IP", "MAC"])
            .prop_map(ToOwned::to_owned),
        odd_key,
    ];
    let value = prop_oneof!["1|true|[a-z]{1,8}=[a-z]{0,8}", text()]
        .prop_filter("no value", |value| !value.contains(';'));
    vec((key, value), 0..5).prop_map(|pairs| {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        CniArgs::parse(&pairs.join(";")).expect("the strategy makes pairs")
    })
}

/// An attachment in the list of GC.
pub fn attachment() -> impl Strategy<Value = Attachment> + Clone {
    (container_id(), ifname()).prop_map(|(container_id, ifname)| Attachment::new(container_id, ifname))
}

/// An error code of any number, often one of the specification's.
pub fn error_code() -> impl Strategy<Value = ErrorCode> + Clone {
    prop_oneof![select(vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 100, 999, u32::MAX]), any::<u32>()]
        .prop_map(ErrorCode::new)
}

/// The error object of a plugin.
pub fn error_object() -> impl Strategy<Value = ErrorObject> + Clone {
    let version = prop_oneof![spec_version().prop_map(|version| version.to_string()), filled_text()];
    (error_code(), text(), option::of(version), option::of(filled_text())).prop_map(
        |(code, msg, version, details)| {
            let mut error = ErrorObject::new(code, msg);
            error.cni_version = version;
            error.details = details;
            error
        },
    )
}

/// The answer to VERSION.
pub fn version_reply() -> impl Strategy<Value = VersionReply> + Clone {
    let version = prop_oneof![spec_version().prop_map(|version| version.to_string()), text()];
    (version.clone(), vec(version, 1..8)).prop_map(|(asked, supported)| VersionReply::new(asked, supported))
}

fn identifier() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        8 => "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,15}",
        4 => "[0-9a-f]{64}",
        1 => Just("a".repeat(1000)),
    ]
}
