//! Names, variables, and the small documents.

use cni_testing::strategies::{
    attachment, cni_args, command, container_id, error_object, ifname, json, mac_addr, network_name,
    plugin_name, spec_version, text, version_reply,
};
use cni_testing::types::{
    Attachment, CniArgs, Command, ContainerId, ErrorObject, IfName, MacAddr, NetworkName, PluginName,
    SpecVersion, VersionReply, from_json, negotiate, parse_cidr,
};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

proptest! {
    #[test]
    fn names_parse_back_from_their_text_and_from_their_json(
        container_id in container_id(),
        ifname in ifname(),
        network in network_name(),
        plugin in plugin_name(),
        mac in mac_addr(),
        attachment in attachment(),
    ) {
        prop_assert_eq!(container_id.as_str().parse::<ContainerId>().unwrap(), container_id.clone());
        prop_assert_eq!(ifname.as_str().parse::<IfName>().unwrap(), ifname);
        prop_assert_eq!(network.as_str().parse::<NetworkName>().unwrap(), network);
        prop_assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac.clone());
        let json = serde_json::to_string(&(&container_id, &plugin, &mac, &attachment)).unwrap();
        let read: (ContainerId, PluginName, MacAddr, Attachment) = from_json(&json).unwrap();
        prop_assert_eq!(read, (container_id, plugin, mac, attachment));
    }

    #[test]
    fn parsing_any_text_never_panics_and_what_parses_is_printed_as_it_was_given(text in text()) {
        let printed = [
            text.parse::<ContainerId>().map(|parsed| parsed.to_string()).ok(),
            text.parse::<IfName>().map(|parsed| parsed.to_string()).ok(),
            text.parse::<NetworkName>().map(|parsed| parsed.to_string()).ok(),
            text.parse::<PluginName>().map(|parsed| parsed.to_string()).ok(),
            text.parse::<SpecVersion>().map(|parsed| parsed.to_string()).ok(),
            text.parse::<Command>().map(|parsed| parsed.to_string()).ok(),
        ];
        for printed in printed.into_iter().flatten() {
            prop_assert!(printed.eq_ignore_ascii_case(&text));
        }
        // These can be written in more than one way.
        if let Ok(net) = parse_cidr(&text) {
            prop_assert_eq!(parse_cidr(&net.to_string()), Ok(net));
        }
        if let Ok(mac) = text.parse::<MacAddr>() {
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        }
    }

    #[test]
    fn a_version_is_agreed_on_only_if_it_is_the_configurations_and_has_the_command(
        command in command(),
        version in spec_version(),
        other in text(),
    ) {
        prop_assert_eq!(
            negotiate(command, version.as_str(), SpecVersion::ALL).ok(),
            (version >= command.since()).then_some(version)
        );
        prop_assert_eq!(negotiate(command, version.as_str(), &[]).ok(), None);
        let agreed = negotiate(command, &other, SpecVersion::ALL).ok();
        prop_assert!(agreed.is_none_or(|agreed| agreed.as_str() == other));
    }

    #[test]
    fn arguments_are_the_pairs_of_their_text(args in cni_args()) {
        let text = args.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";");
        prop_assert_eq!(CniArgs::parse(&text).unwrap(), args.clone());
        for (key, _) in args.iter() {
            let last = args.iter().filter(|(other, _)| *other == key).last();
            prop_assert_eq!(args.get(key), last.map(|(_, value)| value));
        }
    }

    #[test]
    fn any_text_is_arguments_or_refused_and_arguments_say_it_back(text in "[A-Za-z=;\\PC]{0,24}") {
        if let Ok(args) = CniArgs::parse(&text) {
            let pairs: Vec<_> = args.iter().map(|(key, value)| format!("{key}={value}")).collect();
            prop_assert_eq!(pairs.join(";"), text);
        }
    }

    #[test]
    fn errors_and_answers_to_version_decode_as_they_were_encoded(
        error in error_object(),
        reply in version_reply(),
    ) {
        prop_assert_eq!(ErrorObject::decode(&error.encode()).unwrap(), error);
        prop_assert_eq!(VersionReply::decode(&reply.encode()).unwrap(), reply);
    }

    #[test]
    fn what_another_plugin_prints_decodes_or_is_refused(
        key in "cniVersion|code|msg|details|supportedVersions|CODE",
        json in json(),
        after in "|x|,|\\}|\\{\\}",
    ) {
        for document in [format!("{json}{after}"), format!(r#"{{"{key}": {json}, "code": 7}}{after}"#)] {
            if let Ok(error) = ErrorObject::decode(&document) {
                prop_assert!(after.is_empty());
                prop_assert_eq!(ErrorObject::decode(&error.encode()).unwrap(), error);
            }
            let _ = VersionReply::decode(&document);
        }
    }
}
