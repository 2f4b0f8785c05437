//! Files of certificates, in the spellings that OpenSSL reads.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The largest file that is read. The usual bundle of all authorities has a fourth of a MiB.
const LONGEST: u64 = 16 << 20;

/// The certificates in a file's content. What is none is passed over.
pub(super) fn certificates(text: &[u8]) -> Vec<CertificateDer<'static>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let text = text
        .replace(" TRUSTED CERTIFICATE-", " CERTIFICATE-")
        .replace(" X509 CERTIFICATE-", " CERTIFICATE-");
    CertificateDer::pem_slice_iter(text.as_bytes())
        .filter_map(Result::ok)
        .map(|certificate| CertificateDer::from(without_trust(&certificate).to_vec()))
        .collect()
}

/// The certificates in the file at `path`.
///
/// # Errors
///
/// When it cannot be read, or has none in its first [`LONGEST`] bytes.
pub(super) fn in_file(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    let found = certificates(&text);
    if found.is_empty() {
        return Err(io::Error::other("it contains none"));
    }
    Ok(found)
}

/// The certificates in the files of a directory. What cannot be read is passed over.
///
/// # Errors
///
/// When the directory cannot be read.
pub(super) fn in_directory(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)?.filter_map(Result::ok) {
        // Whatever else is there could block.
        let is_file = || fs::metadata(entry.path()).is_ok_and(|data| data.is_file());
        if is_file()
            && let Ok(more) = in_file(&entry.path())
        {
            found.extend(more);
        }
    }
    Ok(found)
}

/// The certificate alone: a trusted one has after it what it is trusted for.
fn without_trust(der: &[u8]) -> &[u8] {
    let length = match der {
        [0x30, short @ 0..=0x7f, ..] => 2 + usize::from(*short),
        [0x30, 0x81, a, ..] => 3 + usize::from(*a),
        [0x30, 0x82, a, b, ..] => 4 + (usize::from(*a) << 8 | usize::from(*b)),
        _ => der.len(),
    };
    der.get(..length).unwrap_or(der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::tls::tests::Authority;

    #[test]
    fn a_bundle_is_read_however_it_is_spelled() {
        let file = Authority::new("Test authority").file();
        let pem = fs::read_to_string(file.path()).unwrap();
        let plain = certificates(pem.as_bytes());
        assert_eq!(plain.len(), 1);
        let der = plain[0].to_vec();
        let trusted = [&der[..], &[0x30, 3, 1, 1, 0]].concat();
        assert_eq!(without_trust(&trusted), der);
        for text in [
            format!("\u{feff}{pem}"),
            pem.replace('\n', "\r\n"),
            pem.replace(" CERTIFICATE", " TRUSTED CERTIFICATE"),
            pem.replace(" CERTIFICATE", " X509 CERTIFICATE"),
            format!("# a note\n{pem}\n-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n"),
        ] {
            assert_eq!(certificates(text.as_bytes()), plain, "{text}");
        }
        assert!(certificates(b"no certificate").is_empty());
    }
}
