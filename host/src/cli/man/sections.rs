//! What a manual page has besides the command line's own description: examples, environment, files, exit status.

use clap_mangen::roff::{Inline, Roff, bold, roman};
use swamp::domain::variables::{self, DOCUMENTED};

/// The files that the program reads and writes, each with what it is.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        ".swamp.yaml",
        "The settings of a repository: the nearest one at or above the current directory.",
    ),
    (
        ".swamp/telemetry",
        "The spool: one JSON file for each entry, until it is sent or expires.",
    ),
    (
        ".swamp/senders",
        "Senders that `swamp sender use` has copied into the repository.",
    ),
    (
        "~/.config/swamp/config.yaml",
        "The user's own settings: an off switch, which senders may run, and headers for endpoints.",
    ),
    (
        "~/.local/state/swamp/trust.json",
        "What the user has allowed for repositories and their senders.",
    ),
    (
        "~/.local/state/swamp/install-id",
        "The random id of this machine, after `swamp telemetry install-id on`.",
    ),
    (
        "~/.local/state/swamp/cache.key",
        "The secret that protects the cache of compiled senders.",
    ),
    ("~/.cache/swamp/components", "Compiled senders."),
];

/// What the exit status of every command means, but for those of [`PAGES`] that have their own.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "The command succeeded."),
    (
        "1",
        "It failed; the reason is on stderr, or with --json in the answer.",
    ),
    ("2", "The command line is wrong."),
    (
        "130",
        "Ctrl-C ended it. swamp ends by SIGINT itself, which shells report as 130.",
    ),
];

/// What the page of one command has.
struct Extra {
    /// The name of the page.
    page: &'static str,
    /// Command lines, each with what it does.
    examples: &'static [(&'static str, &'static str)],
    /// Names of [`DOCUMENTED`] variables.
    environment: &'static [&'static str],
    /// Names of [`FILES`].
    files: &'static [&'static str],
    /// Instead of [`EXIT_STATUS`], where there are any.
    exit_status: &'static [(&'static str, &'static str)],
}

const NONE: Extra = Extra {
    page: "",
    examples: &[],
    environment: &[],
    files: &[],
    exit_status: &[],
};

