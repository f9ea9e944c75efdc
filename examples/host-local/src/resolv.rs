//! The resolver's configuration file, resolv.conf(5).

use cni_skel::types::Dns;

/// Reads the DNS settings of a resolv.conf. A line that says nothing to us is passed over, as resolvers do.
///
/// The `search` and `options` lines of one file add up, as in the reference.
pub(crate) fn parse(contents: &str) -> Dns {
    let mut dns = Dns::default();
    for line in contents.lines() {
        let mut words = line.split_whitespace();
        let Some(keyword) = words.next() else { continue };
        let mut values = words.map(str::to_owned);
        match keyword {
            "nameserver" => dns.nameservers.extend(values.next()),
            "domain" => dns.domain = values.next().or(dns.domain.take()),
            "search" => dns.search.extend(values),
            "options" => dns.options.extend(values),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::parse;

    #[test]
    fn every_kind_of_line_is_read() {
        let dns = parse(
            "# a comment\n; another\n\nnameserver 192.0.2.1\n  nameserver\t192.0.2.2 trailing\r\n\
             domain example.com\nsearch a.example b.example\nsearch c.example\noptions ndots:2 rotate\n",
        );
        assert_eq!(dns.nameservers, ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(dns.domain.as_deref(), Some("example.com"));
        assert_eq!(dns.search, ["a.example", "b.example", "c.example"]);
        assert_eq!(dns.options, ["ndots:2", "rotate"]);
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        let dns = parse(
            "nameserver\ndomain\nsearch\noptions\nsortlist 10.0.0.0\n#nameserver 192.0.2.1\nNAMESERVER x",
        );
        assert!(dns.is_empty());
    }

    #[test]
    fn an_empty_domain_line_keeps_the_domain() {
        assert_eq!(parse("domain a.example\ndomain\n").domain.as_deref(), Some("a.example"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(contents in ".*") {
            parse(&contents);
        }
    }
}
