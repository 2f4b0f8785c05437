//! Why something failed: a sentence for people, and a fact that a hint can be made from.

use std::error::Error;
use std::fmt;
use std::io;

/// Defines [`Cause`], and its words for records and JSON, in one table.
macro_rules! causes {
    ($($(#[$meta:meta])* $name:ident = $word:literal,)*) => {
        /// A cause that a person can remove. It says what is wrong; what to do about it is the command line's to say.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$meta])* $name,)*
        }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// One stable word, for records and machines.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

causes! {
    /// The address is not public, and the sender may reach public addresses only.
    NotPublic = "not-public",
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` lead to no certificates.
    NamedCertificates = "named-certificates",
    /// This machine has no trusted certificates.
    NoCertificates = "no-certificates",
    /// The certificate is not valid yet.
    CertificateNotYetValid = "certificate-not-yet-valid",
    /// No authority that this machine trusts has signed the certificate.
    UnknownAuthority = "unknown-authority",
    /// The certificate is an authority's own, not a host's.
    AuthorityCertificate = "authority-certificate",
    /// A proxy variable is not valid UTF-8.
    ProxyNotText = "proxy-not-text",
    /// A proxy variable names a SOCKS proxy.
    ProxyIsSocks = "proxy-is-socks",
    /// A proxy variable is not the address of an http or https proxy.
    ProxyNotAnAddress = "proxy-not-an-address",
    /// The port of the endpoint speaks HTTP/2.
    SpeaksHttp2 = "speaks-http2",
    /// The port of an http endpoint speaks TLS.
    SpeaksTls = "speaks-tls",
    /// The component is a core module.
    CoreModule = "core-module",
    /// The component is in WebAssembly's text format.
    TextFormat = "text-format",
    /// The component needs a WebAssembly feature that this host does not run.
    UnsupportedFeature = "unsupported-feature",
    /// A function of the component is not async, and its contract requires that.
    NotAsync = "not-async",
    /// The component needs asynchronous calls, which this host has for another version of the contract only.
    AsyncContract = "async-contract",
    /// The component is for a version of the contract that this host does not run.
    UnsupportedContract = "unsupported-contract",
    /// A process may not use enough address space.
    AddressSpaceLimit = "address-space-limit",
    /// A process may not use enough processor time.
    ProcessorTimeLimit = "processor-time-limit",
    /// A process may not write files that are large enough.
    FileSizeLimit = "file-size-limit",
    /// No memory may be made executable.
    ExecutableMemory = "executable-memory",
    /// The user's headers are left out, since the sender is not trusted.
    UntrustedSender = "untrusted-sender",
    /// The path of a directory or of this program is not Unicode, which Windows needs to start a process.
    PathNotUnicode = "path-not-unicode",
    /// A file or directory of the repository belongs to another user.
    OtherOwner = "other-owner",
    /// One of this user's own files or directories belongs to another user.
    NotYours = "not-yours",
    /// Everybody can write one of this user's own files or directories.
    WritableByAll = "writable-by-all",
    /// Other members of its group can write one of this user's own files or directories.
    WritableByGroup = "writable-by-group",
}

impl Cause {
    /// The cause of this word. `None` for a word of another version.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|cause| cause.as_str() == word)
    }

    /// The cause of an I/O error that was made from a [`Reason`].
    #[must_use]
    pub fn of_io(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Reason>()?.cause
    }
}

/// Why something failed, in one sentence, and the [`Cause`] where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    text: String,
    cause: Option<Cause>,
}

impl Reason {
    /// A reason with a cause.
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            cause: Some(cause),
        }
    }

    /// The sentence that `error` says, and its cause, if it has one.
    pub fn of(error: &impl Error, cause: Option<Cause>) -> Self {
        Self {
            text: error.to_string(),
            cause,
        }
    }

    /// The cause, where there is one.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// The same cause with another text.
    #[must_use]
    pub fn with_text(&self, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            cause: self.cause,
        }
    }

    /// This as an I/O error of the kind `kind`. [`Cause::of_io`] finds its cause again.
    #[must_use]
    pub fn into_io(self, kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, self)
    }

    /// This for a file or a pipe: a line with the cause, where there is one, then the text.
    #[must_use]
    pub fn to_record(&self) -> String {
        match self.cause {
            Some(cause) => format!("{}\n{}", cause.as_str(), self.text),
            None => self.text.clone(),
        }
    }

    /// Reads what [`to_record`](Self::to_record) gave. Whatever has no cause's word in its first line is all text.
    #[must_use]
    pub fn from_record(record: &str) -> Self {
        let parts = record.split_once('\n');
        let found = parts.and_then(|(word, text)| Some((Cause::parse(word)?, text)));
        match found {
            Some((cause, text)) => Self::new(cause, text),
            None => record.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Reason {}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, cause: None }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// With the cause that the error was made with.
impl From<&io::Error> for Reason {
    fn from(error: &io::Error) -> Self {
        Self::of(error, Cause::of_io(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_the_cause_and_the_text_and_an_older_one_is_all_text() {
        for cause in Cause::ALL {
            let reason = Reason::new(*cause, "one line\nand another");
            assert_eq!(Reason::from_record(&reason.to_record()), reason);
            assert_eq!(Cause::parse(cause.as_str()), Some(*cause));
        }
        for text in [
            "",
            "core-module",
            "no-such-cause\ntext",
            "it is a core module",
        ] {
            assert_eq!(Reason::from_record(text), Reason::from(text));
            assert_eq!(Reason::from(text).to_record(), text);
        }
    }

    #[test]
    fn an_io_error_keeps_the_cause_that_it_was_made_with() {
        let reason = Reason::new(Cause::OtherOwner, "it belongs to eve");
        let error = reason.clone().into_io(io::ErrorKind::Other);
        assert_eq!(Reason::from(&error), reason);
        assert_eq!(Cause::of_io(&io::Error::other("disk")), None);
    }
}
