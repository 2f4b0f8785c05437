//! The proxy variables, read as curl reads them.

use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;

use crate::domain::{Host, Origin};

use super::environment::{Environment, Variable};
use super::failure::EgressFailure;

/// Where curl assumes a proxy that names no port.
const DEFAULT_PORT: u16 = 1080;

/// A proxy that takes requests over HTTP, or over HTTP inside TLS.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) https: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// The user information of the variable, as a sensitive `Basic` value.
    pub(super) authorization: Option<HeaderValue>,
}

/// `host:port`, without a password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proxy that requests to `origin` go through. `None`: they go directly.
///
/// # Errors
///
/// The variable that applies cannot be used. Then nothing is sent: a direct connection would be just what its
/// user does not want.
pub(super) fn for_origin(
    environment: &Environment,
    origin: &Origin,
) -> Result<Option<Proxy>, EgressFailure> {
    if let Some(exceptions) = &environment.no_proxy
        && is_excepted(text(exceptions)?, &origin.host)
    {
        return Ok(None);
    }
    let own = if origin.https {
        &environment.https_proxy
    } else {
        &environment.http_proxy
    };
    match own.as_ref().or(environment.all_proxy.as_ref()) {
        Some(variable) => parse(variable).map(Some),
        None => Ok(None),
    }
}

fn text(variable: &Variable) -> Result<&str, EgressFailure> {
    variable
        .value
        .to_str()
        .ok_or_else(|| setting(variable, "is not valid UTF-8; correct or unset it"))
}

/// A sentence that does not quote the value, which may hold a password.
fn setting(variable: &Variable, what: &str) -> EgressFailure {
    EgressFailure::ProxySetting(format!("the variable {} {what}", variable.name))
}

fn parse(variable: &Variable) -> Result<Proxy, EgressFailure> {
    let value = text(variable)?;
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("socks") {
        return Err(setting(
            variable,
            "names a SOCKS proxy, and only http and https proxies are supported; name one, or put the host in no_proxy",
        ));
    }
    let unusable = || {
        setting(
            variable,
            "is not the address of an http or https proxy; write it as http://HOST:PORT",
        )
    };
    let https = match scheme.as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(unusable()),
    };
    // The matcher knows how user information is decoded. It drops a value that it cannot use, without a word.
    let found = http::Uri::try_from(format!("{scheme}://x"))
        .ok()
        .and_then(|any| {
            let matcher = Matcher::builder().all(format!("{scheme}://{rest}")).build();
            matcher.intercept(&any)
        })
        .ok_or_else(unusable)?;
    let authority = found.uri().authority().ok_or_else(unusable)?;
    // curl forgives a colon without a port only behind a scheme.
    if !value.contains("://") && authority.as_str().ends_with(':') {
        return Err(unusable());
    }
    let host = Origin::of_request(&scheme, authority.as_str())
        .ok_or_else(unusable)?
        .host;
    let port = authority
        .port_u16()
        .unwrap_or(if https { 443 } else { DEFAULT_PORT });
    Ok(Proxy {
        https,
        host,
        port,
        authorization: found.basic_auth().cloned(),
    })
}

/// Whether the list `exceptions` (`no_proxy`) holds `host`.
///
/// Own code, since hyper-util's matcher knows commas only, takes `*` anywhere, and any prefix length for a rule
/// that curl compares exactly. curl 7.88 took IPv6 addresses for names; here they follow its documentation, as
/// they do in its later versions.
fn is_excepted(exceptions: &str, host: &Host) -> bool {
    exceptions == "*"
        || exceptions
            .split([',', ' ', '\t'])
            .filter(|entry| !entry.is_empty())
            .any(|entry| match host {
                Host::Name(name) => name_matches(entry, name),
                Host::Address(address) => address_matches(entry, *address),
            })
}

/// `example.com`, with or without a dot at either end, stands for that name and all below it.
fn name_matches(entry: &str, name: &str) -> bool {
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    let entry = entry
        .strip_prefix('.')
        .unwrap_or(entry)
        .to_ascii_lowercase();
    !entry.is_empty()
        && name
            .strip_suffix(&entry)
            .is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// An address, or a network as `address/bits`. No bits, or 0 of them, means the address itself.
fn address_matches(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = entry.split_once('/').unwrap_or((entry, ""));
    let digits = bits.bytes().take_while(u8::is_ascii_digit).count();
    let bits = match bits[..digits].parse::<u32>() {
        Ok(bits) => bits,
        Err(_) if bits.starts_with('-') || digits > 0 => return false,
        Err(_) => 0,
    };
    let same = |left: u128, right: u128, width: u32| match bits {
        0 => left == right,
        bits if bits > width => false,
        bits => (left ^ right) >> (width - bits) == 0,
    };
    match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            same(u32::from(network).into(), u32::from(address).into(), 32)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => same(network.into(), address.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