const PAGES: &[Extra] = &[
    Extra {
        page: "swamp",
        examples: &[
            ("swamp demo", "Run everything once in a scratch directory."),
            (
                "swamp init --endpoint https://telemetry.example.com",
                "Set up telemetry in this directory.",
            ),
            (
                "swamp status",
                "Show where telemetry goes and what is pending.",
            ),
            (
                "swamp doctor",
                "Check that it works, and print a fix for each problem.",
            ),
            (
                "swamp exec -- make all",
                "Run a program and record it as an invocation.",
            ),
            (
                "swamp telemetry disable",
                "Turn telemetry off in this repository.",
            ),
        ],
        ..NONE
    },
    Extra {
        page: "swamp-init",
        examples: &[(
            "swamp init --endpoint http://127.0.0.1:8090",
            "Set up telemetry here, and send it to `swamp telemetry receive` on this machine.",
        )],
        files: &[
            ".swamp.yaml",
            ".swamp/telemetry",
            "~/.local/state/swamp/trust.json",
        ],
        ..NONE
    },
    Extra {
        page: "swamp-exec",
        examples: &[
            (
                "swamp exec -- cargo build --release",
                "Record a build: its name, option names, result and duration.",
            ),
            (
                "swamp exec --name deploy --subcommands run,rollback -- ./deploy.sh run production",
                "Record `deploy run` and redact the rest.",
            ),
        ],
        environment: &[variables::FLUSH, variables::NO_TELEMETRY],
        files: &[".swamp.yaml", ".swamp/telemetry"],
        exit_status: &[
            ("126", "The program cannot be executed."),
            ("127", "There is no such program."),
            (
                "other",
                "The exit status of the program; swamp ends by the signal that ended it.",
            ),
        ],
    },
    Extra {
        page: "swamp-telemetry",
        examples: &[
            (
                "swamp telemetry list --result error",
                "List the failures that are in the spool.",
            ),
            (
                "swamp telemetry flush --all",
                "Send all pending entries now.",
            ),
        ],
        files: &[".swamp/telemetry"],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-flush",
        examples: &[
            (
                "swamp telemetry flush --dry-run",
                "Print the request for the next batch.",
            ),
            ("swamp telemetry flush --all", "Send all pending entries."),
        ],
        environment: &[
            variables::ENDPOINT,
            variables::HTTP_PROXY,
            variables::HTTPS_PROXY,
            variables::ALL_PROXY,
            variables::NO_PROXY,
            variables::CERT_FILE,
            variables::CERT_DIR,
        ],
        files: &[
            ".swamp/telemetry",
            "~/.config/swamp/config.yaml",
            "~/.cache/swamp/components",
        ],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-list",
        examples: &[
            (
                "swamp telemetry list --since 12h",
                "List what was recorded in the last 12 hours.",
            ),
            (
                "swamp telemetry list --command \"deploy run\" --json",
                "Print these entries as JSON.",
            ),
        ],
        files: &[".swamp/telemetry"],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-stats",
        examples: &[
            (
                "swamp telemetry stats --by tool --days 7",
                "Count the last week by tool.",
            ),
            (
                "swamp telemetry stats --from events.jsonl",
                "Count the events that `swamp telemetry receive --save events.jsonl` has saved.",
            ),
        ],
        files: &[".swamp/telemetry"],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-record",
        examples: &[(
            "swamp telemetry record --command deploy --exit-code 3 --duration-ms 1200",
            "Record a failed command that measured its own duration.",
        )],
        files: &[".swamp/telemetry"],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-receive",
        examples: &[(
            "swamp telemetry receive --listen 127.0.0.1:8097 --save events.jsonl",
            "Print what arrives at http://127.0.0.1:8097, show it on a page there, and save it.",
        )],
        exit_status: &[
            (
                "1",
                "The address is not available, or a file cannot be written.",
            ),
            ("2", "The command line is wrong."),
            ("130", "Ctrl-C ended it, as intended."),
        ],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-purge",
        examples: &[(
            "swamp telemetry purge --dry-run",
            "Show how much would be deleted.",
        )],
        files: &[".swamp/telemetry"],
        ..NONE
    },
    Extra {
        page: "swamp-telemetry-install-id",
        files: &["~/.local/state/swamp/install-id"],
        ..NONE
    },
    Extra {
        page: "swamp-sender",
        examples: &[
            ("swamp sender new ours", "Create a project."),
            ("swamp sender test ours.wasm", "Run the conformance tests."),
            ("swamp sender use ours.wasm", "Use it in this repository."),
        ],
        files: &[".swamp/senders", "~/.cache/swamp/components"],
        ..NONE
    },
    Extra {
        page: "swamp-sender-use",
        examples: &[
            (
                "swamp sender use ../ours/sender.wasm",
                "Copy the component into the repository and use it.",
            ),
            (
                "swamp sender use builtin:otlp",
                "Send to an OpenTelemetry collector.",
            ),
        ],
        files: &[
            ".swamp.yaml",
            ".swamp/senders",
            "~/.local/state/swamp/trust.json",
        ],
        ..NONE
    },
    Extra {
        page: "swamp-sender-test",
        examples: &[
            (
                "swamp sender test ours.wasm --only 'status-*'",
                "Run some of the conformance tests.",
            ),
            (
                "swamp sender test ours.wasm --watch",
                "Run them again after each build.",
            ),
        ],
        files: &["~/.cache/swamp/components"],
        ..NONE
    },
    Extra {
        page: "swamp-sender-check",
        files: &["~/.cache/swamp/components"],
        ..NONE
    },
    Extra {
        page: "swamp-config",
        examples: &[
            (
                "swamp config set telemetryEndpoint https://telemetry.example.com",
                "Send telemetry of this repository there.",
            ),
            (
                "swamp config set --user telemetryDisabled true",
                "Turn telemetry off in all your repositories.",
            ),
        ],
        files: &[".swamp.yaml", "~/.config/swamp/config.yaml"],
        ..NONE
    },
    Extra {
        page: "swamp-doctor",
        examples: &[(
            "swamp doctor --send",
            "Check everything, and send a test event.",
        )],
        exit_status: &[
            ("0", "Nothing is wrong."),
            (
                "1",
                "Something is; the answer says what, and what to do about it.",
            ),
            ("2", "The command line is wrong."),
        ],
        ..NONE
    },
    Extra {
        page: "swamp-trust",
        files: &["~/.local/state/swamp/trust.json"],
        ..NONE
    },
    Extra {
        page: "swamp-untrust",
        files: &["~/.local/state/swamp/trust.json"],
        ..NONE
    },
    Extra {
        page: "swamp-completions",
        examples: &[(
            "swamp completions bash > ~/.local/share/bash-completion/completions/swamp",
            "Install the completions for bash.",
        )],
        ..NONE
    },
    Extra {
        page: "swamp-man",
        examples: &[
            ("swamp man | man -l -", "Show the manual page."),
            (
                "swamp man ~/.local/share/man/man1",
                "Install the manual pages of all commands.",
            ),
        ],
        ..NONE
    },
];

