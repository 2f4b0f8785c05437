//! The recorder as other programs embed it, seen from outside: `host/examples/greet`, as a process. A target of its
//! own, since it has to hold without the default features, too.

#![allow(
    clippy::unwrap_used,
    reason = "tests fail by panicking, and their helpers with them"
)]

#[cfg(feature = "cli")]
mod delivery;
#[cfg(unix)]
mod ends;
mod face;
#[cfg(target_os = "linux")]
mod faults;
mod place;
mod recording;
#[cfg(unix)]
mod starting;
#[cfg(feature = "cli")]
#[path = "../support.rs"]
#[allow(
    dead_code,
    reason = "most of it is for the tests of the program itself"
)]
mod support;
