//! Links what the standard library would bring along, and the component does without: `memcpy` and its like.

#![allow(clippy::print_stdout, reason = "a build script speaks to cargo so")]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=../component.rs");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "wasi") && is("CARGO_CFG_TARGET_ENV", "p1") {
        println!("cargo::rustc-link-arg-cdylib=-lc");
    }
}
