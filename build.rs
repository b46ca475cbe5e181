//! Tells the program what it was built from: git revision and compiler.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
};

fn main() {
    println!("cargo::rerun-if-env-changed=GIT_REVISION");
    println!("cargo::rustc-env=CPA_EXPORTER_REVISION={}", revision());
    println!("cargo::rustc-env=CPA_EXPORTER_RUSTC={}", rustc());
}

/// From the builder, for builds outside a checkout; else from git; else unknown.
fn revision() -> String {
    let given = std::env::var_os("GIT_REVISION").and_then(|text| text.into_string().ok());
    if let Some(given) = given.filter(|text| is_revision(text)) {
        return given;
    }
    for watched in ["HEAD", "logs/HEAD"] {
        let path = output("git", &["rev-parse", "--git-path", watched]);
        // A watched file that does not exist would mean a rebuild every time.
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    output("git", &["rev-parse", "--short=12", "HEAD"])
        .filter(|text| is_revision(text))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn is_revision(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._+".contains(c))
}

/// `1.95.0` out of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc() -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    output(compiler, &["--version"])
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
