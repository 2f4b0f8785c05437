//! The outside world: files, processes, the network, the sandbox.

pub mod component;
