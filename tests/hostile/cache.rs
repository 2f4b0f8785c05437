//! The cache of compiled components: machine code that somebody else could have written is never run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use swamp::process::worker::Program;
use swamp::sender::{Cache, Compiled, Compiler, ComponentFile, ComponentSender};
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

/// The cache in `dir`, with its secret beside it.
fn cache(dir: &Path) -> Cache {
    Cache::new(dir.to_owned(), dir.with_file_name("state"))
}

fn outcome(file: &ComponentFile, cache: &Cache) -> &'static str {
    let compiled = Compiled::obtain(file, cache, &compiler()).unwrap();
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

/// What names of the cache are made of: the component, the engine, whose secret, and what that vouches for.
fn parts(path: &Path) -> [String; 4] {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let parts: Vec<_> = stem.split('-').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// A cache with one file in it: the victim's code, as this user has compiled it.
fn warm() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("components");
    assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed");
    (home, dir)
}

/// Whether the victim is compiled when it is asked for: nothing of it is in the cache, or nothing that is taken.
fn is_compiled_anew(cache: &Cache) -> bool {
    // A compiler that cannot be started.
    let none = Compiler::new(Program::new("/dev/null/none"));
    Compiled::obtain(&victim(), cache, &none).is_err()
}

#[test]
fn what_this_user_has_compiled_is_loaded_again() {
    // Otherwise the tests below would show nothing.
    let (_home, dir) = warm();
    assert!(!is_compiled_anew(&cache(&dir)));
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
        "what is above is another's",
        "the secret is another's",
        "the file is writable",
        "the directory is writable",
        "what is above is writable",
        "what a link leads to is writable",
        "the file is a link",
        "the secret is writable",
        "the secret is readable",
        "the secret is a link",
        "the secret's directory is writable",
    ] {
        let (home, dir) = warm();
        let file = only(&dir);
        let state = home.path().join("state");
        let secret = state.join("cache.key");
        let elsewhere = home.path().join("elsewhere");
        let moved = |path: &Path| {
            fs::rename(path, &elsewhere).unwrap();
            symlink(&elsewhere, path).unwrap();
        };
        match way {
            // Only root can give a file away.
            "the file is another's" if root => give_away(&file),
            "the directory is another's" if root => give_away(&dir),
            "what is above is another's" if root => give_away(home.path()),
            "the secret is another's" if root => give_away(&secret),
            "the file is writable" => open_up(&file, 0o666),
            "the directory is writable" => open_up(&dir, 0o707),
            "what is above is writable" => open_up(home.path(), 0o707),
            "what a link leads to is writable" => {
                let open = home.path().join("open");
                fs::create_dir(&open).unwrap();
                open_up(&open, 0o777);
                fs::rename(&dir, open.join("components")).unwrap();
                symlink(open.join("components"), &dir).unwrap();
            }
            "the file is a link" => moved(&file),
            "the secret is writable" => open_up(&secret, 0o602),
            "the secret is readable" => open_up(&secret, 0o604),
            "the secret is a link" => moved(&secret),
            "the secret's directory is writable" => open_up(&state, 0o703),
            _ => continue,
        }
        assert!(is_compiled_anew(&cache(&dir)), "{way}");
        assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed", "{way}");
    }
}

/// A clone can bring files along, which belong to the user; but it cannot know the user's secret.
#[test]
fn code_that_another_secret_vouches_for_is_not_run() {
    let (home, dir) = warm();
    let theirs = home.path().join("theirs");
    outcome(&culprit(), &Cache::new(dir.clone(), theirs.clone()));
    let mut files = cached(&dir);
    files.retain(|path| parts(path)[0] != parts(&only_of(&dir, &victim()))[0]);
    let [culprits] = files.try_into().unwrap();
    let [_, engine, their_id, code] = parts(&culprits);
    let [victim_digest, _, id, vouched] = parts(&only_of(&dir, &victim()));
    fs::remove_file(only_of(&dir, &victim())).unwrap();
    // In the victim's name, and in whatever else they can make up.
    for (id, code) in [(&their_id, &code), (&id, &code), (&id, &vouched)] {
        let name = format!("{victim_digest}-{engine}-{id}-{code}.cwasm");
        fs::copy(&culprits, dir.join(name)).unwrap();
        assert!(is_compiled_anew(&cache(&dir)));
        assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed");
        fs::remove_file(only_of(&dir, &victim())).unwrap();
    }
    // The same secret vouches for the code of one component only.
    let (_home, dir) = warm();
    outcome(&culprit(), &cache(&dir));
    let victims = only_of(&dir, &victim());
    fs::copy(only_of(&dir, &culprit()), &victims).unwrap();
    assert!(is_compiled_anew(&cache(&dir)));
}

