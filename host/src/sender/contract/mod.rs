//! The contract between host and component: a module a published version.

mod v0_1;

pub(super) use v0_1::{
    Destination, GuestError, INTERFACE, Sender, SenderPre, VERSION, entries, listed_strings,
    promises, reason, send_error,
};
