//! How far a sender's requests may go.

use std::io;
use std::net::IpAddr;

/// How far a sender's requests may go. Whatever it is, they go to the endpoint's origin alone, never to an address
/// where telemetry is never sent (link-local, metadata, multicast), and to loopback only where the endpoint names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// To public and to private addresses. For senders that the user trusts, built-in ones, and repositories that are
    /// known.
    #[default]
    Anywhere,
    /// To public addresses alone: none that is private, unique-local, shared address space, loopback or this
    /// machine's own.
    PublicOnly,
}

/// A reach, and what must be known of this machine to hold to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    pub(super) reach: Reach,
    /// This machine's own addresses, where they matter.
    pub(super) own: Vec<IpAddr>,
}

impl Reach {
    /// What addresses are held to, as this machine is right now.
    ///
    /// # Errors
    ///
    /// When the system does not list this machine's addresses. Then none can be used.
    pub(super) fn limits(self) -> io::Result<Limits> {
        let own = match self {
            Self::Anywhere => Vec::new(),
            Self::PublicOnly => own_addresses()?,
        };
        Ok(Limits { reach: self, own })
    }
}

#[cfg(unix)]
fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs()?;
    Ok(interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = || Some(IpAddr::from(address.as_sockaddr_in()?.ip()));
            let v6 = || Some(IpAddr::from(address.as_sockaddr_in6()?.ip()));
            v4().or_else(v6)
        })
        .collect())
}

/// The addresses that this machine's own name has.
#[cfg(not(unix))]
fn own_addresses() -> io::Result<Vec<IpAddr>> {
    use std::net::ToSocketAddrs as _;
    let name = std::env::var("COMPUTERNAME").map_err(io::Error::other)?;
    Ok((name.as_str(), 0)
        .to_socket_addrs()?
        .map(|address| address.ip())
        .collect())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_addresses_are_those_that_it_can_listen_on() {
        let limits = Reach::PublicOnly.limits().unwrap();
        assert!(limits.own.iter().any(IpAddr::is_loopback), "{limits:?}");
        for address in limits.own {
            let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            assert!(
                link_local || std::net::UdpSocket::bind((address, 0)).is_ok(),
                "{address}"
            );
        }
        assert!(Reach::Anywhere.limits().unwrap().own.is_empty());
    }
}
