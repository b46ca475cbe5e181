//! What is there to run the exporter elsewhere: read, and checked by the programs that will read it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code; clippy.toml covers only test functions"
)]

mod compose;
mod docs;
mod image;
mod kubernetes;
mod services;
mod web;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The program's answer. Where it is not installed, a loud word and nothing: these programs are for
/// single files of samples, and scripts/test does not install them.
fn ask(program: &str, arguments: &[&str]) -> Option<Output> {
    let asked = Command::new(program).args(arguments).output();
    if asked.is_err() {
        let word = format!("SKIPPED: {program} is not installed");
        let mut stderr = std::io::stderr();
        writeln!(stderr, "{word}").unwrap();
    }
    asked.ok()
}

/// Both outputs of a program that must have succeeded.
fn succeeded(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"));
    list.iter().map(|one| one.as_str().unwrap()).collect()
}

/// Every file in a folder, its folders included.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
