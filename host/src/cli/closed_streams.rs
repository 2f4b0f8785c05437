//! Standard streams that are closed where there is no `/dev/null`.
//!
//! Before `main`, the standard library opens `/dev/null` for standard streams that are closed, so that no file that is
//! opened later is taken for one. Where it cannot, in a chroot or a sandbox without /dev, it ends the process by
//! SIGABRT, without a word. Nothing in `main` can help that; the loader calls what is listed in `.init_array` earlier.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};

// SAFETY: what `.init_array` lists must be functions of C's calling convention that return; the loader calls them once,
// on the only thread there is. This one asks nothing of the standard library but system calls.
#[expect(unsafe_code, reason = "a section of the program is the loader's")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = occupy;

/// Opens for each standard stream that is closed the reading end of a pipe that nobody writes to: reading finds the end,
/// and writing fails as it does where a stream is closed.
extern "C" fn occupy() {
    if File::open("/dev/null").is_ok() {
        return;
    }
    // A new descriptor gets the lowest number that is free.
    while let Ok((reader, _)) = io::pipe()
        && reader.as_raw_fd() <= 2
    {
        // Kept open for as long as the process lives.
        let _stream = reader.into_raw_fd();
    }
}
