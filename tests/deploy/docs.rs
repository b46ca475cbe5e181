//! Every page of documentation, against what there is: links, files, commands, options, keys, metrics.

mod code;
mod commands;
mod links;
mod names;

use std::path::{Path, PathBuf};

use crate::{files, root};
use code::Code;

/// A page, by its path in this checkout.
struct Page {
    path: String,
    text: String,
}

impl Page {
    /// Where relative links start.
    fn folder(&self) -> PathBuf {
        root().join(&self.path).parent().unwrap().to_owned()
    }

    fn code(&self) -> Vec<Code> {
        code::of(&self.text)
    }
}

fn pages() -> Vec<Page> {
    let mut found: Vec<Page> = ours()
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|end| end == "md"))
        .map(|path| Page {
            text: crate::read(&path),
            path,
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() >= 15, "{}", found.len());
    found
}

/// What a checkout has at its top; built things and the like are not documentation's business.
fn top() -> Vec<String> {
    let entries = std::fs::read_dir(root()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name != "target" && name != ".git")
        .collect()
}

/// All files, by their paths in this checkout.
fn ours() -> Vec<String> {
    let mut found = Vec::new();
    for name in top() {
        let path = root().join(&name);
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    let inside = |path: PathBuf| {
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap();
        path.replace('\\', "/")
    };
    let found = found.into_iter().map(inside);
    // cargo fuzz builds there.
    found
        .filter(|path| !path.starts_with("fuzz/target/"))
        .collect()
}

/// One line for each thing that is wrong.
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
