//! What a sender may ask for, and which addresses its requests may go to. Pure decisions.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{Method, Uri};

use super::reach::{Limits, Reach};
use super::target::Target;
use crate::domain::Host;

/// Whether a sender whose endpoint is at `target` may make this request.
pub(super) fn allows(target: &Target, method: &Method, uri: &Uri) -> bool {
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    matches!(*method, Method::POST | Method::PUT) && target.is(scheme, authority.as_str())
}

/// Why an address is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Only neighbours on the link, and the metadata services of most clouds, are there.
    LinkLocal,
    /// A metadata service that gives credentials to everybody who asks.
    Metadata,
    Multicast,
    Broadcast,
    /// "This host", or reserved: no other machine has it.
    Unspecified,
    /// This machine, which the endpoint does not name.
    Loopback,
    /// Not public, or this machine's own: out of reach for [`Reach::PublicOnly`].
    OutOfReach(Closed),
}

/// A kind of address that [`Reach::PublicOnly`] leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Loopback,
    /// RFC 1918.
    Private,
    /// RFC 6598: between a provider and its customers.
    Shared,
    /// RFC 4193 and the site-local addresses before it.
    UniqueLocal,
    /// One of this machine's addresses.
    Own,
    /// Set aside for documentation, measurements, translation within a network, or nothing yet.
    Special,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "an address of a provider's inner network",
            Self::UniqueLocal => "a local IPv6 address",
            Self::Own => "an address of this machine",
            Self::Special => "an address that is not public",
        })
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud metadata address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Unspecified => "an unspecified or reserved address",
            Self::Loopback => "a loopback address, which the endpoint does not name",
            Self::OutOfReach(closed) => return closed.fmt(f),
        })
    }
}

/// Whether the connection to `host` may go to `address`.
///
/// # Errors
///
/// Says why not.
pub(super) fn usable(address: IpAddr, host: &Host, limits: &Limits) -> Result<(), Unusable> {
    let loopback_named = host.names_loopback();
    let judge = |v4: Ipv4Addr| {
        usable_v4(v4, loopback_named)?;
        in_reach(v4.into(), limits)
    };
    match address {
        IpAddr::V4(v4) => judge(v4),
        IpAddr::V6(v6) => {
            usable_v6(v6, loopback_named)?;
            in_reach(address, limits)?;
            embedded(v6).into_iter().flatten().try_for_each(judge)
        }
    }
}

fn in_reach(address: IpAddr, limits: &Limits) -> Result<(), Unusable> {
    if limits.reach == Reach::Anywhere {
        return Ok(());
    }
    let closed = match address {
        IpAddr::V4(v4) => closed_v4(v4),
        IpAddr::V6(v6) => closed_v6(v6),
    };
    let closed = closed.or_else(|| limits.own.contains(&address).then_some(Closed::Own));
    closed.map_or(Ok(()), |closed| Err(Unusable::OutOfReach(closed)))
}

fn closed_v4(address: Ipv4Addr) -> Option<Closed> {
    match address.octets() {
        [127, ..] => Some(Closed::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Closed::Private),
        [100, 64..=127, ..] => Some(Closed::Shared),
        [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some(Closed::Special)
        }
        _ => None,
    }
}

/// Of IPv6, what is known to be public is open, and all else is closed. Where an address stands for one of IPv4, that
/// one is judged beside it.
fn closed_v6(address: Ipv6Addr) -> Option<Closed> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Closed::Loopback),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Closed::UniqueLocal),
        // Documentation, benchmarks, ORCHID.
        [0x2001, 0xdb8 | 0x10..=0x2f, ..] | [0x2001, 2, 0, ..] | [0x3fff, 0..=0xfff, ..] => {
            Some(Closed::Special)
        }
        // Global unicast; NAT64 by the well-known prefix; IPv4-mapped.
        [0x2000..=0x3fff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] => {
            None
        }
        _ => Some(Closed::Special),
    }
}

