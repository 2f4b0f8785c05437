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

use std::mem;
use std::time::{Duration, Instant};

use nix::libc::{self, c_int};

use super::signals::Arrived;

/// How long a signal is held that the witness has not got: `timeout` sends one to its child and then one to the group,
/// systemd one to the main process and then one to each other. A program that ran alone would take the two for one.
const GRACE: Duration = Duration::from_millis(2);

/// What stops a process, and can be held back.
const STOPS: [c_int; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Who is to get a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressee {
    Program,
    /// The parent of this process, which would be the program's if it ran alone.
    Parent,
}

/// The signals that have come and are not dealt with yet.
pub(super) struct Forward {
    program: c_int,
    held: Vec<(Arrived, Instant)>,
    /// What the witness has got, and when this process learnt of it.
    witnessed: Vec<(c_int, Instant)>,
}

impl Forward {
    pub(super) const fn to(program: c_int) -> Self {
        Self {
            program,
            held: Vec::new(),
            witnessed: Vec::new(),
        }
    }

    /// Takes a signal that has come to this process.
    pub(super) fn take(&mut self, arrived: Arrived, now: Instant) {
        if !arrived.is_of_this_process() {
            self.held.push((arrived, now));
        }
    }

    /// Whether nothing is held.
    pub(super) const fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// How long nothing is to be done, if nothing comes.
    pub(super) fn rests(&self, now: Instant) -> Option<Duration> {
        let (_, since) = self.held.first()?;
        Some(GRACE.saturating_sub(now.duration_since(*since)))
    }

    /// Deals with what can be dealt with, and gives what is to be sent to whom. `told` is what the witness has got
    /// besides, or `None` where there is none. `is_in_group` says whether the program is in this process's group.
    pub(super) fn deliver(
        &mut self,
        told: Option<Vec<c_int>>,
        is_in_group: bool,
        now: Instant,
    ) -> Vec<(Arrived, Addressee)> {
        match told {
            Some(told) => self.by_witness(told, is_in_group, now),
            None => self.by_sender(is_in_group),
        }
    }

    fn by_sender(&mut self, is_in_group: bool) -> Vec<(Arrived, Addressee)> {
        let held = mem::take(&mut self.held);
        let mut sent = Vec::new();
        for (place, (arrived, _)) in held.iter().enumerate() {
            let has_it = arrived.is_of_the_kernel() || arrived.is_of(self.program);
            let is_taken_back = arrived.signal == libc::SIGCONT
                && (held.iter().skip(place)).any(|(later, _)| STOPS.contains(&later.signal));
            if !(has_it && is_in_group || is_taken_back) {
                sent.push((*arrived, Addressee::Program));
            }
        }
        sent
    }

    fn by_witness(
        &mut self,
        told: Vec<c_int>,
        is_in_group: bool,
        now: Instant,
    ) -> Vec<(Arrived, Addressee)> {
        let is_over = |since: Instant| now.duration_since(since) >= GRACE;
        self.witnessed
            .extend(told.into_iter().map(|signal| (signal, now)));
        let stop = (self.witnessed.iter().copied()).find(|(signal, _)| STOPS.contains(signal));
        let held = mem::take(&mut self.held);
        let came = |signal: c_int| held.iter().any(|(arrived, _)| arrived.signal == signal);
        let mut sent = Vec::new();
        for (arrived, since) in &held {
            let mut witnessed = self.witnessed.iter();
            if let Some(place) = witnessed.position(|(signal, _)| *signal == arrived.signal) {
                self.witnessed.remove(place);
                if !is_in_group {
                    sent.push((*arrived, Addressee::Program));
                }
            } else if arrived.signal == libc::SIGCONT
                && let Some((stop, stopped)) = stop
            {
                // A stop takes away what has come to go on and was not read yet. Where both came to this process and to
                // the witness, the program is stopped, and must stay so.
                if !came(stop) {
                    if is_over(stopped) {
                        sent.push((*arrived, self.addressee(arrived)));
                    } else {
                        self.held.push((*arrived, *since));
                    }
                }
            } else if is_over(*since) {
                sent.push((*arrived, self.addressee(arrived)));
            } else {
                self.held.push((*arrived, *since));
            }
        }
        // Only the witness got these. They are given up after a look for their like, however late that look comes.
        self.witnessed.retain(|(_, since)| !is_over(*since));
        sent
    }

    /// This process was stopped as the program was, and goes on: what was sent before to go on is no news any more, and
    /// would undo the next stop. What was sent before to stop was taken back by what made this process go on, and would
    /// stop the program again.
    pub(super) fn continued(&mut self) {
        let is_past = |signal: c_int| signal == libc::SIGCONT || STOPS.contains(&signal);
        self.held.retain(|(arrived, _)| !is_past(arrived.signal));
        self.witnessed.retain(|(signal, _)| !is_past(*signal));
    }

    /// Who gets what came to this process alone.
    const fn addressee(&self, arrived: &Arrived) -> Addressee {
        if arrived.is_of(self.program) {
            Addressee::Parent
        } else {
            Addressee::Program
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: c_int = 4242;
    const SHELL: c_int = 77;

    /// What a witness tells that is there.
    #[expect(clippy::unnecessary_wraps, reason = "where there is none it is `None`")]
    fn told(signals: &[c_int]) -> Option<Vec<c_int>> {
        Some(signals.to_vec())
    }

    /// What is sent where these came, in this order, and the witness tells of those, at once and after the grace.
    fn sent(came: &[Arrived], told: Option<Vec<c_int>>) -> Vec<(c_int, Addressee)> {
        let (mut forward, now) = (Forward::to(PROGRAM), Instant::now());
        for arrived in came {
            forward.take(*arrived, now);
        }
        let later = told.as_ref().map(|_| Vec::new());
        let mut sent = forward.deliver(told, true, now);
        sent.extend(forward.deliver(later, true, now + GRACE));
        assert!(forward.is_idle());
        sent.into_iter()
            .map(|(arrived, to)| (arrived.signal, to))
            .collect()
    }

    #[test]
    fn each_signal_reaches_the_program_once() {
        use Addressee::{Parent, Program};
        use libc::{SIGCONT, SIGINT, SIGTERM, SIGTSTP};
        let shell = |signal| Arrived::from_process(signal, SHELL);
        let own = |signal| Arrived::from_process(signal, PROGRAM);
        let kernel = Arrived::from_kernel;
        for (what, came, told, expected) in [
            (
                "to swamp",
                vec![shell(SIGTERM)],
                told(&[]),
                vec![(SIGTERM, Program)],
            ),
            (
                "to the group",
                vec![shell(SIGTERM)],
                told(&[SIGTERM]),
                vec![],
            ),
            ("by a key", vec![kernel(SIGINT)], told(&[SIGINT]), vec![]),
            (
                "to its parent",
                vec![own(SIGTERM)],
                told(&[]),
                vec![(SIGTERM, Parent)],
            ),
            (
                "no witness",
                vec![shell(SIGTERM)],
                None,
                vec![(SIGTERM, Program)],
            ),
            ("by a key, no witness", vec![kernel(SIGINT)], None, vec![]),
            ("fg", vec![shell(SIGCONT)], told(&[SIGCONT]), vec![]),
            (
                "fg, and Ctrl-Z before the witness has read of it",
                vec![shell(SIGCONT), kernel(SIGTSTP)],
                told(&[SIGTSTP]),
                vec![],
            ),
            (
                "the same, without a witness",
                vec![shell(SIGCONT), kernel(SIGTSTP)],
                None,
                vec![],
            ),
            (
                "to go on after a stop, to swamp alone",
                vec![shell(SIGTSTP), shell(SIGCONT)],
                told(&[]),
                vec![(SIGTSTP, Program), (SIGCONT, Program)],
            ),
            (
                "to go on, to swamp, and a stop to the witness alone",
                vec![shell(SIGCONT)],
                told(&[SIGTSTP]),
                vec![(SIGCONT, Program)],
            ),
        ] {
            assert_eq!(sent(&came, told), expected, "{what}");
        }
    }

    #[test]
    fn to_a_program_in_another_group_what_came_to_the_group_is_sent_on() {
        let (mut forward, now) = (Forward::to(PROGRAM), Instant::now());
        forward.take(Arrived::from_kernel(libc::SIGINT), now);
        let sent = forward.deliver(told(&[libc::SIGINT]), false, now);
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_signal_that_follows_its_like_to_the_group_within_the_grace_is_the_same() {
        let (mut forward, now) = (Forward::to(PROGRAM), Instant::now());
        forward.take(Arrived::from_process(libc::SIGINT, SHELL), now);
        assert!(forward.deliver(told(&[]), true, now).is_empty());
        assert_eq!(forward.rests(now), Some(GRACE));
        assert!(
            forward
                .deliver(told(&[libc::SIGINT]), true, now + GRACE / 2)
                .is_empty()
        );
        assert!(forward.is_idle());
    }

    /// The first stop came to this process, and the witness lost it to what made all go on.
    #[test]
    fn what_came_before_this_process_was_continued_neither_stops_nor_continues_the_program() {
        for signal in STOPS.into_iter().chain([libc::SIGCONT]) {
            let (mut forward, now) = (Forward::to(PROGRAM), Instant::now());
            forward.take(Arrived::from_kernel(signal), now);
            assert!(forward.deliver(told(&[]), true, now).is_empty());
            forward.continued();
            assert!(
                forward.deliver(told(&[]), true, now + GRACE).is_empty(),
                "{signal}"
            );
        }
    }
}
