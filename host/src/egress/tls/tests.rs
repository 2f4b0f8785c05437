//! The handshake against certificates made for the purpose.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority that signs certificates for the length of a test.
pub(in super::super) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(in super::super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self {
            certificate,
            issuer,
        }
    }

    /// A file of its certificate, to trust.
    pub(in super::super) fn file(&self) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(self.certificate.pem().as_bytes()).unwrap();
        file
    }

    /// A server's configuration with a certificate for `host`, changed by `change`.
    pub(in super::super) fn server(
        &self,
        host: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server(&certificate, &key, rustls::DEFAULT_VERSIONS)
    }

    /// A server's configuration with a certificate for `host`, for these versions of TLS only.
    pub(in super::super) fn server_of(
        &self,
        host: &str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server(&certificate, &key, versions)
    }
}

fn server(
    certificate: &Certificate,
    key: &KeyPair,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// Serves one connection: a byte for a byte.
async fn serve(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            let byte = stream.read_u8().await.unwrap();
            stream.write_u8(byte).await.unwrap();
        }
    });
    address
}

fn trusting(file: &Path) -> Tls {
    Tls::new(Environment::read(|name| {
        (name == "SSL_CERT_FILE").then(|| file.as_os_str().to_owned())
    }))
}

/// Connects to a server for `localhost`, and says how that went.
async fn outcome(tls: &Tls, address: SocketAddr) -> String {
    let tcp = TcpStream::connect(address).await.unwrap();
    let host = Host::Name("localhost".to_owned());
    match tls.connect(&host, "localhost:443", tcp).await {
        Ok(mut stream) => {
            stream.write_u8(7).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), 7);
            "connected".to_owned()
        }
        Err(why) => why.to_string(),
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_good_for_its_hosts() {
    let authority = Authority::new("ours");
    let file = authority.file();
    let tls = trusting(file.path());
    let address = serve(authority.server("localhost", |_| {})).await;
    assert_eq!(outcome(&tls, address).await, "connected");

    let address = serve(authority.server("127.0.0.1", |_| {})).await;
    let tcp = TcpStream::connect(address).await.unwrap();
    let host = Host::Address(address.ip());
    assert!(tls.connect(&host, "127.0.0.1:443", tcp).await.is_ok());
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_apart() {
    let authority = Authority::new("ours");
    let file = authority.file();
    let tls = trusting(file.path());
    let expired = authority.server("localhost", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let early = authority.server("localhost", |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    let stranger = Authority::new("stranger").server("localhost", |_| {});
    let namesake = Authority::new("ours").server("localhost", |_| {});
    let own_key = KeyPair::generate().unwrap();
    let mut own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    own.distinguished_name.push(DnType::CommonName, "self");
    let own = server(
        &own.self_signed(&own_key).unwrap(),
        &own_key,
        rustls::DEFAULT_VERSIONS,
    );
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = server(
        &ca.self_signed(&ca_key).unwrap(),
        &ca_key,
        rustls::DEFAULT_VERSIONS,
    );
    let elsewhere = authority.server("elsewhere.example", |_| {});
    let mut told = Vec::new();
    for (what, config) in [
        ("expired", expired),
        ("early", early),
        ("stranger", stranger),
        ("namesake", namesake),
        ("self-signed", own),
        ("self-signed authority", ca),
        ("elsewhere", elsewhere),
    ] {
        let address = serve(config).await;
        told.push(format!("{what}: {}", outcome(&tls, address).await));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    expired: the certificate of localhost:443 has expired
    early: the certificate of localhost:443 is not valid yet
    stranger: the certificate of localhost:443 is not signed by an authority that this machine trusts
    namesake: the certificate of localhost:443 is not signed by an authority that this machine trusts
    self-signed: the certificate of localhost:443 is not signed by an authority that this machine trusts
    self-signed authority: the certificate of localhost:443 is the certificate of a self-signed authority, which cannot serve a host
    elsewhere: the certificate of localhost:443 is for another host
    ");
}

#[tokio::test]
async fn what_is_no_tls_server_is_told_as_such() {
    let authority = Authority::new("ours");
    let file = authority.file();
    let tls = trusting(file.path());
    let mut told = Vec::new();
    for says in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(says).await;
        });
        told.push(outcome(&tls, address).await);
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    the TLS handshake with localhost:443 failed: it does not speak TLS
    the TLS handshake with localhost:443 failed: it closed the connection
    ");
}

#[tokio::test]
async fn a_certificate_file_that_is_of_no_use_is_a_failure_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("empty.pem"), "").unwrap();
    std::fs::write(at("text.pem"), "not a certificate").unwrap();
    std::fs::write(
        at("broken.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let mut told = Vec::new();
    for name in ["missing.pem", "empty.pem", "text.pem", "broken.pem", "."] {
        let why = trusting(&at(name)).config().await.unwrap_err().to_string();
        told.push(why.replace(&*directory.path().to_string_lossy(), "DIR"));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
            found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: DIR/missing.pem: no such file or directory
            found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: DIR/empty.pem: it contains none
            found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: DIR/text.pem: it contains none
            found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: none in DIR/broken.pem can be used as a root
            found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: DIR/.: is a directory
            ");
}

#[tokio::test]
async fn what_is_missing_of_the_certificates_is_passed_over_where_there_are_others() {
    let authority = Authority::new("ours");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), authority.certificate.pem()).unwrap();
    let file = authority.file();
    let missing = directory.path().join("missing");
    let directories = std::env::join_paths([&missing, directory.path()]).unwrap();
    for (file, directories) in [
        (missing.as_os_str(), directories.as_os_str()),
        (file.path().as_os_str(), missing.as_os_str()),
    ] {
        let address = serve(authority.server("localhost", |_| {})).await;
        let tls = Tls::new(Environment::read(|name| match name {
            "SSL_CERT_FILE" => Some(file.to_owned()),
            "SSL_CERT_DIR" => Some(directories.to_owned()),
            _ => None,
        }));
        assert_eq!(outcome(&tls, address).await, "connected");
    }
}

#[tokio::test]
async fn a_certificate_directory_is_searched_and_must_hold_one() {
    let authority = Authority::new("ours");
    let full = tempfile::tempdir().unwrap();
    std::fs::write(full.path().join("ca.pem"), authority.certificate.pem()).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let searching = |path: &Path| {
        Tls::new(Environment::read(|name| {
            (name == "SSL_CERT_DIR").then(|| path.as_os_str().to_owned())
        }))
    };
    let address = serve(authority.server("localhost", |_| {})).await;
    assert_eq!(outcome(&searching(full.path()), address).await, "connected");
    let why = searching(empty.path())
        .config()
        .await
        .unwrap_err()
        .to_string();
    insta::assert_snapshot!(why.replace(&*empty.path().to_string_lossy(), "DIR"), @"found no certificates through SSL_CERT_FILE and SSL_CERT_DIR: DIR: it contains none");
}