fn usable_v4(address: Ipv4Addr, loopback_named: bool) -> Result<(), Unusable> {
    // The metadata services that are not link-local: Alibaba, Oracle, Azure.
    const METADATA: [[u8; 4]; 3] = [[100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16]];
    let [first, ..] = address.octets();
    if address.is_link_local() {
        Err(Unusable::LinkLocal)
    } else if METADATA.contains(&address.octets()) {
        Err(Unusable::Metadata)
    } else if address.is_multicast() {
        Err(Unusable::Multicast)
    } else if address.is_broadcast() {
        Err(Unusable::Broadcast)
    } else if first == 0 || first >= 240 {
        Err(Unusable::Unspecified)
    } else if address.is_loopback() && !loopback_named {
        Err(Unusable::Loopback)
    } else {
        Ok(())
    }
}

fn usable_v6(address: Ipv6Addr, loopback_named: bool) -> Result<(), Unusable> {
    if address.is_unicast_link_local() {
        Err(Unusable::LinkLocal)
    } else if is_metadata_v6(address) {
        Err(Unusable::Metadata)
    } else if address.is_multicast() {
        Err(Unusable::Multicast)
    } else if address.is_unspecified() {
        Err(Unusable::Unspecified)
    } else if address.is_loopback() && !loopback_named {
        Err(Unusable::Loopback)
    } else {
        Ok(())
    }
}

fn is_metadata_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // AWS keeps its instance services under this prefix: metadata at ::254, pod identity at ::23.
        [0xfd00, 0xec2, ..]
        // Google, Oracle, Scaleway.
        | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
        | [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => true,
        _ => false,
    }
}

