//! The behaviour of the program, seen from outside: the real binary against real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking, and their helpers with them"
)]

#[cfg(target_os = "linux")]
mod arrival;
mod bad_input;
#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod browser;
#[cfg(target_os = "linux")]
mod compiling;
#[cfg(unix)]
mod completions;
mod config;
mod conformance;
mod contract;
#[cfg(target_os = "linux")]
mod crash_points;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(unix)]
mod damage;
mod demo;
#[cfg(unix)]
mod deno;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(unix)]
mod doctor;
#[cfg(unix)]
mod early_answers;
#[cfg(target_os = "linux")]
mod elsewhere;
#[cfg(target_os = "linux")]
mod exec;
#[cfg(target_os = "linux")]
mod exec_alone;
#[cfg(target_os = "linux")]
mod faults;
mod flush;
#[cfg(unix)]
mod foreign_text;
mod fuel;
mod help;
mod hints;
mod hostile;
mod house;
mod init;
#[cfg(unix)]
mod interface;
#[cfg(target_os = "linux")]
mod interrupted;
mod json_reference;
#[cfg(target_os = "linux")]
mod kill_storm;
#[cfg(target_os = "linux")]
mod known;
#[cfg(target_os = "linux")]
mod links;
mod listing;
#[cfg(target_os = "linux")]
mod locks;
mod log;
mod man;
mod network;
#[cfg(target_os = "linux")]
mod opened;
mod otlp;
mod package;
#[cfg(target_os = "linux")]
mod page;
mod poison;
#[cfg(target_os = "linux")]
mod power_cut;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod progress;
mod promises;
#[cfg(unix)]
mod receive;
mod record;
mod requests;
mod scaffold;
mod scale;
mod secrets;
mod sender_commands;
mod senders;
mod sentences;
mod server;
#[cfg(target_os = "linux")]
mod strangers;
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "some of it is for tests that look into /proc")
)]
mod support;
#[cfg(target_os = "linux")]
mod surroundings;
mod telemetry;
mod tools;
mod traces;
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "some of it is for tests that look into /proc")
)]
mod unruly;
mod user_repo;
#[cfg(target_os = "linux")]
mod walks;
mod wasi_0_3;
mod wrap;
