//! The house: which room of `host/src` may use which.
//!
//! A room may use what stands to its right, and nothing else. Every room stands above those that it uses, so that
//! arrows only point down.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "conformance",
            "scaffold",
            "receiver",
            "recorder",
            "flush",
            "sender",
            "egress",
            "spool",
            "config",
            "process",
            "domain",
        ],
    ),
    (
        "conformance",
        &[
            "receiver", "sender", "egress", "config", "process", "domain",
        ],
    ),
    ("scaffold", &[]),
    ("receiver", &["domain"]),
    (
        "recorder",
        &["flush", "spool", "config", "process", "domain"],
    ),
    (
        "flush",
        &["sender", "egress", "spool", "config", "process", "domain"],
    ),
    (
        "sender",
        &["egress", "config", "process", "domain", "files"],
    ),
    ("egress", &["domain"]),
    ("spool", &["domain", "files"]),
    ("config", &["domain", "files"]),
    ("process", &["domain"]),
    ("files", &["domain"]),
    ("domain", &[]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The rooms that a line of code names: what follows `crate::` in the library and `swamp::` in the command line.
fn named_in<'a>(line: &'a str, root: &str) -> impl Iterator<Item = &'a str> {
    line.split(root).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

fn is_code(line: &&str) -> bool {
    !line.trim_start().starts_with("//")
}