/// The IPv4 addresses that an IPv6 address may stand for, on a network that translates or tunnels.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let o = address.octets();
    let at = |i: usize| Ipv4Addr::new(o[i], o[i + 1], o[i + 2], o[i + 3]);
    let last = at(12);
    match address.segments() {
        // :: and ::1 are addresses of their own; the rest of ::/96 is "IPv4-compatible".
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None; 3],
        // IPv4-compatible and IPv4-mapped; IPv4-translated; NAT64; ISATAP.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [.., 0 | 0x200, 0x5efe, _, _] => [Some(last), None, None],
        // NAT64 by the network's own choice of prefix length (RFC 6052, RFC 8215): /48, /64 or /96. Where the
        // length is another one, an address seems to begin with 0, as no address behind a translator does.
        [0x64, 0xff9b, 1, ..] => [Ipv4Addr::new(o[6], o[7], o[9], o[10]), at(9), last]
            .map(|v4| (v4.octets()[0] != 0).then_some(v4)),
        // 6to4.
        [0x2002, ..] => [Some(at(2)), None, None],
        // Teredo: the server, and the client, whose bits are inverted.
        [0x2001, 0, ..] => [Some(at(4)), Some(Ipv4Addr::from(!u32::from(last))), None],
        _ => [None; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Endpoint, Origin};
    use proptest::prelude::*;

    fn origin(endpoint: &str) -> Origin {
        Endpoint::parse(endpoint).unwrap().origin()
    }

    #[test]
    fn only_post_and_put_to_exactly_the_origin_are_allowed() {
        let target = Target::new(origin("https://telemetry.example/base"));
        let row = |method: &str, uri: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            allows(&target, &method, &uri.parse().unwrap())
        };
        for (method, uri, expected) in [
            ("POST", "https://telemetry.example/ingest", true),
            ("PUT", "https://telemetry.example:443/any/path?x=y", true),
            ("POST", "https://TELEMETRY.example./ingest", true),
            ("GET", "https://telemetry.example/ingest", false),
            ("HEAD", "https://telemetry.example/ingest", false),
            ("DELETE", "https://telemetry.example/ingest", false),
            ("CONNECT", "https://telemetry.example/ingest", false),
            ("OPTIONS", "https://telemetry.example/ingest", false),
            ("post", "https://telemetry.example/ingest", false),
            ("PATCH", "https://telemetry.example/ingest", false),
            ("POST", "http://telemetry.example/ingest", false),
            ("POST", "http://telemetry.example:443/ingest", false),
            ("POST", "https://telemetry.example:8443/ingest", false),
            ("POST", "https://sub.telemetry.example/ingest", false),
            ("POST", "https://example/ingest", false),
            ("POST", "https://telemetry.example.evil.test/", false),
            ("POST", "https://user@telemetry.example/ingest", false),
            ("POST", "ftp://telemetry.example/ingest", false),
            ("POST", "/ingest", false),
            ("POST", "telemetry.example:443", false),
            ("POST", "https://127.0.0.1/ingest", false),
        ] {
            assert_eq!(row(method, uri), expected, "{method} {uri}");
        }
    }

    #[test]
    fn an_address_is_used_only_where_it_is_safe_and_meant() {
        use Unusable::{Broadcast, LinkLocal, Loopback, Metadata, Multicast, Unspecified};
        let name = "https://telemetry.example";
        let local = "http://localhost:1";
        for (endpoint, address, expected) in [
            (name, "93.184.216.34", Ok(())),
            (name, "10.0.0.1", Ok(())),
            (name, "172.16.3.4", Ok(())),
            (name, "192.168.1.1", Ok(())),
            (name, "100.64.0.1", Ok(())),
            (name, "2606:4700::1111", Ok(())),
            (name, "fd12:3456::1", Ok(())),
            (name, "64:ff9b::5db8:d822", Ok(())),
            (name, "64:ff9b:1::5db8:d822", Ok(())),
            (name, "2002:5db8:d822::1", Ok(())),
            (name, "169.254.169.254", Err(LinkLocal)),
            (name, "169.254.170.23", Err(LinkLocal)),
            (name, "fe80::1", Err(LinkLocal)),
            (name, "febf::1", Err(LinkLocal)),
            (name, "::ffff:169.254.169.254", Err(LinkLocal)),
            (name, "::169.254.169.254", Err(LinkLocal)),
            (name, "::ffff:0:169.254.169.254", Err(LinkLocal)),
            (name, "64:ff9b::169.254.169.254", Err(LinkLocal)),
            (name, "64:ff9b:1::169.254.169.254", Err(LinkLocal)),
            (name, "64:ff9b:1:a9fe:a9:fe00::", Err(LinkLocal)),
            (name, "64:ff9b:1:0:a9:fea9:fe00:0", Err(LinkLocal)),
            (name, "2002:a9fe:a9fe::1", Err(LinkLocal)),
            (name, "2001:0:a9fe:a9fe::1", Err(LinkLocal)),
            (name, "2001:0:5db8:d822:0:0:5601:5601", Err(LinkLocal)),
            (name, "2001:db8::5efe:169.254.169.254", Err(LinkLocal)),
            (name, "100.100.100.200", Err(Metadata)),
            (name, "192.0.0.192", Err(Metadata)),
            (name, "168.63.129.16", Err(Metadata)),
            (name, "fd00:ec2::254", Err(Metadata)),
            (name, "fd00:ec2::23", Err(Metadata)),
            (name, "fd20:ce::254", Err(Metadata)),
            (name, "224.0.0.1", Err(Multicast)),
            (name, "239.255.255.255", Err(Multicast)),
            (name, "ff02::1", Err(Multicast)),
            (name, "::ffff:224.0.0.1", Err(Multicast)),
            (name, "255.255.255.255", Err(Broadcast)),
            (name, "2002:ffff:ffff::", Err(Broadcast)),
            (name, "0.0.0.0", Err(Unspecified)),
            (name, "0.1.2.3", Err(Unspecified)),
            (name, "240.0.0.1", Err(Unspecified)),
            (name, "::", Err(Unspecified)),
            (name, "::ffff:0.0.0.0", Err(Unspecified)),
            (name, "127.0.0.1", Err(Loopback)),
            (name, "127.8.8.8", Err(Loopback)),
            (name, "::1", Err(Loopback)),
            (name, "::ffff:127.0.0.1", Err(Loopback)),
            (name, "64:ff9b::127.0.0.1", Err(Loopback)),
            ("http://10.0.0.1", "127.0.0.1", Err(Loopback)),
            ("http://localhost.example", "127.0.0.1", Err(Loopback)),
            ("http://notlocalhost", "127.0.0.1", Err(Loopback)),
            (local, "127.0.0.1", Ok(())),
            (local, "::1", Ok(())),
            (local, "::ffff:127.0.0.1", Ok(())),
            ("http://a.localhost", "127.0.0.1", Ok(())),
            ("http://LOCALHOST.", "127.0.0.1", Ok(())),
            ("http://127.0.0.2:1", "127.0.0.2", Ok(())),
            ("http://[::1]:1", "::1", Ok(())),
            ("http://[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", Ok(())),
            (local, "0.0.0.0", Err(Unspecified)),
            (local, "169.254.169.254", Err(LinkLocal)),
            ("http://169.254.169.254", "169.254.169.254", Err(LinkLocal)),
            ("http://[fd00:ec2::254]", "fd00:ec2::254", Err(Metadata)),
            ("http://0.0.0.0", "0.0.0.0", Err(Unspecified)),
        ] {
            assert_eq!(
                usable(
                    address.parse().unwrap(),
                    &origin(endpoint).host,
                    &Limits::default()
                ),
                expected,
                "{endpoint} at {address}"
            );
        }
    }

    fn public_only(own: &[&str]) -> Limits {
        Limits {
            reach: Reach::PublicOnly,
            own: own.iter().map(|own| own.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn who_reaches_public_addresses_only_reaches_no_other() {
        use Closed::{Loopback, Own, Private, Shared, Special, UniqueLocal};
        let limits = public_only(&["198.51.99.7", "2a00:1450::7"]);
        for (address, expected) in [
            ("93.184.216.34", None),
            ("1.1.1.1", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("192.169.0.1", None),
            ("198.51.99.8", None),
            ("2606:4700::1111", None),
            ("2a00:1450::8", None),
            ("64:ff9b::5db8:d822", None),
            ("2002:5db8:d822::1", None),
            ("::ffff:93.184.216.34", None),
            ("127.0.0.1", Some(Loopback)),
            ("127.8.8.8", Some(Loopback)),
            ("::1", Some(Loopback)),
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("10.0.0.1", Some(Private)),
            ("10.255.255.255", Some(Private)),
            ("172.16.0.0", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("192.168.1.1", Some(Private)),
            ("::ffff:10.0.0.1", Some(Private)),
            ("64:ff9b::10.0.0.1", Some(Private)),
            ("2002:a00:1::1", Some(Private)),
            ("2001:0:a00:1::1", Some(Private)),
            ("2a00::5efe:10.0.0.1", Some(Private)),
            ("100.64.0.1", Some(Shared)),
            ("100.127.255.255", Some(Shared)),
            ("fc00::1", Some(UniqueLocal)),
            ("fd12:3456::1", Some(UniqueLocal)),
            ("fec0::1", Some(UniqueLocal)),
            ("192.0.0.8", Some(Special)),
            ("192.0.2.1", Some(Special)),
            ("198.18.0.1", Some(Special)),
            ("203.0.113.9", Some(Special)),
            ("2001:db8::1", Some(Special)),
            ("3fff::1", Some(Special)),
            ("64:ff9b:1::5db8:d822", Some(Special)),
            ("100::1", Some(Special)),
            ("::93.184.216.34", Some(Special)),
            ("4000::1", Some(Special)),
            ("198.51.99.7", Some(Own)),
            ("::ffff:198.51.99.7", Some(Own)),
            ("2a00:1450::7", Some(Own)),
        ] {
            let address: IpAddr = address.parse().unwrap();
            // A literal endpoint opens nothing either, nor does localhost.
            for host in [
                origin("http://telemetry.example").host,
                origin("http://localhost").host,
                Host::Address(address),
            ] {
                let expected = expected.map_or(Ok(()), |closed| Err(Unusable::OutOfReach(closed)));
                let found = usable(address, &host, &limits);
                let loopback_unnamed = expected == Err(Unusable::OutOfReach(Loopback))
                    && found == Err(Unusable::Loopback);
                assert!(
                    found == expected || loopback_unnamed,
                    "{host} at {address}: {found:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_the_address_itself(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let host = origin("https://telemetry.example").host;
            for limits in [Limits::default(), public_only(&["93.184.216.34"])] {
                prop_assert_eq!(
                    usable(v4.to_ipv6_mapped().into(), &host, &limits),
                    usable(v4.into(), &host, &limits)
                );
            }
        }

        #[test]
        fn a_shorter_reach_opens_nothing(bits: u128) {
            let address = Ipv6Addr::from(bits);
            let host = origin("https://telemetry.example").host;
            if usable(address.into(), &host, &Limits::default()).is_err() {
                prop_assert!(usable(address.into(), &host, &public_only(&[])).is_err());
            }
        }
    }
}
