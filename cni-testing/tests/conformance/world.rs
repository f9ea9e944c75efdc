//! Whatever a plugin leaves behind on the host is seen. Rules of routing, queueing disciplines and the older iptables are
//! looked at in the target `compare`.

use cni_testing::conformance::{Kind, Suite};
use cni_testing::{Binary, json};

use crate::program::Faulty;

#[test]
fn each_kind_of_thing_that_is_left_behind_is_seen_and_named() {
    let faulty = Faulty::new();
    for (kind, line) in [
        ("link", "+ bridge left2 "),
        ("address", "+ address 10.77.0.2/32 on lo"),
        ("route", "+ route 10.77.0.2/32"),
        ("neighbour", "+ neighbour 10.77.0.2 on left"),
        ("nftables", "+ nftables: rule ip left same-for-all: counter (number 2)"),
        ("namespace", "+ file /run/netns/left2"),
        ("sysctl", "+ sysctl ipv4/conf/lo/medium_id = 3"),
        ("file", "+ file /var/lib/cni/faulty/left/2"),
    ] {
        let plugin = Binary::at(faulty.with(&format!("leaves/{kind}")));
        let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "faulty"});
        let suite = Suite::new(plugin, config).kind(Kind::Interface).only(["del/undoes-add"]);
        let report = suite.run().unwrap();
        let found = report.findings[0].failure().unwrap_or_else(|| panic!("{kind} is not seen: {report}"));
        assert!(found.contains(line), "{kind}: {found}");
        assert_eq!(found.lines().filter(|line| line.starts_with('+')).count(), 1, "{kind}: {found}");
    }
}
