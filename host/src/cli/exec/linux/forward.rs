//! Which of the signals that come to this process the program is to get, so that each reaches it once.
//!
//! | it came | the program |
//! | --- | --- |
//! | to this process alone | gets it |
//! | to this process and the witness, from a terminal or from somebody | has got it, being in the same group |
//! | likewise, and the program is in another group by now | gets it |
//! | to this process alone, from the program | sent it to its parent: this process's own parent gets it |
//! | there is no witness, from the kernel or the program | has got it, where it is in the same group |
//! | there is no witness, from somebody else | gets it: a signal to the group reaches it twice |
//!
//! The last one is the harmless choice: a signal that comes twice asks again, one that is lost leaves a program running
//! that somebody wants to end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::libc::{self, c_int};
use nix::unistd::{Pid, getpgid, getpgrp, getppid};

use super::signals::Arrived;

/// How long a signal is held that the witness has not got: `timeout` sends one to its child and then one to the group,
/// systemd one to the main process and then one to each other. A program that ran alone would take the two for one.
const GRACE: Duration = Duration::from_millis(2);

/// What stops a process, and can be held back.
const STOPS: [c_int; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// The signals that have come and are not dealt with yet.
pub(super) struct Forward {
    program: Pid,
    held: VecDeque<(Arrived, Instant)>,
    /// What the witness has got, and when this process learnt of it.
    witnessed: Vec<(c_int, Instant)>,
}

impl Forward {
    pub(super) const fn to(program: Pid) -> Self {
        Self {
            program,
            held: VecDeque::new(),
            witnessed: Vec::new(),
        }
    }

    /// Takes a signal that has come to this process.
    pub(super) fn take(&mut self, arrived: Arrived) {
        if !arrived.is_of_this_process() {
            self.held.push_back((arrived, Instant::now()));
        }
    }

    /// Whether nothing is held.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// How long nothing is to be done, if nothing comes.
    pub(super) fn rests(&self) -> Option<Duration> {
        let (_, since) = self.held.front()?;
        Some(GRACE.saturating_sub(since.elapsed()))
    }

    /// Deals with what can be dealt with. `told` is what the witness has got besides, or `None` where there is none.
    pub(super) fn deliver(&mut self, told: Option<Vec<c_int>>) {
        let Some(told) = told else {
            for (arrived, _) in std::mem::take(&mut self.held) {
                let has_it = arrived.is_of_the_kernel() || arrived.is_of(self.program.as_raw());
                if !(has_it && self.is_in_the_group()) {
                    arrived.send_to(self.program.as_raw());
                }
            }
            return;
        };
        let now = Instant::now();
        let is_over = |since: Instant| now.duration_since(since) >= GRACE;
        self.witnessed
            .extend(told.into_iter().map(|signal| (signal, now)));
        let stop = (self.witnessed.iter().copied()).find(|(signal, _)| STOPS.contains(signal));
        let came: Vec<_> = (self.held.iter())
            .map(|(arrived, _)| arrived.signal)
            .collect();
        for (arrived, since) in std::mem::take(&mut self.held) {
            let mut witnessed = self.witnessed.iter();
            if let Some(place) = witnessed.position(|(signal, _)| *signal == arrived.signal) {
                self.witnessed.remove(place);
                if !self.is_in_the_group() {
                    arrived.send_to(self.program.as_raw());
                }
            } else if arrived.signal == libc::SIGCONT
                && let Some((stop, stopped)) = stop
            {
                // A stop takes away what has come to go on and was not read yet. Where both came to this process and to
                // the witness, the program is stopped, and must stay so.
                if !came.contains(&stop) {
                    if is_over(stopped) {
                        self.send_on(arrived);
                    } else {
                        self.held.push_back((arrived, since));
                    }
                }
            } else if is_over(since) {
                self.send_on(arrived);
            } else {
                self.held.push_back((arrived, since));
            }
        }
        // Only the witness got these. They are given up after a look for their like, however late that look comes.
        self.witnessed.retain(|(_, since)| !is_over(*since));
    }

    /// This process was stopped as the program was, and goes on: what was sent before to go on is no news any more, and would
    /// undo the next stop.
    pub(super) fn continued(&mut self) {
        let is_past = |signal: c_int| signal == libc::SIGCONT || STOPS.contains(&signal);
        self.held
            .retain(|(arrived, _)| arrived.signal != libc::SIGCONT);
        self.witnessed.retain(|(signal, _)| !is_past(*signal));
    }

    fn send_on(&self, arrived: Arrived) {
        let to = if arrived.is_of(self.program.as_raw()) {
            getppid()
        } else {
            self.program
        };
        // There may be no such process that this one can see.
        if to.as_raw() > 0 {
            arrived.send_to(to.as_raw());
        }
    }

    fn is_in_the_group(&self) -> bool {
        getpgid(Some(self.program)).is_ok_and(|group| group == getpgrp())
    }
}
