//! TLS against the roots that this machine, or its user, trusts.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::domain::{Cause, Host, Reason, shown};

use super::bundle;
use super::detached::detached;
use super::environment::Environment;
use super::failure::{EgressFailure, innermost};

/// Makes TLS connections. The roots are read when the first one is made, and kept.
#[derive(Debug)]
pub(super) struct Tls {
    environment: Environment,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(environment: Environment) -> Self {
        Self {
            environment,
            config: OnceCell::new(),
        }
    }

    /// Shakes hands with `host` over `transport`. `shown` is its name in an error.
    pub(super) async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &Host,
        shown: &str,
        transport: T,
    ) -> Result<TlsStream<T>, EgressFailure> {
        let name = match host {
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|why| EgressFailure::Handshake {
                    with: shown.to_owned(),
                    why: why.to_string(),
                })?
            }
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let config = self.config().await?;
        TlsConnector::from(config)
            .connect(name, transport)
            .await
            .map_err(|error| of_handshake(&error, shown))
    }

    /// Reads the roots now, so that a failure to do so comes before anything is connected.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, EgressFailure> {
        let load = || async {
            let environment = self.environment.clone();
            // Not here and now: a certificate file may be a pipe that nobody writes to.
            detached("certificates", move || config(&environment))
                .await
                .map_err(|why| EgressFailure::NoRoots {
                    why: why.to_string(),
                })?
        };
        self.config.get_or_try_init(load).await.cloned()
    }
}

fn config(environment: &Environment) -> Result<Arc<ClientConfig>, EgressFailure> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates(environment)?);
    if usable == 0 {
        return Err(match &environment.certificate_file {
            Some(path) => EgressFailure::NamedCertificates {
                why: vec![format!("none in {} can be used as a root", shown(path))],
            },
            None => EgressFailure::NoRoots {
                why: "found none that can be used".to_owned(),
            },
        });
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|why| EgressFailure::NoRoots {
            why: why.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates to trust: what the environment names, and nothing else where it names something. Of what it names,
/// parts may be missing, as for OpenSSL.
fn certificates(environment: &Environment) -> Result<Vec<CertificateDer<'static>>, EgressFailure> {
    let mut found = Vec::new();
    let mut why = Vec::new();
    if let Some(path) = &environment.certificate_file {
        match bundle::in_file(path) {
            Ok(more) => found.extend(more),
            Err(error) => why.push(format!("{}: {}", shown(path), innermost(&error))),
        }
    }
    if let Some(directories) = &environment.certificate_directories {
        for path in std::env::split_paths(directories).filter(|path| path != &PathBuf::new()) {
            match bundle::in_directory(&path) {
                Ok(more) if more.is_empty() => {
                    why.push(format!("{}: it contains none", shown(&path)));
                }
                Ok(more) => found.extend(more),
                Err(error) => why.push(format!("{}: {}", shown(&path), innermost(&error))),
            }
        }
    }
    if environment.certificate_file.is_some() || environment.certificate_directories.is_some() {
        return if found.is_empty() {
            Err(EgressFailure::NamedCertificates { why })
        } else {
            Ok(found)
        };
    }
    let loaded = rustls_native_certs::load_native_certs();
    if loaded.certs.is_empty() {
        return Err(EgressFailure::NoRoots {
            why: reason(&loaded.errors, "none were found"),
        });
    }
    Ok(loaded.certs)
}

fn reason(errors: &[rustls_native_certs::Error], otherwise: &str) -> String {
    errors
        .first()
        .map_or_else(|| otherwise.to_owned(), |error| innermost(error))
}

fn of_handshake(error: &io::Error, shown: &str) -> EgressFailure {
    let certificate = |why: Reason| EgressFailure::Certificate {
        of: shown.to_owned(),
        why,
    };
    let handshake = |why: &str| EgressFailure::Handshake {
        with: shown.to_owned(),
        why: why.to_owned(),
    };
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                certificate("has expired".into())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                certificate(Reason::new(
                    Cause::CertificateNotYetValid,
                    "is not valid yet",
                ))
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                certificate("is for another host".into())
            }
            // A bad signature is mostly that of another authority of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                certificate(Reason::new(
                    Cause::UnknownAuthority,
                    "is not signed by an authority that this machine trusts",
                ))
            }
            CertificateError::Other(other) if is_ca_as_server(other) => certificate(Reason::new(
                Cause::AuthorityCertificate,
                "is the certificate of a self-signed authority, which cannot serve a host",
            )),
            CertificateError::Revoked => certificate("was revoked".into()),
            other => certificate(format!("is not acceptable: {other}").into()),
        },
        Some(rustls::Error::InvalidMessage(_)) => handshake("it does not speak TLS"),
        Some(rustls::Error::AlertReceived(alert)) => {
            handshake(&format!("it refused, with the alert {alert:?}"))
        }
        Some(other) => handshake(&other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            handshake("it closed the connection")
        }
        None => handshake(&innermost(error)),
    }
}

fn is_ca_as_server(error: &rustls::OtherError) -> bool {
    error.0.to_string().contains("CaUsedAsEndEntity")
}

#[cfg(test)]
pub(super) mod tests;
