//! How a sender's HTTP requests leave the machine.
//!
//! [`Egress`] is what `wasmtime-wasi-http` asks for every request of a sender. It lets `POST` and `PUT` to the
//! endpoint's own origin through and refuses everything else; resolves, connects, shakes hands and speaks HTTP
//! under the batch's deadline and within [`EgressLimits`]; goes through the user's proxy; trusts the user's roots;
//! adds the user's headers; and tells in an [`EgressReport`] what the host saw.

mod answer_body;
mod bundle;
mod connect;
mod detached;
mod dry_run;
mod early;
mod environment;
mod exchange;
mod failure;
mod header;
mod hooks;
mod policy;
mod probe;
mod proxy;
mod reach;
mod report;
mod request_body;
mod resolve;
mod secrets;
mod target;
mod tls;

pub use dry_run::DryRunRequest;
pub use environment::Environment;
pub use header::{HostHeader, HostHeaderError};
pub use hooks::{Egress, Network};
pub use probe::{Reached, probe};
pub use reach::Reach;
pub use report::EgressReport;
pub use resolve::Resolver;
pub use secrets::Secrets;

/// What one sender may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressLimits {
    /// Bytes of a request's body. 8 MiB by default.
    pub max_request_body: u64,
    /// Bytes of an answer's body. 1 MiB by default.
    pub max_response_body: u64,
    /// Requests in one batch. 64 by default.
    pub max_requests: u32,
    /// Bytes of an answer's head, and of its trailers. 16 KiB by default.
    pub max_head: usize,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            max_request_body: 8 << 20,
            max_response_body: 1 << 20,
            max_requests: 64,
            max_head: 16 << 10,
        }
    }
}

#[cfg(test)]
mod tests;
