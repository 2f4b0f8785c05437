//! How much of the machine this process may use, where the system can limit it.

#[cfg(unix)]
use super::engine::address_space;
#[cfg(unix)]
use super::limits;

/// Lets this process use so many bytes of address space at most. A limit that is lower already stays.
#[cfg(unix)]
pub(super) fn bound_memory(most: u64) {
    use nix::sys::resource::{Resource, setrlimit};
    let limit = address_space().map_or(most, |limit| limit.min(most));
    setrlimit(Resource::RLIMIT_AS, limit, limit).ok();
}

#[cfg(not(unix))]
pub(super) const fn bound_memory(_: u64) {}

/// The most processor time that this process may use, in seconds, if that is limited.
#[cfg(unix)]
pub(super) fn cpu_limit() -> Option<u64> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_CPU).ok()?;
    (soft != RLIM_INFINITY).then_some(soft)
}

#[cfg(not(unix))]
pub(super) const fn cpu_limit() -> Option<u64> {
    None
}

/// Lets this process use [`limits::COMPILE_CPU`] of processor time at most. A limit that is lower already stays. The
/// system ends by SIGKILL at the second limit what goes on after SIGXCPU at the first.
#[cfg(unix)]
pub(super) fn bound_cpu() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
    const GRACE: u64 = 5;
    let ours = limits::COMPILE_CPU.as_secs();
    let (soft, hard) = getrlimit(Resource::RLIMIT_CPU).unwrap_or((RLIM_INFINITY, RLIM_INFINITY));
    setrlimit(Resource::RLIMIT_CPU, soft.min(ours), hard.min(ours + GRACE)).ok();
}

#[cfg(not(unix))]
pub(super) const fn bound_cpu() {}
