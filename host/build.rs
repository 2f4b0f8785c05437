//! Links the unwinder into the program on Linux, where the C compiler's static one can be had. One library less to
//! map, to relocate and to initialise is a fourteenth of the time that `swamp exec` adds to a command.

use std::env;
use std::path::Path;
use std::process::Command;

/// The unwinder, as GCC brings it for static linking.
const UNWINDER: &str = "gcc_eh";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let is_program = env::var_os("CARGO_FEATURE_CLI").is_some();
    if is_program && target("OS") == "linux" && target("ENV") == "gnu" && is_there() {
        // Before the standard library's own choice, the shared one, which then is not needed.
        println!("cargo:rustc-link-lib=static:-bundle={UNWINDER}");
    }
}

/// Whether the linker would find it. Without it, the shared one does.
fn is_there() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let file = format!("lib{UNWINDER}.a");
    let found = Command::new(linker)
        .arg(format!("-print-file-name={file}"))
        .output();
    // It gives back the bare name of a file that it does not find.
    found.is_ok_and(|found| {
        let path = String::from_utf8_lossy(&found.stdout);
        let path = Path::new(path.trim());
        path.is_absolute() && path.exists()
    })
}
