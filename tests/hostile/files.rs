//! Files that are no component.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use swamp::process::worker::{self, Program};
use swamp::sender::{Cache, Compiled, Compiler, ComponentFile};

use super::wat::{Sender, file};
use super::{Attack, assert_is_a_sentence, hostile_path, name};
use crate::support::{SWAMP, compiler, wasm};

/// Without a cache, which would remember what an earlier build of this host said.
fn said(content: &[u8]) -> String {
    let failure = Compiled::obtain(&file(content), &Cache::none(), &compiler()).unwrap_err();
    assert_eq!(failure.kind.as_str(), "not-compilable");
    let text = failure.to_string();
    assert_is_a_sentence(&failure.into());
    text.replace("could not compile the sender hostile.wasm: ", "")
}

#[test]
fn what_is_no_component_is_told_in_a_sentence() {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    let core = "it is a core module, not a component";
    for (content, expected) in [
        (&b"\0asm\x01\0\0\0"[..], core),
        (
            b"\0asm\x0e\0\x01\0",
            "of a version that this host does not know",
        ),
        (b"\0asm", "of a version that this host does not know"),
        (b"hello", "it is not a WebAssembly component"),
        (b"(component \xff)", "it is WebAssembly's text format"),
        (b" \n;; (\x1b[31m", "it is WebAssembly's text format"),
        (&[COMPONENT, &[0xff; 1_000]].concat(), "failed to parse"),
        (
            &[COMPONENT, b"\x01\xff\xff\xff\xff\x0f"].concat(),
            "failed to parse",
        ),
    ] {
        let text = said(content);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn wherever_a_component_is_cut_it_is_none() {
    let whole = fs::read(hostile_path()).unwrap();
    for tenth in 1..10 {
        said(&whole[..whole.len() * tenth / 10]);
    }
}

#[test]
fn a_file_of_more_than_64_mib_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.wasm");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let failure = ComponentFile::read(&path, "large.wasm").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "could not read the sender large.wasm: it is larger than 64 MiB"
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [fifo.as_path(), dir.path(), "/dev/zero".as_ref()] {
        let failure = ComponentFile::read(path, "odd").unwrap_err();
        assert!(
            failure.to_string().contains("it is not a regular file"),
            "{failure}"
        );
        assert_is_a_sentence(&failure.into());
    }
}

/// The kernel makes up its content, says that it has none, and may let its reader wait for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_size_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    for path in [
        empty.as_path(),
        "/proc/kmsg".as_ref(),
        "/proc/self/maps".as_ref(),
    ] {
        let failure = ComponentFile::read(path, "odd").unwrap_err();
        assert!(failure.to_string().contains("it is empty"), "{failure}");
        assert_is_a_sentence(&failure.into());
    }
}

#[test]
fn a_file_that_is_replaced_once_it_is_read_is_the_one_that_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sender.wasm");
    fs::write(&path, wasm(&Sender::default().text())).unwrap();
    let file = ComponentFile::read(&path, "sender.wasm").unwrap();
    fs::write(&path, wasm("(component)")).unwrap();
    let error = Attack::new("").error_of(&file);
    assert_eq!(name(&error), "unconfirmed", "{error}");
}

#[test]
fn a_failure_to_compile_is_remembered_in_the_same_words() {
    let home = tempfile::tempdir().unwrap();
    let cache = Cache::new(home.path().join("components"), home.path().join("state"));
    let file = file(b"(component)");
    let attempt = |compiler: &Compiler| Compiled::obtain(&file, &cache, compiler).unwrap_err();
    let first = attempt(&compiler());
    assert!(first.to_string().contains("text format"), "{first}");
    // Had it to be compiled again, that would fail in other words.
    let no_compiler = Compiler::new(Program::new(home.path().join("none")));
    assert_eq!(attempt(&no_compiler), first);
    Compiled::forget_failure(&file, &cache);
    let again = attempt(&no_compiler).to_string();
    assert!(again.contains("could not start its compiler"), "{again}");
    // That says nothing about the component.
    assert_eq!(attempt(&compiler()), first);
}

#[cfg(target_os = "linux")]
#[test]
fn a_compiler_without_room_for_machine_code_does_not_blame_the_component() {
    let component = tempfile::NamedTempFile::new().unwrap();
    fs::write(component.path(), wasm("(component)")).unwrap();
    let worker = Command::new(SWAMP)
        .env(worker::VARIABLE, "compile")
        .stdin(component.reopen().unwrap())
        .stdout(File::create("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .spawn();
    let ended = worker.unwrap().wait_with_output().unwrap();
    let code = ended.status.code();
    assert_eq!(code, Some(worker::MACHINE_FAILED.into()), "{ended:?}");
}
