//! The environment variables that say how requests leave the machine, read once at the edge.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::variables;

/// The environment variables that say how requests leave the machine.
///
/// A variable that is set to nothing counts as unset, as it does for curl.
#[derive(Clone, Default)]
pub struct Environment {
    pub(super) http_proxy: Option<Variable>,
    pub(super) https_proxy: Option<Variable>,
    pub(super) all_proxy: Option<Variable>,
    pub(super) no_proxy: Option<Variable>,
    pub(super) certificate_file: Option<Box<Path>>,
    pub(super) certificate_directories: Option<Box<OsStr>>,
}

/// A variable that was set, under the name that was found.
#[derive(Clone)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) value: Box<OsStr>,
}

/// A proxy's value may hold a password.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=<REDACTED>", self.name)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("http_proxy", &self.http_proxy)
            .field("https_proxy", &self.https_proxy)
            .field("all_proxy", &self.all_proxy)
            .field("no_proxy", &self.no_proxy)
            .field("certificate_file", &self.certificate_file)
            .field("certificate_directories", &self.certificate_directories)
            .finish()
    }
}

impl Environment {
    /// Reads the variables by `lookup`, such as `|name| std::env::var_os(name)`.
    #[must_use]
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &'static str| {
            let value = lookup(name).filter(|value| !value.is_empty())?;
            Some(Variable {
                name,
                value: value.into(),
            })
        };
        Self {
            // Never HTTP_PROXY: in a CGI program a client's header of the name Proxy becomes that variable.
            http_proxy: set(variables::HTTP_PROXY),
            https_proxy: set(variables::HTTPS_PROXY).or_else(|| set("HTTPS_PROXY")),
            all_proxy: set(variables::ALL_PROXY).or_else(|| set("ALL_PROXY")),
            no_proxy: set(variables::NO_PROXY).or_else(|| set("NO_PROXY")),
            certificate_file: set(variables::CERT_FILE)
                .map(|found| PathBuf::from(found.value.into_os_string()).into()),
            certificate_directories: set(variables::CERT_DIR).map(|found| found.value),
        }
    }
}
