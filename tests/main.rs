//! The behaviour of the program, seen from outside: the real binary against real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking, and their helpers with them"
)]

mod bad_input;
mod demo;
mod flush;
mod hostile;
mod init;
mod network;
mod power_cut;
mod promises;
mod scale;
mod sender_commands;
mod senders;
mod support;
mod telemetry;