/// Adds the sections of the page of this name.
pub(super) fn add_to(roff: &mut Roff, page: &str) {
    let extra = PAGES
        .iter()
        .find(|extra| extra.page == page)
        .unwrap_or(&NONE);
    let is_root = page == "swamp";
    let of_variables = |name: &&(&str, &str)| is_root || extra.environment.contains(&name.0);
    let of_files = |file: &&(&str, &str)| is_root || extra.files.contains(&file.0);
    let exit_status = if extra.exit_status.is_empty() {
        EXIT_STATUS
    } else {
        extra.exit_status
    };
    section(
        roff,
        "EXAMPLES",
        extra.examples.iter().map(|(line, what)| (*line, *what)),
    );
    let variables = DOCUMENTED.iter().filter(of_variables);
    section(
        roff,
        "ENVIRONMENT",
        variables.map(|(name, meaning)| (*name, *meaning)),
    );
    let files = FILES.iter().filter(of_files);
    section(
        roff,
        "FILES",
        files.map(|(name, meaning)| (*name, *meaning)),
    );
    section(
        roff,
        "EXIT STATUS",
        exit_status.iter().map(|(code, meaning)| (*code, *meaning)),
    );
    if !is_root {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("swamp"), roman("(1), for all variables and files")]);
    }
}

fn section<'a>(roff: &mut Roff, title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    roff.control("SH", [title]);
    for (term, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(term)]);
        let meaning: Inline = roman(meaning);
        roff.text([meaning]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::super::super::args::Cli;
    use super::super::super::shorthand;
    use super::*;

    /// The names of all pages.
    fn pages(command: &clap::Command, all: &mut BTreeSet<String>) {
        all.insert(command.get_display_name().unwrap_or("swamp").to_owned());
        for inner in command.get_subcommands() {
            pages(inner, all);
        }
    }

    #[test]
    fn each_entry_is_of_a_page_and_names_what_is_documented() {
        let mut root = Cli::command();
        root.build();
        let mut all = BTreeSet::new();
        pages(&root, &mut all);
        let mut seen = BTreeSet::new();
        for extra in PAGES {
            assert!(all.contains(extra.page), "{}", extra.page);
            assert!(seen.insert(extra.page), "{} stands twice", extra.page);
            for name in extra.environment {
                assert!(DOCUMENTED.iter().any(|(known, _)| known == name), "{name}");
            }
            for name in extra.files {
                assert!(FILES.iter().any(|(known, _)| known == name), "{name}");
            }
        }
    }

    #[test]
    fn the_command_line_of_each_example_is_understood() {
        let root = Cli::command();
        for (line, _) in PAGES.iter().flat_map(|extra| extra.examples) {
            let own = line.split(['|', '>']).next().unwrap_or_default();
            let own = own.replace("\"deploy run\"", "deploy\u{a0}run");
            let words = own.split_ascii_whitespace().map(Into::into).collect();
            let parsed = root
                .clone()
                .try_get_matches_from(shorthand::in_full(&root, words));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}
