//! The behaviour of the program, seen from outside: the real binary against real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking, and their helpers with them"
)]

#[cfg(target_os = "linux")]
mod crash_points;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(unix)]
mod damage;
#[cfg(target_os = "linux")]
mod disk;
mod flush;
#[cfg(target_os = "linux")]
mod kill_storm;
#[cfg(target_os = "linux")]
mod locks;
mod network;
mod poison;
#[cfg(target_os = "linux")]
mod processes;
mod senders;
mod server;
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "some of it is for tests that look into /proc")
)]
mod support;
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "some of it is for tests that look into /proc")
)]
mod unruly;
