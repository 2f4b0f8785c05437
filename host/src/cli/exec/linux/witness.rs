//! A process that stands in the process group beside this one and tells which signals came to it.
//!
//! A signal that somebody sends to this process alone means the program, and is sent on. One to the whole group, or to
//! everything in the control group as systemd stops a unit, has reached the program already. Both look the same to who
//! gets them; but what comes to a group comes to the witness too.
//!
//! It also outlives this process, by a moment: where that is killed, it kills the program.
//!
//! It shares this process's memory and descriptors, so that it costs a fraction of what a fork does: nothing is copied,
//! and nothing that the program closes is held open by it.

use std::ffi::{CString, c_void};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::libc::{self, c_int};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{getpid, getppid, kill_process, set_parent_process_death_signal};

use super::signals::Signals;

const STACK: usize = 64 * 1024;

/// What the witness says when it has told of all signals that had come before it was asked.
const NO_MORE: u8 = 0;

/// How long its answer is waited for until this looks at what is the matter with it: it is stopped, or dead, or the
/// machine is busy.
const PATIENCE: Duration = Duration::from_millis(20);

/// How often this looks until there is no witness.
const LOOKS: usize = 250;

/// What both have in common. It is never freed: the witness may outlive everything here.
pub(super) struct Post {
    pub(super) signals: Signals,
    /// The program's process, once there is one.
    program: AtomicI32,
    swamp: rustix::process::Pid,
    name: CString,
    ours: UnixStream,
    theirs: UnixStream,
}

/// The witness. It is there until [`end`](Self::end), and its process until this is dropped.
pub(super) struct Witness {
    post: &'static Post,
    process: Option<Pid>,
    ended: Option<Pid>,
}

