//! Starting the program as if whoever started this process had.
//!
//! `posix_spawn` cannot set a disposition to "ignored", and its child does not know its own process id before it is
//! the program. A fork copies what is then thrown away. This does what `posix_spawn` does: the child borrows this
//! process's memory while this process waits.

use std::ffi::{CString, c_char, c_void};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::signal::SigSet;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use swamp::domain::EntryId;

use super::super::{as_found, disposition};
use super::environment::Environment;
use super::signals::Signals;

/// What `execvpe` needs, and the list of arguments that it makes for a script without a first line.
const STACK: usize = 64 * 1024;

struct Plan<'a> {
    args: Vec<*const c_char>,
    environment: Environment,
    mask: &'a SigSet,
    ignores_children: bool,
    /// Why the child is not the program, or 0.
    errno: c_int,
}

/// Starts the program with the mask, the dispositions and the streams that this process was started with. Its process
/// id is in `program` before it runs.
///
/// # Errors
///
/// As `execvp` has them, and when there can be no other process.
pub(super) fn spawn(
    args: &[CString],
    id: Option<&EntryId>,
    signals: &Signals,
    program: &AtomicI32,
) -> io::Result<Pid> {
    let mut pointers: Vec<_> = args.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(ptr::null());
    let room = STACK + 2 * size_of_val(pointers.as_slice());
    let mut plan = Plan {
        args: pointers,
        environment: Environment::of_program(id),
        mask: signals.mask_as_found(),
        ignores_children: signals.ignored_children(),
        errno: 0,
    };
    let mut stack = Vec::<u8>::with_capacity(room);
    // Stacks grow downwards, from an address that 16 divides.
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
    let top = top.map_addr(|address| address & !15).cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    // SAFETY: the child runs `become_program` on a stack of its own, and this process does not go on before the child
    // has left its memory: `plan` and `stack` are there until then, and used by one of them at a time. All signals are
    // blocked, so that nothing of this process interrupts the child there. The kernel writes the process id to
    // `program`, which outlives the call.
    let child = unsafe {
        libc::clone(
            become_program,
            top,
            flags,
            ptr::from_mut(&mut plan).cast::<c_void>(),
            program.as_ptr(),
        )
    };
    if child == -1 {
        return Err(io::Error::last_os_error());
    }
    let child = Pid::from_raw(child);
    // SAFETY: the child may have written to it through the pointer that it was given.
    let errno = unsafe { ptr::read_volatile(&raw const plan.errno) };
    if errno == 0 {
        return Ok(child);
    }
    program.store(0, Ordering::Release);
    waitpid(child, None).ok();
    Err(io::Error::from_raw_os_error(errno))
}

/// What the child does. It must not allocate, panic, or run into a function of this process's.
extern "C" fn become_program(plan: *mut c_void) -> c_int {
    // SAFETY: it is the plan that `spawn` waits with.
    let plan = unsafe { &mut *plan.cast::<Plan<'_>>() };
    // SAFETY: it only asks.
    let this = unsafe { libc::getpid() };
    plan.environment.name(this.unsigned_abs());
    // Rust's runtime handles the first two, and `survive_file_limits` the third. Dispositions are this child's own.
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGXFSZ] {
        disposition::drop_handler(signal);
    }
    if !as_found::ignores_pipe() {
        disposition::set_default(libc::SIGPIPE);
    }
    if plan.ignores_children {
        disposition::ignore(libc::SIGCHLD);
    }
    for stream in as_found::closed_streams() {
        // SAFETY: descriptors are this child's own, and nothing uses these any more.
        unsafe { libc::close(stream) };
    }
    // SAFETY: the set is a valid one, the texts end with a zero and the arrays with null. There is an argument: the
    // program's name. This comes back only when it has failed.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, plan.mask.as_ref(), ptr::null_mut());
        libc::execvpe(
            *plan.args.as_ptr(),
            plan.args.as_ptr(),
            plan.environment.pointer(),
        );
    }
    plan.errno = Errno::last_raw();
    // SAFETY: it ends the child, and nothing of this process's is run for that.
    unsafe { libc::_exit(127) }
}
