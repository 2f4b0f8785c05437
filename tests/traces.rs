//! Where a sender was when it trapped: functions, and with DWARF files and lines.

use std::fs;
use std::path::{Path, PathBuf};

use swamp::config::BuiltinSender;
use swamp::sender::{AddressSpace, ComponentFile, Patience, compile};

use crate::support::{Run, TestRepo};

/// Traps at every batch, and tells where: `tests/fixtures/traced-sender`.
const TRACED: &[u8] = include_bytes!("fixtures/traced-sender/traced-sender.wasm");

/// What it is told of it, innermost first: the first function was put into the second by the compiler.
const LINES: [&str; 3] = [
    "parse_answer at /traced-sender/src/answer.h:4:17",
    "read_answer at /traced-sender/src/sender.c:23:12",
    "send_batch at /traced-sender/src/sender.c:35:18",
];

/// What is told where the lines cannot be read.
const NAMES: [&str; 2] = ["read_answer", "send_batch"];

/// The sections that have DWARF in them.
const SECTIONS: [&str; 6] = [
    ".debug_abbrev",
    ".debug_info",
    ".debug_line",
    ".debug_loc",
    ".debug_ranges",
    ".debug_str",
];

/// What is made of a section, and how that is called.
type Change = (&'static str, fn(&[u8]) -> Vec<u8>);

fn written(repo: &TestRepo, name: &str, component: &[u8]) -> PathBuf {
    let path = repo.root().join(name);
    fs::write(&path, component).unwrap();
    path
}

/// `sender test` of it, of one scenario, as a person reads it.
fn test_in_words(repo: &TestRepo, component: &Path) -> Run {
    let only = ["sender", "test", "--only", "one-entry"];
    repo.swamp(&[&only[..], &[component.to_str().unwrap()]].concat())
}

/// `sender test` of it, of two scenarios.
fn test(repo: &TestRepo, component: &Path, more: &[&str]) -> Run {
    let args = [
        "sender",
        "test",
        "--json",
        "--only",
        "one-entry",
        "--only",
        "25-entries",
    ];
    let mut command = repo.command(&[more, &args].concat());
    crate::support::run(command.arg(component))
}

/// Where it trapped in each scenario.
fn frames(run: &Run) -> Vec<Vec<String>> {
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let scenarios = report["scenarios"].as_array().unwrap();
    scenarios
        .iter()
        .map(|scenario| {
            let received = scenario["received"].as_str().unwrap();
            assert!(received.contains("`unreachable`"), "{received}");
            serde_json::from_value(scenario["frames"].clone()).unwrap()
        })
        .collect()
}

/// The number that is encoded at `at`, and where it ends.
fn number(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = usize::from(bytes[at]);
        (value, at) = (value | (byte & 0x7f) << shift, at + 1);
        if byte < 0x80 {
            return (value, at);
        }
        shift += 7;
    }
}

