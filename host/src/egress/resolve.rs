//! From a host to the addresses that a connection may go to.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::Host;

use super::detached::detached;
use super::failure::{EgressFailure, innermost};
use super::policy::{self, Unusable};
use super::reach::Reach;

/// More addresses than this are not tried.
const MAX_ADDRESSES: usize = 8;

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Asks for the addresses of a name.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(&str) -> Lookup + Send + Sync>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// The system's resolver.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|name| {
            let name = name.to_owned();
            Box::pin(async move {
                let addresses = detached("resolver", move || (name.as_str(), 0).to_socket_addrs());
                Ok(addresses.await??.map(|address| address.ip()).collect())
            })
        })
    }

    /// A resolver that asks `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Lookup + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// The addresses of `host` that a request may be sent to, in the order in which to try them.
    ///
    /// A connection must go to one of these and never resolve the name again: a second answer could differ.
    pub(super) async fn usable(
        &self,
        host: &Host,
        port: u16,
        reach: Reach,
    ) -> Result<Vec<SocketAddr>, EgressFailure> {
        let all = self.addresses(host).await?;
        let limits = reach
            .limits()
            .map_err(|why| EgressFailure::of_own_addresses(&why))?;
        let mut refused = None;
        let mut usable = Vec::new();
        for &address in &all {
            match policy::usable(address, host, &limits) {
                Ok(()) => usable.push(address),
                Err(why) => refused = refused.or(Some((address, why))),
            }
        }
        match refused {
            Some((address, why)) if usable.is_empty() => Err(prohibited(host, address, why)),
            _ => Ok(in_turn(usable, port)),
        }
    }

    /// Every address of `host`, for a proxy, which the user chose.
    pub(super) async fn any(
        &self,
        host: &Host,
        port: u16,
    ) -> Result<Vec<SocketAddr>, EgressFailure> {
        Ok(in_turn(self.addresses(host).await?, port))
    }

    /// At least one address.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, EgressFailure> {
        let name = match host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(_) if host.names_loopback() => {
                return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
            }
            Host::Name(name) => name,
        };
        let unresolved = |why: String| EgressFailure::Unresolved {
            name: name.clone(),
            why,
        };
        match (self.0)(name).await {
            Ok(addresses) if addresses.is_empty() => {
                Err(unresolved("the name has no address".to_owned()))
            }
            Ok(addresses) => Ok(addresses),
            Err(why) => Err(unresolved(plain(&why))),
        }
    }
}

/// The failure of an address that is not used.
pub(super) fn prohibited(host: &Host, address: IpAddr, why: Unusable) -> EgressFailure {
    let host = host.to_string();
    match why {
        Unusable::OutOfReach(why) => EgressFailure::OutOfReach {
            host,
            address,
            why: why.to_string(),
        },
        never => EgressFailure::Prohibited {
            host,
            address,
            why: never.to_string(),
        },
    }
}

/// What the system's resolver says, without its own preface.
fn plain(why: &io::Error) -> String {
    let text = innermost(why);
    text.rsplit(": ").next().unwrap_or(&text).to_lowercase()
}

/// Alternates the families, beginning with the resolver's first choice, so that one which leads nowhere delays
/// the other by one attempt only.
fn in_turn(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        let before = ordered.len();
        ordered.extend(first.next());
        ordered.extend(second.next());
        if ordered.len() == before {
            break;
        }
    }
    ordered.truncate(MAX_ADDRESSES);
    ordered
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Cause;

    fn answering(addresses: &'static [&'static str]) -> Resolver {
        Resolver::new(move |_| {
            let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
            Box::pin(async move { Ok(addresses) })
        })
    }

    fn name(name: &str) -> Host {
        Host::Name(name.to_owned())
    }

    async fn shown(resolver: &Resolver, host: &Host) -> String {
        match resolver.usable(host, 80, Reach::Anywhere).await {
            Ok(addresses) => addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(why) => why.to_string(),
        }
    }

    #[tokio::test]
    async fn only_usable_addresses_are_left_and_families_alternate() {
        let resolver = answering(&[
            "169.254.169.254",
            "2001:db8::1",
            "2001:db8::2",
            "127.0.0.1",
            "192.0.2.1",
            "fe80::1",
        ]);
        insta::assert_snapshot!(
            shown(&resolver, &name("telemetry.example")).await,
            @"[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80"
        );
    }

    #[tokio::test]
    async fn a_name_with_forbidden_addresses_only_is_refused_in_words() {
        let resolver = answering(&["169.254.169.254", "127.0.0.1"]);
        insta::assert_snapshot!(
            shown(&resolver, &name("telemetry.example")).await,
            @"telemetry.example resolves to 169.254.169.254, a link-local address, where telemetry is never sent"
        );
        insta::assert_snapshot!(
            shown(&resolver, &Host::Address("169.254.169.254".parse().unwrap())).await,
            @"169.254.169.254 is a link-local address, where telemetry is never sent"
        );
    }

    #[tokio::test]
    async fn what_is_out_of_reach_is_told_with_its_cause() {
        let refused = async |resolver: &Resolver, host: Host| {
            let addresses = resolver.usable(&host, 80, Reach::PublicOnly).await;
            let failure = addresses.unwrap_err();
            assert_eq!(failure.cause(), Some(Cause::NotPublic));
            failure.to_string()
        };
        let resolver = answering(&["10.1.2.3", "fd00::1"]);
        insta::assert_snapshot!(
            [
                refused(&resolver, name("telemetry.example")).await,
                refused(&resolver, name("localhost")).await,
                refused(&resolver, Host::Address("192.168.1.9".parse().unwrap())).await,
            ]
            .join("\n"),
            @r"
            telemetry.example resolves to 10.1.2.3, a private address, and this sender may reach public addresses only
            localhost resolves to 127.0.0.1, a loopback address, and this sender may reach public addresses only
            192.168.1.9 is a private address, and this sender may reach public addresses only
            "
        );
        let mixed = answering(&["10.1.2.3", "93.184.216.34"]);
        let host = name("telemetry.example");
        let usable = mixed.usable(&host, 80, Reach::PublicOnly).await;
        assert_eq!(usable.unwrap(), ["93.184.216.34:80".parse().unwrap()]);
    }

    #[tokio::test]
    async fn localhost_is_never_asked_of_the_resolver() {
        let resolver = Resolver::new(|name| panic!("asked for {name}"));
        for localhost in ["localhost", "swamp.localhost"] {
            assert_eq!(
                shown(&resolver, &name(localhost)).await,
                "127.0.0.1:80 [::1]:80"
            );
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_named_with_the_reason() {
        let none = answering(&[]);
        let failing = Resolver::new(|_| {
            Box::pin(async {
                Err(io::Error::other(
                    "failed to lookup address information: Name or service not known",
                ))
            })
        });
        insta::assert_snapshot!(
            [
                shown(&none, &name("telemetry.example")).await,
                shown(&failing, &name("telemetry.example")).await,
            ]
            .join("\n"),
            @r"
        could not resolve telemetry.example: the name has no address
        could not resolve telemetry.example: name or service not known
        "
        );
    }

    #[tokio::test]
    async fn the_system_resolver_answers() {
        // An address is a name that needs no network to resolve.
        let addresses = Resolver::system()
            .usable(&name("192.0.2.7"), 9, Reach::Anywhere)
            .await
            .unwrap();
        assert_eq!(addresses, ["192.0.2.7:9".parse().unwrap()]);
    }
}