/// What this user's secret vouches for, of this component.
fn only_of(dir: &Path, component: &ComponentFile) -> PathBuf {
    let digest = component.digest().to_string().replace("sha256:", "");
    let mut files = cached(dir);
    files.retain(|path| parts(path)[0] == digest);
    // Those of another secret are older.
    files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    files.pop().unwrap()
}

#[test]
fn a_failure_that_somebody_else_has_made_up_is_not_believed() {
    let (_home, dir) = warm();
    let file = only(&dir);
    let [component, engine, id, code] = parts(&file);
    fs::remove_file(&file).unwrap();
    let name = format!("{component}-{engine}-{id}-{code}.failed");
    fs::write(dir.join(name), "it is not to your taste").unwrap();
    assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed");
}

#[test]
fn a_secret_that_is_gone_or_damaged_is_made_anew() {
    for damage in [&b""[..], b"short", &[0; 33]] {
        let (home, dir) = warm();
        let secret = home.path().join("state/cache.key");
        fs::write(&secret, damage).unwrap();
        assert!(is_compiled_anew(&cache(&dir)));
        assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed");
        assert_eq!(fs::read(&secret).unwrap().len(), 32);
        assert!(!is_compiled_anew(&cache(&dir)));
        fs::remove_file(&secret).unwrap();
        assert!(is_compiled_anew(&cache(&dir)));
    }
}

#[test]
fn a_state_directory_inside_of_the_repository_is_not_taken() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join("repo");
    fs::create_dir(&root).unwrap();
    let cache = |state: &str| {
        Cache::of_user(Some(&root), |name| match name {
            "XDG_CACHE_HOME" => Some(root.join("cache").into()),
            "XDG_STATE_HOME" => Some(top.path().join(state).into()),
            _ => None,
        })
    };
    symlink(&root, top.path().join("link")).unwrap();
    for inside in ["repo", "repo/state", "link/state", "repo/../link"] {
        assert_eq!(outcome(&victim(), &cache(inside)), "unconfirmed");
        assert!(cached(&root).is_empty(), "{inside}");
    }
    // A cache inside is another matter: nobody else can vouch for what is in it.
    assert_eq!(outcome(&victim(), &cache("state")), "unconfirmed");
    assert!(!is_compiled_anew(&cache("state")));
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
        let (_home, dir) = warm();
        let path = only(&dir);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed", "{what}");
        let anew = fs::read(only(&dir)).unwrap();
        assert!(anew == whole, "{what}");
    }
}

#[test]
fn code_for_another_engine_is_left_alone() {
    let (_home, dir) = warm();
    let path = only(&dir);
    let [component, engine, id, code] = parts(&path);
    let other: String = engine.chars().rev().collect();
    fs::rename(
        &path,
        dir.join(format!("{component}-{other}-{id}-{code}.cwasm")),
    )
    .unwrap();
    assert_eq!(outcome(&victim(), &cache(&dir)), "unconfirmed");
    assert_eq!(cached(&dir).len(), 2);
}

#[test]
fn without_a_cache_everything_works() {
    assert_eq!(outcome(&victim(), &Cache::none()), "unconfirmed");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let dir = home.path().join("components");
    for cache in [
        Cache::new(file.clone(), home.path().to_owned()),
        Cache::new(file.join("below"), home.path().to_owned()),
        Cache::new("/proc/none".into(), home.path().to_owned()),
        Cache::new(dir.clone(), file.clone()),
        Cache::new(dir.clone(), "/proc/none".into()),
        Cache::new("relative".into(), dir),
    ] {
        assert_eq!(outcome(&victim(), &cache), "unconfirmed", "{cache:?}");
    }
}

#[test]
fn code_that_is_removed_or_replaced_while_it_is_loaded_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("components");
    let compiled = Compiled::obtain(&victim(), &cache(&dir), &compiler()).unwrap();
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
    outcome(&victim(), &cache(&dir));
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
            .map(|_| scope.spawn(|| outcome(&victim(), &cache(&dir))))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes, ["unconfirmed"; 8]);
    only(&dir);
}
