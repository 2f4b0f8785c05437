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
        let (name, version) = import.split_once('@').unwrap_or((import, ""));
        match find(name) {
            None => Self::NotOffered,
            Some(interface) if interface.versions.has(version) => interface.grant,
            Some(interface) => Self::OtherVersion(interface.versions.in_words()),
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
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    find(name).is_some_and(|interface| interface.usual && interface.versions.has(version))
}

/// In which versions the host offers an interface.
#[derive(Clone, Copy)]
enum Versions {
    /// Every release of WASI 0.2: each has what the earlier ones had.
    Wasi02,
    /// This one alone.
    Exactly(&'static str),
}

impl Versions {
    fn has(self, version: &str) -> bool {
        match self {
            Self::Wasi02 => {
                let patch = version.strip_prefix("0.2.");
                patch.is_some_and(|patch| patch.parse::<u32>().is_ok())
            }
            Self::Exactly(offered) => version == offered,
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Wasi02 => "0.2",
            Self::Exactly(version) => version,
        }
    }
}

struct Interface {
    name: &'static str,
    versions: Versions,
    grant: Grant,
    usual: bool,
}

fn find(name: &str) -> Option<&'static Interface> {
    INTERFACES.iter().find(|interface| interface.name == name)
}

const fn usual(name: &'static str, words: &'static str) -> Interface {
    Interface {
        name,
        versions: Versions::Wasi02,
        grant: Grant::Granted(words),
        usual: true,
    }
}

/// What is not of WASI 0.2, and linked wherever it is wanted.
const fn only(name: &'static str, version: &'static str, words: &'static str) -> Interface {
    Interface {
        versions: Versions::Exactly(version),
        ..usual(name, words)
    }
}

const fn empty(name: &'static str, words: &'static str) -> Interface {
    Interface {
        name,
        versions: Versions::Wasi02,
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

const INTERFACES: [Interface; 33] = [
    only(
        "swamp:telemetry/batch",
        "0.2.0",
        "the fields of the batch's entries",
    ),
    only("swamp:telemetry/types", "0.2.0", "the contract's types"),
    empty("wasi:cli/environment", ENVIRONMENT),
    Interface {
        usual: false,
        ..usual("wasi:cli/exit", "exit: ends the batch as a failure")
    },
    usual("wasi:cli/stderr", OUTPUT),
    Interface {
        usual: true,
        ..empty("wasi:cli/stdin", INPUT)
    },
    usual("wasi:cli/stdout", OUTPUT),
    empty("wasi:cli/terminal-input", TERMINAL),
    empty("wasi:cli/terminal-output", TERMINAL),
    empty("wasi:cli/terminal-stderr", TERMINAL),
    empty("wasi:cli/terminal-stdin", TERMINAL),
    empty("wasi:cli/terminal-stdout", TERMINAL),
    usual("wasi:clocks/monotonic-clock", TIME),
    usual("wasi:clocks/wall-clock", TIME),
    only(
        "wasi:config/store",
        "0.2.0-rc.1",
        "configuration: the sender's options",
    ),
    empty("wasi:filesystem/preopens", FILES),
    empty("wasi:filesystem/types", FILES),
    usual(
        "wasi:http/outgoing-handler",
        "HTTP: POST and PUT to the endpoint's origin",
    ),
    usual("wasi:http/types", "HTTP: requests and answers"),
    usual("wasi:io/error", STREAMS),
    usual("wasi:io/poll", STREAMS),
    usual("wasi:io/streams", STREAMS),
    Interface {
        usual: false,
        ..usual("wasi:random/insecure", RANDOM)
    },
    Interface {
        usual: false,
        ..usual("wasi:random/insecure-seed", RANDOM)
    },
    only("wasi:logging/logging", "0.1.0-draft", OUTPUT),
    usual("wasi:random/random", RANDOM),
    empty("wasi:sockets/instance-network", SOCKETS),
    empty("wasi:sockets/ip-name-lookup", SOCKETS),
    empty("wasi:sockets/network", SOCKETS),
    empty("wasi:sockets/tcp", SOCKETS),
    empty("wasi:sockets/tcp-create-socket", SOCKETS),
    empty("wasi:sockets/udp", SOCKETS),
    empty("wasi:sockets/udp-create-socket", SOCKETS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_0_2_is_offered_in_all_its_versions_and_the_rest_in_one() {
        for (import, offered) in [
            ("wasi:http/types@0.2.0", true),
            ("wasi:http/types@0.2.99", true),
            ("wasi:http/types@0.3.0", false),
            ("wasi:http/types@0.2.0-rc-2023-11-10", false),
            ("wasi:http/types", false),
            ("wasi:http/incoming-handler@0.2.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
            ("wasi:config/store@0.2.0-rc.1", true),
            ("wasi:config/store@0.2.0", false),
            ("wasi:logging/logging@0.1.0-draft", true),
            ("wasi:logging/logging@0.1.0", false),
            ("swamp:telemetry/batch@0.2.0", true),
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
            "wasi:http/types@0.3.0",
            "wasi:http/client@0.3.0",
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
        not offered in this version: this host has 0.2
        not offered by this host
        not offered by this host
        not offered by this host
        ");
    }
}
