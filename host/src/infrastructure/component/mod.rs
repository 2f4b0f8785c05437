//! The sender component: how it is run, and what it can reach.

pub mod egress;
