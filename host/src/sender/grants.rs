//! What a sender may import, and what it gets for it: the one table by which components are linked, inspected and
//! refused.

/// What the host gives a component that imports an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// What these words say.
    Granted(&'static str),
    /// The interface works, but there is nothing behind it.
    Empty(&'static str),
    /// The host has the interface, but only in this version.
    OtherVersion(&'static str),
    /// The host does not have it.
    NotOffered,
}

impl Grant {
    /// What a component gets that imports `import`, an interface's name with its version.
    #[must_use]
    pub fn of(import: &str) -> Self {
        match named(import) {
            (_, Some(interface)) => interface.grant,
            (Some(other), None) => Self::OtherVersion(other.versions.in_words()),
            (None, None) => Self::NotOffered,
        }
    }

    /// Whether a component that imports it can run.
    #[must_use]
    pub const fn is_offered(self) -> bool {
        matches!(self, Self::Granted(_) | Self::Empty(_))
    }

    /// In words: `files: none`.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Granted(words) | Self::Empty(words) => words.to_owned(),
            Self::OtherVersion(version) => {
                format!("not offered in this version: this host has {version}")
            }
            Self::NotOffered => "not offered by this host".to_owned(),
        }
    }
}

/// Whether `import` is among what a sender imports that does nothing but post. The rest of WASI, five times as many
/// functions, is linked only for a component that wants some of it.
pub(super) fn is_usual(import: &str) -> bool {
    named(import).1.is_some_and(|interface| interface.usual)
}

/// Whether `import` is an interface of WASI 0.3, whatever the release, offered or not.
pub(super) fn is_wasi_0_3(import: &str) -> bool {
    let named = import.split_once('@');
    named.is_some_and(|(name, version)| name.starts_with("wasi:") && version.starts_with("0.3."))
}

