//! The cache of compiled components: machine code that somebody else could have written is never run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use swamp::sender::{Cache, Compiled, ComponentFile, ComponentSender};
use tempfile::TempDir;

use super::wat::Sender;
use super::{Attack, batch, name};
use crate::support::{AMPLE, compiler};

/// A component whose answer is `ok`, for which it has no reason: `unconfirmed`.
fn victim() -> ComponentFile {
    Sender::default().file()
}

/// A component that traps: when the victim does, somebody else's code was run in its name.
fn culprit() -> ComponentFile {
    Sender {
        body: "unreachable",
        ..Sender::default()
    }
    .file()
}

fn outcome(file: &ComponentFile, dir: Option<&Path>) -> &'static str {
    let cache = Cache::new(dir.map(Path::to_owned));
    let compiled = Compiled::obtain(file, &cache, &compiler()).unwrap();
    let config = Attack::new("").config;
    let mut sender = ComponentSender::new(&compiled, config).unwrap();
    name(&batch(&mut sender, AMPLE).unwrap_err())
}

fn cached(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn only(dir: &Path) -> PathBuf {
    let [path] = cached(dir).try_into().unwrap();
    path
}

/// A cache with one file in it: the culprit's code in the victim's name, as good as only its owner can make it.
fn poisoned() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("components");
    outcome(&culprit(), Some(&dir));
    let code = only(&dir);
    let stem = code.file_stem().unwrap().to_str().unwrap();
    let [_, engine, checksum] = stem.split('-').collect::<Vec<_>>().try_into().unwrap();
    let victim = victim().digest().to_string().replace("sha256:", "");
    fs::rename(
        &code,
        dir.join(format!("{victim}-{engine}-{checksum}.cwasm")),
    )
    .unwrap();
    (home, dir)
}

#[test]
fn what_the_user_alone_can_write_is_trusted() {
    // Otherwise the tests below would show nothing.
    let (_home, dir) = poisoned();
    assert_eq!(outcome(&victim(), Some(&dir)), "trapped");
}

#[test]
fn code_that_somebody_else_owns_or_can_write_is_not_run() {
    let root = nix::unistd::geteuid().is_root();
    let give_away = |path: &Path| chown(path, Some(65_534), Some(65_534)).unwrap();
    let open_up =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for way in [
        "the file is another's",
        "the directory is another's",
        "the file is writable",
        "the directory is writable",
        "the file is a link",
        "the directory is a link",
    ] {
        let (home, dir) = poisoned();
        let file = only(&dir);
        match way {
            // Only root can give a file away.
            "the file is another's" if root => give_away(&file),
            "the directory is another's" if root => give_away(&dir),
            "the file is writable" => open_up(&file, 0o666),
            "the directory is writable" => open_up(&dir, 0o770),
            "the file is a link" => {
                let elsewhere = home.path().join("elsewhere");
                fs::rename(&file, &elsewhere).unwrap();
                symlink(&elsewhere, &file).unwrap();
            }
            "the directory is a link" => {
                let elsewhere = home.path().join("elsewhere");
                fs::rename(&dir, &elsewhere).unwrap();
                symlink(&elsewhere, &dir).unwrap();
            }
            _ => continue,
        }
        assert_eq!(outcome(&victim(), Some(&dir)), "unconfirmed", "{way}");
    }
}

#[test]
fn damaged_code_is_found_out_and_compiled_anew() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("cut", |code| code.truncate(code.len() / 2)),
        ("emptied", Vec::clear),
        ("flipped", |code| {
            let middle = code.len() / 2;
            code[middle] ^= 1;
        }),
        ("longer", |code| code.push(0)),
    ];
    for (what, damage) in damages {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("components");
        assert_eq!(outcome(&victim(), Some(&dir)), "unconfirmed");
        let path = only(&dir);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        assert_eq!(outcome(&victim(), Some(&dir)), "unconfirmed", "{what}");
        let anew = fs::read(only(&dir)).unwrap();
        assert!(anew == whole, "{what}");
    }
}

#[test]
fn code_for_another_engine_is_left_alone() {
    let (_home, dir) = poisoned();
    let path = only(&dir);
    let file = path.file_name().unwrap().to_str().unwrap();
    let [component, engine, checksum] = file.split('-').collect::<Vec<_>>().try_into().unwrap();
    let other: String = engine.chars().rev().collect();
    fs::rename(&path, dir.join(format!("{component}-{other}-{checksum}"))).unwrap();
    assert_eq!(outcome(&victim(), Some(&dir)), "unconfirmed");
    assert_eq!(cached(&dir).len(), 2);
}

#[test]
fn code_of_the_right_checksum_that_is_no_code_fails_once() {
    let (_home, dir) = poisoned();
    let path = only(&dir);
    let file = path.file_name().unwrap().to_str().unwrap();
    let (key, _) = file.rsplit_once('-').unwrap();
    let garbage = "garbage";
    let checksum = crc32fast::hash(garbage.as_bytes());
    fs::remove_file(&path).unwrap();
    fs::write(dir.join(format!("{key}-{checksum:08x}.cwasm")), garbage).unwrap();

    let cache = Cache::new(Some(dir.clone()));
    let compiled = Compiled::obtain(&victim(), &cache, &compiler()).unwrap();
    let failure = ComponentSender::new(&compiled, Attack::new("").config)
        .err()
        .unwrap();
    assert_eq!(failure.kind(), "not-compilable");
    super::assert_is_a_sentence(&failure.into());
    assert_eq!(outcome(&victim(), Some(&dir)), "unconfirmed");
}

#[test]
fn without_a_cache_everything_works() {
    assert_eq!(outcome(&victim(), None), "unconfirmed");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(outcome(&victim(), Some(&file)), "unconfirmed");
    assert_eq!(outcome(&victim(), Some(&file.join("below"))), "unconfirmed");
    assert_eq!(
        outcome(&victim(), Some(Path::new("/proc/none"))),
        "unconfirmed"
    );
}

#[test]
fn code_that_is_removed_or_replaced_while_it_is_loaded_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("components");
    let cache = Cache::new(Some(dir.clone()));
    let compiled = Compiled::obtain(&victim(), &cache, &compiler()).unwrap();
    let mut sender = ComponentSender::new(&compiled, Attack::new("").config).unwrap();
    let path = only(&dir);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another").unwrap();
    for _ in 0..2 {
        assert_eq!(name(&batch(&mut sender, AMPLE).unwrap_err()), "unconfirmed");
    }
}

#[test]
fn nobody_else_can_read_or_write_what_the_cache_makes() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("components");
    outcome(&victim(), Some(&dir));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&only(&dir)) & 0o077, 0);
}

#[test]
fn many_at_once_compile_the_same_sender_and_all_of_them_run_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("components");
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| outcome(&victim(), Some(&dir))))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes, ["unconfirmed"; 8]);
    only(&dir);
}