impl Witness {
    /// Starts a witness of this name. There is none where the system does not allow it.
    ///
    /// # Errors
    ///
    /// When there is no way to hear from it.
    pub(super) fn start(signals: Signals, name: CString) -> io::Result<Self> {
        let line = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            Ok((ours, theirs))
        });
        let (ours, theirs) = line.inspect_err(|_| signals.release())?;
        let post: &'static Post = Box::leak(Box::new(Post {
            signals,
            program: AtomicI32::new(0),
            swamp: getpid(),
            name,
            ours,
            theirs,
        }));
        // Stacks grow downwards, from an address that 16 divides.
        let stack = Box::leak(Box::<[u8; STACK]>::new_uninit());
        let top = ptr::from_mut(stack).wrapping_add(1);
        let top = top.map_addr(|address| address & !15).cast::<c_void>();
        let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS;
        // SAFETY: the new process runs `stand` on a stack of its own, in memory that is never freed. Everything that
        // both use there can be used by two threads. It runs in this thread's thread-local storage, and never touches
        // it: see `stand`. This process has no other thread that could hold a lock.
        let process = unsafe {
            libc::clone(
                stand,
                top,
                flags,
                ptr::from_ref(post).cast_mut().cast::<c_void>(),
            )
        };
        let process = (process > 0).then(|| Pid::from_raw(process));
        Ok(Self {
            post,
            process,
            ended: None,
        })
    }

    pub(super) const fn signals(&self) -> &'static Signals {
        &self.post.signals
    }

    /// Where the program's process is to be written to, once there is one and until it is gone.
    pub(super) const fn program(&self) -> &'static AtomicI32 {
        &self.post.program
    }

    /// Waits until a signal comes to this process or the witness, or until the time is over.
    pub(super) fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut ready = [
            PollFd::new(&self.post.signals, PollFlags::IN),
            PollFd::new(&self.post.ours, PollFlags::IN),
        ];
        match poll(&mut ready, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The signals that the witness has told of since it was last heard. Where it `is_asked`, all that have come to it
    /// by now are among them. `None` where there is no witness.
    pub(super) fn told(&mut self, is_asked: bool) -> Option<Vec<c_int>> {
        let process = self.process?;
        let mut told = Vec::new();
        let heard = if is_asked {
            self.ask(&mut told, process)
        } else {
            self.hear(&mut told).map(drop)
        };
        if heard.is_err() {
            // Somebody has killed it.
            self.end();
            return None;
        }
        Some(told)
    }

    fn ask(&self, told: &mut Vec<c_int>, process: Pid) -> io::Result<()> {
        (&self.post.ours).write_all(&[1])?;
        let limit = Timespec::try_from(PATIENCE).ok();
        for _ in 0..LOOKS {
            let mut line = [PollFd::new(&self.post.ours, PollFlags::IN)];
            while poll(&mut line, limit.as_ref())? > 0 {
                if self.hear(told)? {
                    return Ok(());
                }
            }
            match state_of(process)? {
                // It stands where this process is not stopped any more.
                WaitStatus::Stopped(..) => kill(process, Signal::SIGCONT)?,
                // A busy machine has not let it run yet. To continue it would take back the stops that it has not told of.
                WaitStatus::StillAlive => {}
                _ => break,
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Reads what it has said. Whether there was an answer in it.
    fn hear(&self, told: &mut Vec<c_int>) -> io::Result<bool> {
        let mut said = [0; 64];
        let mut is_answer = false;
        loop {
            match (&self.post.ours).read(&mut said) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => is_answer |= take_in(&said[..length], told),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(is_answer),
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends it. What came to it and was not told is gone.
    pub(super) fn end(&mut self) {
        if let Some(process) = self.process.take() {
            kill(process, Signal::SIGKILL).ok();
            self.ended = Some(process);
        }
    }
}

/// Ends it, and waits until it is gone: whoever has heard of the program's end waits for other things first.
impl Drop for Witness {
    fn drop(&mut self) {
        self.end();
        if let Some(process) = self.ended {
            // It is no child of the usual kind: no signal tells of its end.
            waitpid(process, Some(WaitPidFlag::__WALL)).ok();
        }
    }
}

/// Takes the signals out of what the witness has said. Whether there was an answer in it: it need not be at the end, where
/// more signals came after it.
fn take_in(said: &[u8], told: &mut Vec<c_int>) -> bool {
    let signals = said.iter().filter(|byte| **byte != NO_MORE);
    told.extend(signals.map(|signal| c_int::from(*signal)));
    said.contains(&NO_MORE)
}

/// How it stands with a child that tells of nothing by itself. It can be asked again, and waited for.
fn state_of(process: Pid) -> nix::Result<WaitStatus> {
    let now = WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let states = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::__WALL;
    waitid(Id::Pid(process), now | states)
}

/// What the witness does.
///
/// It must touch nothing that belongs to this process's thread: no allocation, no panic, and no function of libc that
/// fails, since that would set `errno`. rustix makes its system calls itself.
extern "C" fn stand(post: *mut c_void) -> c_int {
    // SAFETY: it is the post that `start` has leaked.
    let post = unsafe { &*post.cast::<Post>() };
    // SAFETY: a name is read, which is there; that cannot fail. Who looks for the program by its name, to send it
    // something, means the group, and who looks for this one by its own does not.
    unsafe { libc::prctl(libc::PR_SET_NAME, post.name.as_ptr()) };
    // Any signal does: it wakes the witness up, which then looks.
    set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).ok();
    loop {
        if getppid() != Some(post.swamp) {
            let program = rustix::process::Pid::from_raw(post.program.load(Ordering::Acquire));
            if let Some(program) = program {
                kill_process(program, rustix::process::Signal::KILL).ok();
            }
            return 0;
        }
        let mut ready = [
            PollFd::new(&post.signals, PollFlags::IN),
            PollFd::new(&post.theirs, PollFlags::IN),
        ];
        poll(&mut ready, None).ok();
        let [_, line] = &ready;
        // First the question, and then what has come: so that the answer is about all that came before it.
        let is_asked = line.revents().contains(PollFlags::IN)
            && rustix::io::read(post.theirs.as_fd(), &mut [0; 1]).is_ok();
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        while rustix::io::read(post.signals.as_fd(), &mut info).is_ok() {
            tell(post, &info);
        }
        if is_asked {
            rustix::io::write(post.theirs.as_fd(), &[NO_MORE]).ok();
        }
    }
}

fn tell(post: &Post, info: &[u8; size_of::<libc::signalfd_siginfo>()]) {
    // A `signalfd_siginfo` begins with the signal's number, an error, a code, and the sender.
    let [n0, n1, n2, n3, _, _, _, _, _, _, _, _, s0, s1, s2, s3, ..] = *info;
    let signal = u32::from_ne_bytes([n0, n1, n2, n3]);
    let sender = i32::from_ne_bytes([s0, s1, s2, s3]);
    // That is what wakes it up.
    let is_from_swamp = sender == post.swamp.as_raw_nonzero().get();
    if let Ok(signal) = u8::try_from(signal)
        && !is_from_swamp
    {
        rustix::io::write(post.theirs.as_fd(), &[signal]).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_wherever_it_is_among_the_signals() {
        for (said, signals, is_answer) in [
            (&[NO_MORE][..], &[][..], true),
            (&[18, NO_MORE], &[18], true),
            (&[18, NO_MORE, 20], &[18, 20], true),
            (&[NO_MORE, 20], &[20], true),
            (&[18, 20], &[18, 20], false),
        ] {
            let mut told = Vec::new();
            assert_eq!(take_in(said, &mut told), is_answer, "{said:?}");
            assert_eq!(told, signals, "{said:?}");
        }
    }
}