/// In which versions the host offers an interface.
#[derive(Clone, Copy)]
enum Versions {
    /// Every release of WASI 0.2: each has what the earlier ones had.
    Wasi02,
    /// Likewise of WASI 0.3.
    Wasi03,
    /// Of both.
    Wasi,
    /// The contracts that have it.
    Contracts,
    /// This one alone.
    Exactly(&'static str),
}

impl Versions {
    fn has(self, version: &str) -> bool {
        let is_release_of = |minor: &str| {
            let patch = version.strip_prefix(minor);
            patch.is_some_and(|patch| patch.parse::<u32>().is_ok())
        };
        match self {
            Self::Wasi02 => is_release_of("0.2."),
            Self::Wasi03 => is_release_of("0.3."),
            Self::Wasi => is_release_of("0.2.") || is_release_of("0.3."),
            Self::Contracts => ["0.2.0", "0.3.0"].contains(&version),
            Self::Exactly(offered) => version == offered,
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Wasi02 => "0.2",
            Self::Wasi03 => "0.3",
            Self::Wasi => "0.2 and 0.3",
            Self::Contracts => "0.2.0 and 0.3.0",
            Self::Exactly(version) => version,
        }
    }
}

use Versions::{Contracts, Exactly, Wasi, Wasi02, Wasi03};

struct Interface {
    name: &'static str,
    versions: Versions,
    grant: Grant,
    usual: bool,
}

/// The interface that has the name of `import`, if any, and the same if it has the version, too.
fn named(import: &str) -> (Option<&'static Interface>, Option<&'static Interface>) {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    let found = INTERFACES.iter().find(|interface| interface.name == name);
    (
        found,
        found.filter(|interface| interface.versions.has(version)),
    )
}

const fn usual(name: &'static str, versions: Versions, words: &'static str) -> Interface {
    Interface {
        name,
        versions,
        grant: Grant::Granted(words),
        usual: true,
    }
}

const fn empty(name: &'static str, versions: Versions, words: &'static str) -> Interface {
    Interface {
        name,
        versions,
        grant: Grant::Empty(words),
        usual: false,
    }
}

const STREAMS: &str = "streams and waiting";
const TIME: &str = "the time";
const RANDOM: &str = "random numbers";
const OUTPUT: &str = "output: to the debug log";
const ENVIRONMENT: &str = "environment and arguments: none";
const INPUT: &str = "input: none";
const TERMINAL: &str = "terminal: none";
const FILES: &str = "filesystem: none";
const SOCKETS: &str = "sockets: none";

const HTTP: &str = "HTTP: POST and PUT to the endpoint's origin";

const INTERFACES: [Interface; 38] = [
    usual(
        "swamp:telemetry/batch",
        Contracts,
        "the fields of the batch's entries",
    ),
    usual("swamp:telemetry/types", Contracts, "the contract's types"),
    empty("wasi:cli/environment", Wasi, ENVIRONMENT),
    Interface {
        usual: false,
        ..usual("wasi:cli/exit", Wasi, "exit: ends the batch as a failure")
    },
    usual("wasi:cli/stderr", Wasi, OUTPUT),
    Interface {
        usual: true,
        ..empty("wasi:cli/stdin", Wasi, INPUT)
    },
    usual("wasi:cli/stdout", Wasi, OUTPUT),
    empty("wasi:cli/terminal-input", Wasi, TERMINAL),
    empty("wasi:cli/terminal-output", Wasi, TERMINAL),
    empty("wasi:cli/terminal-stderr", Wasi, TERMINAL),
    empty("wasi:cli/terminal-stdin", Wasi, TERMINAL),
    empty("wasi:cli/terminal-stdout", Wasi, TERMINAL),
    usual("wasi:cli/types", Wasi03, OUTPUT),
    usual("wasi:clocks/monotonic-clock", Wasi, TIME),
    usual("wasi:clocks/system-clock", Wasi03, TIME),
    usual("wasi:clocks/types", Wasi03, TIME),
    usual("wasi:clocks/wall-clock", Wasi02, TIME),
    usual(
        "wasi:config/store",
        Exactly("0.2.0-rc.1"),
        "configuration: the sender's options",
    ),
    empty("wasi:filesystem/preopens", Wasi, FILES),
    empty("wasi:filesystem/types", Wasi, FILES),
    usual("wasi:http/client", Wasi03, HTTP),
    usual("wasi:http/outgoing-handler", Wasi02, HTTP),
    usual("wasi:http/types", Wasi, "HTTP: requests and answers"),
    usual("wasi:io/error", Wasi02, STREAMS),
    usual("wasi:io/poll", Wasi02, STREAMS),
    usual("wasi:io/streams", Wasi02, STREAMS),
    Interface {
        usual: false,
        ..usual("wasi:random/insecure", Wasi, RANDOM)
    },
    Interface {
        usual: false,
        ..usual("wasi:random/insecure-seed", Wasi, RANDOM)
    },
    usual("wasi:logging/logging", Exactly("0.1.0-draft"), OUTPUT),
    usual("wasi:random/random", Wasi, RANDOM),
    empty("wasi:sockets/instance-network", Wasi02, SOCKETS),
    empty("wasi:sockets/ip-name-lookup", Wasi, SOCKETS),
    empty("wasi:sockets/network", Wasi02, SOCKETS),
    empty("wasi:sockets/tcp", Wasi02, SOCKETS),
    empty("wasi:sockets/tcp-create-socket", Wasi02, SOCKETS),
    empty("wasi:sockets/types", Wasi03, SOCKETS),
    empty("wasi:sockets/udp", Wasi02, SOCKETS),
    empty("wasi:sockets/udp-create-socket", Wasi02, SOCKETS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_is_offered_in_all_its_releases_and_the_rest_in_the_versions_that_are_named() {
        for (import, offered) in [
            ("wasi:http/types@0.2.0", true),
            ("wasi:http/types@0.2.99", true),
            ("wasi:http/types@0.3.0", true),
            ("wasi:http/types@0.3.2", true),
            ("wasi:http/types@0.4.0", false),
            ("wasi:http/types@0.2.0-rc-2023-11-10", false),
            ("wasi:http/types@0.3.0-rc-2026-03-15", false),
            ("wasi:http/client@0.3.0", true),
            ("wasi:http/client@0.2.0", false),
            ("wasi:http/outgoing-handler@0.3.0", false),
            ("wasi:clocks/wall-clock@0.3.0", false),
            ("wasi:clocks/system-clock@0.3.0", true),
            ("wasi:http/types", false),
            ("wasi:http/incoming-handler@0.2.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
            ("wasi:config/store@0.2.0-rc.1", true),
            ("wasi:config/store@0.2.0", false),
            ("wasi:logging/logging@0.1.0-draft", true),
            ("wasi:logging/logging@0.1.0", false),
            ("swamp:telemetry/batch@0.2.0", true),
            ("swamp:telemetry/batch@0.3.0", true),
            ("swamp:telemetry/batch@0.1.0", false),
            ("swamp:telemetry/batch@0.2.1", false),
            ("run", false),
        ] {
            assert_eq!(Grant::of(import).is_offered(), offered, "{import}");
        }
    }

    #[test]
    fn imports_are_told_in_plain_words() {
        let told = [
            "wasi:filesystem/types@0.2.6",
            "wasi:sockets/tcp@0.2.0",
            "wasi:cli/environment@0.2.6",
            "wasi:cli/exit@0.2.6",
            "wasi:http/outgoing-handler@0.2.4",
            "wasi:http/types@0.4.0",
            "wasi:http/client@0.3.0",
            "wasi:http/client@0.3.0-rc-2026-03-15",
            "wasi:keyvalue/store@0.2.0",
            "env",
        ]
        .map(|name| Grant::of(name).in_words());
        insta::assert_snapshot!(told.join("\n"), @r"
        filesystem: none
        sockets: none
        environment and arguments: none
        exit: ends the batch as a failure
        HTTP: POST and PUT to the endpoint's origin
        not offered in this version: this host has 0.2 and 0.3
        HTTP: POST and PUT to the endpoint's origin
        not offered in this version: this host has 0.3
        not offered by this host
        not offered by this host
        ");
    }
}
