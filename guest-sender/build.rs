//! Links the component for wasm32-wasip2 with the smallest of WASI's adapters.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "wasi") && is("CARGO_CFG_TARGET_ENV", "p2") {
        // Rust's standard library speaks WASI 0.1 and is adapted to 0.2. The `proxy` adapter knows of clocks and
        // output only: the component does not even import files, environment and arguments. For
        // cargo-component, `proxy = true` in Cargo.toml says the same.
        println!("cargo::rustc-link-arg-cdylib=--wasi-adapter=proxy");
    }
}
