//! The proxy variables, read as curl reads them.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::domain::{Cause, Host, Origin, Reason};

use super::environment::{Environment, Variable};
use super::failure::EgressFailure;

/// Where curl assumes a proxy that names no port.
const DEFAULT_PORT: u16 = 1080;

/// A proxy that takes requests over HTTP, or over HTTP inside TLS.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// The variable that names it.
    variable: &'static str,
    pub(super) https: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// The user information of the variable, as a sensitive `Basic` value.
    pub(super) authorization: Option<HeaderValue>,
}

/// Its URL without a password, and the variable that names it.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(
            f,
            "{scheme}://{}:{} ({})",
            self.host, self.port, self.variable
        )
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
        .ok_or_else(|| setting(variable, Cause::ProxyNotText, "is not valid UTF-8"))
}

/// A sentence that does not quote the value, which may hold a password.
fn setting(variable: &Variable, cause: Cause, what: &str) -> EgressFailure {
    let text = format!("the variable {} {what}", variable.name);
    EgressFailure::ProxySetting(Reason::new(cause, text))
}

fn parse(variable: &Variable) -> Result<Proxy, EgressFailure> {
    let value = text(variable)?;
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("socks") {
        return Err(setting(
            variable,
            Cause::ProxyIsSocks,
            "names a SOCKS proxy, and only http and https proxies are supported",
        ));
    }
    let unusable = || {
        setting(
            variable,
            Cause::ProxyNotAnAddress,
            "is not the address of an http or https proxy",
        )
    };
    let https = match scheme.as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(unusable()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (user, address) = match rest[..end].rsplit_once('@') {
        // As curl has it: an `@` of the password is written as %40.
        Some((user, _)) if user.contains('@') => return Err(unusable()),
        Some((user, address)) => (Some(user), address),
        None => (None, &rest[..end]),
    };
    let authority: http::uri::Authority = address.parse().map_err(|_| unusable())?;
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
        variable: variable.name,
        https,
        host,
        port,
        authorization: user.and_then(basic),
    })
}

/// User information as curl takes it: whatever is in it, percent-decoded; what follows
/// the first `:` is the password.
fn basic(user: &str) -> Option<HeaderValue> {
    if user.is_empty() {
        return None;
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = [&decoded(name)[..], b":", &decoded(password)].concat();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes
            .get(at + 1..at + 3)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                plain.push(byte);
                at += 3;
            }
            _ => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    plain
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
