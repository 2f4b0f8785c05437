//! Every system call of recording that touches the repository is made to fail or to be the last. No command that did
//! its work is lost, none is there twice, and a fault is nobody's business.
//!
//! A plain run takes every fifth fault; `SWAMP_TEST_ALL_POINTS=1` takes all.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::place::{Place, greet};

const CALLS: &str = "openat,openat2,mkdir,mkdirat,read,write,rename,renameat,renameat2,unlink,unlinkat,flock,fchmod,\
    fchown,getdents64";

const FAULTS: [&str; 4] = ["signal=SIGKILL", "error=EIO", "error=ENOSPC", "error=EINTR"];

/// The nth call of this name.
type Point = (String, usize);

fn log(place: &Place) -> PathBuf {
    place.path().join("home.strace")
}

fn traced(place: &Place, calls: &str, fault: Option<&str>) -> Output {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-o"])
        .arg(log(place))
        .arg(format!("-etrace={calls}"))
        .args(fault.map(|fault| format!("-einject={calls}:{fault}")))
        .arg(greet())
        .args(["hello", "you"])
        .current_dir(place.path())
        .env_clear()
        .env("HOME", place.path().join("home"));
    strace.output().unwrap()
}

/// The points at which recording touches the repository.
fn points(place: &Place) -> BTreeSet<Point> {
    assert!(traced(place, CALLS, None).status.success());
    let log = fs::read_to_string(log(place)).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for line in log.lines() {
        let Some((_, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        let count = counts.entry(call).or_default();
        *count += 1;
        if line.contains(".swamp") {
            points.insert((call.to_owned(), *count));
        }
    }
    points
}

/// A repository with one entry and somebody's remains to be taken over, or one that has never recorded.
fn place(first: bool) -> Place {
    let place = Place::new();
    if !first {
        assert_eq!(place.greet(&["hello", "you"]), Some(0));
        assert_eq!(place.greet(&["hello", "exit"]), Some(0));
    }
    place
}

fn strike(first: bool, (call, nth): &Point, fault: &str) -> bool {
    let what = format!("{fault} at {call} {nth}");
    let place = place(first);
    let before = if first { 0 } else { 2 };
    let run = traced(&place, call, Some(&format!("{fault}:when={nth}")));
    let log = fs::read_to_string(log(&place)).unwrap();
    let struck = log.contains("(INJECTED)") || log.contains("killed by SIGKILL");
    let did_its_work = run.stdout == b"hello, you\n";
    if !fault.starts_with("signal") {
        assert_eq!(run.status.code(), Some(0), "{what}");
        assert!(did_its_work && run.stderr.is_empty(), "{what}: {run:?}");
    }

    assert_eq!(place.greet(&["hello", "you"]), Some(0), "{what}");
    assert_eq!(place.open(), 0, "{what}");
    let entries = place.entries();
    let ids: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry["id"].to_string())
        .collect();
    assert_eq!(ids.len(), entries.len(), "{what}: {ids:?}");
    // Besides those of before, that of the run afterwards, and that of this one: where it was killed, if it had come to
    // its work. A fault may keep it from being recorded, but not others.
    let of_this = entries.len().checked_sub(before + 1).unwrap();
    assert!(of_this <= 1, "{what}: {}", place.told());
    if fault.starts_with("signal") && did_its_work {
        assert_eq!(of_this, 1, "{what}: {}", place.told());
    }
    struck
}

fn play(first: bool) {
    let strace = Command::new("strace").arg("--version").output();
    if !strace.is_ok_and(|strace| strace.status.success()) {
        say("strace is not installed: faults at every system call are not tested");
        return;
    }
    let points = points(&place(first));
    assert!(points.len() > 10, "{points:?}");
    let all: Vec<_> = points
        .iter()
        .flat_map(|point| FAULTS.map(|fault| (point, fault)))
        .collect();
    let step = if env::var_os("SWAMP_TEST_ALL_POINTS").is_some() {
        1
    } else {
        5
    };
    let chosen = all.iter().step_by(step);
    let tried = chosen.len();
    let struck = chosen
        .filter(|(point, fault)| strike(first, point, fault))
        .count();
    say(&format!("{struck} of {tried} faults struck"));
    assert!(struck * 10 >= tried * 8, "too few faults struck");
}

fn say(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}

#[test]
fn a_fault_at_any_point_of_a_repositorys_first_record_is_nobodys_business() {
    play(true);
}

#[test]
fn a_fault_at_any_point_of_recording_loses_no_other_entry_and_makes_none_twice() {
    play(false);
}
