//! The adapters: what does the I/O that the [`domain`](crate::domain) leaves to others.

pub mod receiver;