fn encoded(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A component or a module whose custom sections have become what `change` makes of them, those of its modules
/// included.
fn changed(binary: &[u8], change: &mut dyn FnMut(&str, &[u8]) -> Vec<u8>) -> Vec<u8> {
    const CUSTOM: u8 = 0;
    const CORE_MODULE: u8 = 1;
    let (header, mut at) = (&binary[..8], 8);
    let is_component = header[4] == 0x0d;
    let mut result = header.to_vec();
    while at < binary.len() {
        let id = binary[at];
        let (len, begin) = number(binary, at + 1);
        at = begin + len;
        let content = &binary[begin..at];
        let content = match id {
            CUSTOM => {
                let (len, begin) = number(content, 0);
                let (name, data) = content.split_at(begin + len);
                let changed = change(std::str::from_utf8(&name[begin..]).unwrap(), data);
                [name, &changed].concat()
            }
            CORE_MODULE if is_component => changed(content, change),
            _ => content.to_vec(),
        };
        result.push(id);
        result.extend(encoded(content.len()));
        result.extend(content);
    }
    result
}

/// The component with other data in the section of this name.
fn with_section(name: &str, change: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    changed(TRACED, &mut |found, data| {
        if found == name {
            change(data)
        } else {
            data.to_vec()
        }
    })
}

/// Bytes without any order.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn a_failed_scenario_shows_file_and_line_of_what_the_sender_was_in() {
    let repo = TestRepo::new();
    let path = written(&repo, "traced.wasm", TRACED);
    let run = test_in_words(&repo, &path);
    let shown: Vec<_> = run
        .stdout
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("in "))
        .map(str::trim_start)
        .collect();
    assert_eq!(shown, LINES, "{}", run.stdout);
    let run = test(&repo, &path, &["--log-level", "debug"]);
    assert!(!frames(&run).is_empty());
    for frames in frames(&run) {
        assert_eq!(frames, LINES);
    }
    for line in LINES {
        assert!(
            run.stderr.contains(&format!("was in {line}")),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_file_below_the_working_directory_is_named_as_from_there() {
    const BUILT_IN: &[u8] = b"/traced-sender\0";
    let repo = TestRepo::new();
    let here = repo.root().canonicalize().unwrap();
    let (mut was, mut is) = (Vec::new(), Vec::new());
    let find = |data: &[u8], text: &[u8]| data.windows(text.len()).position(|part| part == text);
    // Its directory is named anew behind the other texts.
    changed(TRACED, &mut |name, data| {
        if name == ".debug_str" {
            let place = find(data, BUILT_IN).unwrap();
            was = u32::try_from(place).unwrap().to_le_bytes().to_vec();
            is = u32::try_from(data.len()).unwrap().to_le_bytes().to_vec();
        }
        data.to_vec()
    });
    let component = changed(TRACED, &mut |name, data| match name {
        ".debug_str" => [data, here.to_str().unwrap().as_bytes(), b"\0"].concat(),
        ".debug_info" => {
            let place = find(data, &was).unwrap();
            [&data[..place], &is, &data[place + 4..]].concat()
        }
        _ => data.to_vec(),
    });
    let path = written(&repo, "moved.wasm", &component);
    for frames in frames(&test(&repo, &path, &[])) {
        assert_eq!(frames[1], "read_answer at src/sender.c:23:12");
    }
}

#[test]
fn what_dwarf_names_is_harmless_to_a_terminal() {
    let repo = TestRepo::new();
    let component = with_section(".debug_str", &|data| {
        let text = String::from_utf8(data.to_vec()).unwrap();
        let names = text.replace("parse_answer", "\u{1b}[31mred\n\u{202e}");
        names
            .replace("/traced-sender", "/\u{1b}]0;titles\u{7}\n/")
            .into_bytes()
    });
    assert_eq!(component.len(), TRACED.len());
    let path = written(&repo, "painted.wasm", &component);
    let run = test_in_words(&repo, &path);
    assert!(run.stdout.contains(r"\u{1b}[31mred"), "{}", run.stdout);
    assert!(run.stdout.contains(r"\u{1b}]0;titles"), "{}", run.stdout);
    let is_unsafe = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
    assert!(!run.stdout.contains(is_unsafe), "{:?}", run.stdout);
    assert_eq!(
        run.stdout.matches("\n      in ").count(),
        LINES.len(),
        "{}",
        run.stdout
    );
}

#[test]
fn a_flush_names_functions_and_reads_no_dwarf() {
    let repo = TestRepo::new();
    written(&repo, "traced.wasm", TRACED);
    repo.configure("telemetrySender: traced.wasm\n");
    let run = repo.swamp(&["--log-level", "debug", "version"]);
    for name in NAMES {
        assert!(
            run.stderr.contains(&format!("was in {name}\n")),
            "{}",
            run.stderr
        );
    }
    assert!(!run.stderr.contains("sender.c"), "{}", run.stderr);
}

#[test]
fn whatever_is_in_its_dwarf_the_trap_of_a_sender_is_told() {
    const LARGE: usize = 10 * 1024 * 1024;
    let repo = TestRepo::new();
    let changes: [Change; 6] = [
        ("cut", |data| data[..data.len() / 2].to_vec()),
        ("gone", |_| Vec::new()),
        ("zero", |data| vec![0; data.len()]),
        ("ones", |data| vec![0xff; data.len()]),
        ("noise", |data| noise(data.len())),
        ("large", |_| noise(LARGE)),
    ];
    let mut readable = 0;
    for section in SECTIONS {
        for (how, change) in changes {
            let path = written(&repo, "damaged.wasm", &with_section(section, &change));
            let run = test(&repo, &path, &[]);
            for frames in frames(&run) {
                let functions: Vec<_> = frames
                    .iter()
                    .map(|frame| frame.split(" at ").next().unwrap())
                    .filter(|function| NAMES.contains(function))
                    .collect();
                assert_eq!(functions, NAMES, "{section}, {how}: {frames:?}");
                readable += usize::from(frames == LINES);
            }
            assert_eq!(run.code, 1, "{section}, {how}: {}", run.stderr);
        }
    }
    // Lines need no `.debug_loc`.
    assert!(readable > 0);
}

/// The component with such abbreviations and one unit of such entries after the other.
fn with_units(abbreviations: &[u8], entries: &[u8], units: usize) -> Vec<u8> {
    // Version 4, the abbreviations at 0, addresses of 4 bytes.
    let unit = [&[4, 0, 0, 0, 0, 0, 4], entries].concat();
    let len = u32::try_from(unit.len()).unwrap().to_le_bytes();
    let info = [&len[..], &unit].concat().repeat(units);
    changed(TRACED, &mut |name, data| match name {
        ".debug_abbrev" => abbreviations.to_vec(),
        ".debug_info" => info.clone(),
        _ => data.to_vec(),
    })
}

/// The component with one function, in which so many are inlined, each in the one before it.
fn with_inlined(depth: usize) -> Vec<u8> {
    const EVERYWHERE: [u8; 8] = [0, 0, 0, 0, 0xff, 0xff, 0, 0];
    let abbreviation = |code, tag, named: &[u8]| {
        // With children, and with the first address and a length.
        [&[code, tag, 1], named, &[0x11, 1, 0x12, 6, 0, 0]].concat()
    };
    let abbreviations = [
        abbreviation(1, 0x11, &[]),
        abbreviation(2, 0x2e, &[]),
        abbreviation(3, 0x1d, &[0x03, 0x08]),
        vec![0],
    ];
    let entry = |code, name: &[u8]| [&[code], name, &EVERYWHERE].concat();
    let entries = [
        entry(1, b""),
        entry(2, b""),
        entry(3, b"inlined\0").repeat(depth),
        vec![0; depth + 2],
    ];
    with_units(&abbreviations.concat(), &entries.concat(), 1)
}

#[test]
fn of_many_inlined_functions_the_innermost_are_told() {
    let repo = TestRepo::new();
    let path = written(&repo, "inlined.wasm", &with_inlined(100));
    for frames in frames(&test(&repo, &path, &[])) {
        assert_eq!(frames[..16], ["inlined"; 16]);
        assert_eq!(frames[16], NAMES[0]);
    }
}

/// Units without end, each with the same abbreviations, which are read again for each of them, and kept for those that
/// are whole; and functions in one another without end.
#[test]
fn dwarf_that_asks_for_too_much_is_given_up_once_and_for_all() {
    // Of no attributes. The entry of each unit is of the first.
    let abbreviations = |first: usize| {
        let mut abbreviations: Vec<u8> = (first..100_000)
            .flat_map(|code| [encoded(code), vec![0x11, 0, 0, 0]].concat())
            .collect();
        abbreviations.push(0);
        abbreviations
    };
    for (what, component) in [
        ("memory", with_units(&abbreviations(1), &[1], 200_000)),
        ("time", with_units(&abbreviations(2), &[1], 200_000)),
        ("stack", with_inlined(500_000)),
    ] {
        let repo = TestRepo::new();
        let path = written(&repo, "greedy.wasm", &component);
        let run = test(&repo, &path, &["--log-level", "debug"]);
        let frames = frames(&run);
        assert_eq!(frames.len(), 2);
        for frames in frames {
            assert_eq!(frames, NAMES, "{what}");
        }
        let given_up = run
            .stderr
            .matches("could not read the sender's DWARF")
            .count();
        assert_eq!(given_up, 1, "{what}: {}", run.stderr);
    }
}

#[test]
fn only_machine_code_of_a_component_with_lines_maps_its_addresses() {
    let maps = |component: &[u8]| {
        let mut code = Vec::new();
        let space = AddressSpace::of_this_process();
        compile(component, &mut code, space, Patience::Bounded).unwrap();
        let name = b".wasmtime.addrmap\0";
        code.windows(name.len()).any(|window| window == name)
    };
    assert!(maps(TRACED));
    // The same with the section under a name of the same length that means nothing.
    let name = TRACED
        .windows(11)
        .position(|window| window == b".debug_line")
        .unwrap();
    let mut without = TRACED.to_vec();
    without[name] = b'_';
    assert!(!maps(&without));
    for sender in BuiltinSender::ALL {
        assert!(!maps(ComponentFile::builtin(sender).bytes()), "{sender}");
    }
}

#[test]
fn the_environment_does_not_change_the_engine() {
    let repo = TestRepo::new();
    let path = written(&repo, "traced.wasm", TRACED);
    let check = |details: &str| {
        let mut command = repo.command(&["sender", "check", "--json"]);
        let run = crate::support::run(
            command
                .arg(&path)
                .env("WASMTIME_BACKTRACE_DETAILS", details),
        );
        let check: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        check["cached"].as_bool().unwrap()
    };
    check("0");
    assert!(check("1"));
}
