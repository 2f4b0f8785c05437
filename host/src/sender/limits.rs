//! The limits on a sender, but for those on its requests, which are `egress::Limits`.
//!
//! `memoryMiB` and `deadlineMs` are set by `telemetrySenderLimits` in the marker, within the bounds of
//! `config::SenderLimits`; a value out of bounds is refused. The others leave every honest sender plenty of room.

use std::time::Duration;

/// The largest component file, in bytes.
pub const COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// The most processor time that a cold compilation may use: a busy machine is not the component's fault.
pub const COMPILE_CPU: Duration = Duration::from_mins(1);

/// The longest that a cold compilation may take where no person waits for it.
pub const COMPILE_TIME: Duration = Duration::from_mins(10);

/// The most address space that a cold compilation may use, in bytes.
pub const COMPILE_MEMORY: u64 = 1024 * 1024 * 1024;

/// The most threads that compile at the same time: the C library sets address space aside for each.
pub const COMPILE_THREADS: usize = 4;

/// The longest that a component's DWARF is read for the lines of one trap.
pub const LOCATE_TIME: Duration = Duration::from_secs(5);

/// The most address space that reading it may use, in bytes.
pub const LOCATE_MEMORY: u64 = 512 * 1024 * 1024;

/// The longest that a background flush may take besides compiling, whatever happens to its timers.
pub const WATCHDOG: Duration = Duration::from_secs(10);

/// The most elements of a guest's tables, all together. A large JavaScript engine has some ten thousand.
pub const TABLE_ELEMENTS: usize = 200_000;

/// The most core instances, memories and tables that a component is made of, of each.
pub const INSTANCES: usize = 100;

/// The most resources (requests, streams, pollables) that a guest holds at once.
pub const RESOURCES: usize = 1_000;

/// The most bytes that a guest hands to the host in one call. A request's body arrives in pieces; of what is no body, the
/// host may have to keep as much for each of a guest's handles.
pub const HOST_CALL_BYTES: usize = 256 * 1024;

/// The most handles (resources, streams, futures, tasks) that an async guest holds at once.
pub const ASYNC_HANDLES: usize = 512;

/// The most tasks, streams, futures and waitable sets of an async guest that the host keeps at once, those included
/// that the guest has no handle of any more. A stream counts for three.
pub const ASYNC_STATES: usize = 2_048;

/// The most random bytes that a guest takes in one call.
pub const RANDOM_BYTES: u64 = 64 * 1024;

/// The most bytes that one set of header fields takes up in the host.
pub const HEADER_BYTES: usize = 16 * 1024;

/// The guest's stack, in bytes.
pub const STACK_BYTES: usize = 512 * 1024;

/// How much of a guest's output is kept for the debug log, in bytes: the last of each stream.
pub const OUTPUT_BYTES: usize = 4 * 1024;

/// The most characters of what a guest says that are shown to a person.
pub const REASON_CHARS: usize = 512;

/// The most lines of a trap's backtrace that are shown.
pub const FRAMES: usize = 24;

/// The most bytes that the cache of compiled components takes up.
pub const CACHE_BYTES: u64 = 512 * 1024 * 1024;