#[test]
fn each_room_uses_only_the_rooms_below_it() {
    let rooms: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (room, allowed) in ARROWS {
        let root = if *room == "cli" { "swamp::" } else { "crate::" };
        for file in files_of(&source().join(room)) {
            let code = fs::read_to_string(&file).unwrap();
            for line in code.lines().filter(is_code) {
                for used in named_in(line, root) {
                    if used != *room && rooms.contains(used) && !allowed.contains(&used) {
                        wrong.push(format!(
                            "{}: {room} uses {used}: {}",
                            file.display(),
                            line.trim()
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arrows_only_point_down() {
    for (place, (room, allowed)) in ARROWS.iter().enumerate() {
        for used in *allowed {
            let below = ARROWS[place + 1..].iter().any(|(other, _)| other == used);
            assert!(below, "{room} stands below {used}, which it may use");
        }
    }
}

/// The modules of a room that the file `code` of the module `path` names: what follows the room's own name, and as many
/// `super`s as lead up to the room.
fn neighbours(code: &str, room: &str, path: &[String]) -> BTreeSet<String> {
    let code: Vec<&str> = code.lines().filter(is_code).collect();
    let code = code.join("\n");
    let up = "super::".repeat(path.len());
    let mut named = BTreeSet::new();
    for prefix in [format!("crate::{room}::"), up] {
        for (at, _) in code.match_indices(&prefix) {
            // One `super` more leads out of the room, or is no beginning.
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)) {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            let end = if rest.starts_with('{') {
                rest.find(';')
            } else {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))
            };
            let words = rest[..end.unwrap_or(rest.len())]
                .split(|c: char| !(c.is_alphanumeric() || c == '_'));
            named.extend(words.map(str::to_owned));
        }
    }
    named
}

/// Of the modules of a room, those that use each other in a circle, if there are any.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<&String> {
    let mut left: BTreeSet<&String> = uses.keys().collect();
    loop {
        let used_by_others = |module: &&&String| {
            let mut others = left.iter().filter(|other| other != module);
            others.any(|other| uses[*other].contains(**module))
        };
        let uses_others = |module: &&&String| {
            let mut others = left.iter().filter(|other| other != module);
            others.any(|other| uses[**module].contains(*other))
        };
        let next: BTreeSet<&String> = (left.iter())
            .filter(|module| used_by_others(module) && uses_others(module))
            .copied()
            .collect();
        if next.len() == left.len() {
            return left.into_iter().collect();
        }
        left = next;
    }
}

#[test]
fn no_modules_of_a_room_use_each_other_in_a_circle() {
    for (room, _) in ARROWS {
        let mut files: BTreeMap<Vec<String>, String> = BTreeMap::new();
        for file in files_of(&source().join(room)) {
            let below = file.strip_prefix(source().join(room)).unwrap();
            let below = below.with_extension("");
            let mut path: Vec<String> = (below.iter())
                .map(|part| part.to_str().unwrap().to_owned())
                .filter(|part| part != "mod")
                .collect();
            // The room's own file is nobody's neighbour, and a test may use what it likes.
            if path.is_empty() || path.pop_if(|part| part == "tests").is_some() {
                continue;
            }
            let code = fs::read_to_string(&file).unwrap();
            let code = code.split("\nmod tests {").next().unwrap().to_owned();
            files.insert(path, code);
        }
        let modules: BTreeSet<&String> = files.keys().map(|path| &path[0]).collect();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, code) in &files {
            let own = uses.entry(path[0].clone()).or_default();
            let mut named = neighbours(code, room, path);
            named.retain(|name| *name != path[0] && modules.contains(name));
            own.append(&mut named);
        }
        let circle = circle(&uses);
        assert!(circle.is_empty(), "{room}: {circle:?} use each other");
    }
}

#[test]
fn every_room_has_its_line_in_the_table() {
    let rooms: BTreeSet<String> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    let folders: BTreeSet<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, rooms);
}

#[test]
fn the_domain_knows_no_files_no_engine_and_no_command_line() {
    for file in files_of(&source().join("domain")) {
        let code = fs::read_to_string(&file).unwrap();
        for line in code.lines().filter(is_code) {
            for foreign in [
                "std::fs",
                "TcpStream",
                "UdpSocket",
                "std::process",
                "std::env",
                "cap_std",
                "wasmtime",
                "clap::",
                "tokio",
            ] {
                assert!(
                    !line.contains(foreign),
                    "{}: {}",
                    file.display(),
                    line.trim()
                );
            }
        }
    }
}

#[test]
fn no_file_of_code_has_more_than_500_lines() {
    let long: Vec<String> = files_of(&source())
        .into_iter()
        .filter(|file| !file.ends_with("tests.rs"))
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            (lines > 500).then(|| format!("{}: {lines}", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_names_of_environment_variables_are_written_in_one_place() {
    let place = source().join("domain/variables.rs");
    for file in files_of(&source())
        .into_iter()
        .filter(|file| *file != place)
    {
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("\nmod tests {").next().unwrap();
        if file.ends_with("tests.rs") {
            continue;
        }
        for line in code.lines().filter(is_code) {
            for name in ["\"SWAMP_", "\"DO_NOT_TRACK\"", "\"NO_COLOR\"", "\"XDG_"] {
                assert!(
                    !line.contains(name),
                    "{}: {}: name it in domain/variables.rs",
                    file.display(),
                    line.trim()
                );
            }
        }
    }
}

/// Where text from outside is escaped: the types that display it, what prints, and what cuts such text short or refuses
/// it. Whatever else is shown goes through these.
const ESCAPING: [&str; 12] = [
    "cli/completers.rs",
    "cli/logging.rs",
    "cli/ui.rs",
    "domain/foreign_text.rs",
    "domain/in_shell.rs",
    "domain/printable.rs",
    "domain/shown_path.rs",
    "domain/tool.rs",
    "egress/report.rs",
    "receiver/ingest.rs",
    "sender/contract/mod.rs",
    "sender/output.rs",
];

#[test]
fn text_from_outside_is_escaped_by_its_type_and_by_what_prints_and_no_path_is_shown_as_it_is() {
    let mut escaping = BTreeSet::new();
    for file in files_of(&source()) {
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("\nmod tests {").next().unwrap();
        if file.ends_with("tests.rs") {
            continue;
        }
        let below = file.strip_prefix(source()).unwrap();
        let name = below.to_str().unwrap().replace('\\', "/");
        for line in code.lines().filter(is_code) {
            assert!(
                !line.contains(".display()"),
                "{name}: {}: show it by `domain::shown`",
                line.trim()
            );
            if line.contains("printable(") || line.contains("(printable)") {
                escaping.insert(name.clone());
            }
        }
    }
    let known: BTreeSet<String> = ESCAPING.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(escaping, known);
}

/// Below debug level, logging is not started, so that commands do not pay for it.
#[test]
fn everything_is_logged_at_debug_level() {
    for file in files_of(&source()) {
        for line in fs::read_to_string(&file).unwrap().lines().filter(is_code) {
            for event in ["trace!(", "info!(", "warn!(", "error!(", "event!("] {
                let is_event = line.match_indices(event).any(|(at, _)| {
                    !line[..at].ends_with(|before: char| before == '_' || before.is_alphanumeric())
                });
                assert!(!is_event, "{}: {}", file.display(), line.trim());
            }
        }
    }
}

/// What creates, replaces, deletes, gives away or changes the mode of something that has a path.
const CHANGES: [&str; 24] = [
    "fs::write(",
    "File::create",
    "OpenOptions",
    "NamedTempFile",
    "tempfile::",
    "fs::create_dir",
    ".create_dir",
    "create_new(",
    "create_file(",
    "create_in(",
    "ensure_in(",
    "replace_in(",
    "private::create(",
    "hard_link(",
    "fs::rename(",
    ".rename(",
    "fs::remove_",
    ".remove_file(",
    ".remove_dir",
    "chown(",
    "set_permissions(",
    "set_times(",
    ".set_len(",
    "openat(",
];

/// Where that is done: what `host/SECURITY.md` says of each path is said of these.
const CHANGING: [&str; 30] = [
    "cli/demo.rs",
    "cli/init.rs",
    "cli/output_dir.rs",
    "cli/sender/junit.rs",
    "cli/sender/wrap.rs",
    "config/backlogs.rs",
    "config/group.rs",
    "config/install_id.rs",
    "config/marker_file.rs",
    "config/sender_copy.rs",
    "config/trust_store/changing.rs",
    "config/user_config_file.rs",
    "config/user_repo.rs",
    "files/directory.rs",
    "files/lock.rs",
    "files/mod.rs",
    "files/owner.rs",
    "files/private.rs",
    "files/regular.rs",
    "files/replace.rs",
    "receiver/ledger.rs",
    "sender/cache.rs",
    "sender/secret.rs",
    "spool/clean_ups.rs",
    "spool/directory.rs",
    "spool/history.rs",
    "spool/listing.rs",
    "spool/mod.rs",
    "spool/record.rs",
    "spool/unfinished.rs",
];

#[test]
fn only_these_files_of_the_code_change_a_path() {
    let changes = |file: &PathBuf| {
        let code = fs::read_to_string(file).unwrap();
        let code = code.split("\nmod tests {").next().unwrap();
        let mut lines = code.lines().filter(is_code);
        lines.any(|line| CHANGES.iter().any(|change| line.contains(change)))
    };
    let found: BTreeSet<String> = files_of(&source())
        .iter()
        .filter(|file| !file.ends_with("tests.rs") && changes(file))
        .map(|file| {
            let below = file.strip_prefix(source()).unwrap();
            below.to_str().unwrap().replace('\\', "/")
        })
        .collect();
    let known: BTreeSet<String> = CHANGING.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(found, known);
}

/// The rooms whose errors say what is wrong. What to do about it is a hint, which the command line makes of their types.
const WITHOUT_ADVICE: [&str; 9] = [
    "domain",
    "config",
    "spool",
    "flush",
    "process",
    "sender",
    "egress",
    "files",
    "conformance",
];

/// How advice begins: a command to run, or a verb behind a semicolon.
const ADVICE: [&str; 33] = [
    "run `",
    "Run `",
    "`swamp ",
    "`ulimit",
    "`chmod",
    "see `",
    "try again",
    "; add ",
    "; allow ",
    "; ask ",
    "; build ",
    "; check ",
    "; choose ",
    "; correct ",
    "; edit ",
    "; forbid ",
    "; have ",
    "; install ",
    "; make ",
    "; move ",
    "; name ",
    "; put ",
    "; raise ",
    "; remove ",
    "; rename ",
    "; review ",
    "; run ",
    "; see ",
    "; set ",
    "; try ",
    "; use ",
    "; write ",
    "`wasm-tools",
];

/// Strings that look like advice and are none, each with its reason.
const NO_ADVICE: [(&str, &str, &str); 2] = [
    (
        "domain/recorded_entry/schema.rs",
        "that of `swamp telemetry install-id`",
        "the schema's own documentation of a field",
    ),
    (
        "config/marker.rs",
        "as `swamp sender show` prints them",
        "says what a digest looks like",
    ),
];

#[test]
fn advice_is_a_hint_of_the_command_line_and_not_part_of_an_error() {
    let mut advice = Vec::new();
    let mut excepted = BTreeSet::new();
    for room in WITHOUT_ADVICE {
        for file in files_of(&source().join(room)) {
            let code = fs::read_to_string(&file).unwrap();
            let code = code.split("\nmod tests {").next().unwrap();
            if file.ends_with("tests.rs") {
                continue;
            }
            let below = file.strip_prefix(source()).unwrap();
            let name = below.to_str().unwrap().replace('\\', "/");
            for line in code.lines().filter(is_code) {
                if !ADVICE.iter().any(|begins| line.contains(begins)) {
                    continue;
                }
                let exception = NO_ADVICE
                    .iter()
                    .find(|(file, text, _)| *file == name && line.contains(text));
                match exception {
                    Some(exception) => drop(excepted.insert(exception)),
                    None => advice.push(format!("{name}: {}", line.trim())),
                }
            }
        }
    }
    assert!(
        advice.is_empty(),
        "give the error a `domain::Cause`, and the cause its hint in cli/hint.rs:\n{}",
        advice.join("\n")
    );
    assert_eq!(
        excepted.len(),
        NO_ADVICE.len(),
        "an exception is not needed"
    );
}
