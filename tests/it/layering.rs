//! Allowed dependencies between modules, checked in the `use` lines and paths of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module → modules it may use. All may use `model`; none uses `cli` or `app`, except that `cli`
/// starts `app`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &[]),
    ("errors", &[]),
    ("decode", &[]),
    ("api", &["quota"]),
    ("budget", &[]),
    ("pricing", &[]),
    ("spool", &["platform"]),
    ("store", &["platform"]),
    ("metrics", &[]),
    ("cpa", &["clock", "http_client"]),
    ("source", &["clock", "cpa", "metrics", "spool"]),
    ("quota", &[]),
    (
        "ingest",
        &[
            "budget", "clock", "decode", "metrics", "platform", "pricing", "quota", "spool",
            "store",
        ],
    ),
    ("accounts", &["clock", "cpa", "decode", "metrics", "store"]),
    (
        "poller",
        &[
            "accounts",
            "api",
            "clock",
            "cpa",
            "http_client",
            "metrics",
            "quota",
            "store",
        ],
    ),
    (
        "history",
        &["decode", "ingest", "metrics", "platform", "store"],
    ),
    ("http", &["api", "clock", "config", "metrics", "version"]),
    ("report", &["api"]),
    ("http_client", &["version"]),
    ("platform", &[]),
    ("lifecycle", &["platform"]),
    ("telemetry", &["config"]),
    ("config", &["platform"]),
    ("version", &[]),
];
/// The crate of pure code; the compiler checks the simulator's dependencies.
const CORE: &str = "crates/core/src";
/// Modules of the root crate that only compute.
const PURE_MODULES: &[&str] = &["api", "report"];
/// Files that only compute, in modules that do more.
const PURE_FILES: &[&str] = &[
    "accounts/account.rs",
    "accounts/gauges.rs",
    "accounts/decode_v0.rs",
    "accounts/decode_v8.rs",
    "accounts/error_event.rs",
    "accounts/key_lists.rs",
    "accounts/last_failure.rs",
    "accounts/lenient.rs",
    "accounts/account_set.rs",
];
/// Modules that may use all others.
const COMPOSERS: &[&str] = &["app", "cli"];

#[test]
fn modules_use_only_allowed_modules() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (module, file) in modules(&["src", CORE]) {
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        for used in uses(&fs::read_to_string(&file).unwrap()) {
            let may = used == module
                || ["model", "errors"].contains(&used.as_str())
                || (COMPOSERS.contains(&module.as_str()) && (used != "cli" || module == "cli"))
                || allowed
                    .get(module.as_str())
                    .is_some_and(|may| may.contains(&used.as_str()));
            if !may {
                problems.push(format!("{} uses {used}", file.display()));
            }
            seen.insert((module.clone(), used));
        }
        if !COMPOSERS.contains(&module.as_str()) && !allowed.contains_key(module.as_str()) {
            problems.push(format!("{module} is not in the table"));
        }
    }
    // An unused permission must be removed.
    for (module, may) in &allowed {
        let idle = may
            .iter()
            .filter(|used| !seen.contains(&((*module).to_owned(), (**used).to_owned())));
        problems.extend(idle.map(|used| format!("{module} does not use {used}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn pure_modules_have_no_io_and_no_clock() {
    let forbidden = [
        "tokio",
        "std::fs",
        "std::net",
        "SystemTime",
        "Instant",
        "rusqlite",
        "reqwest",
    ];
    let mut problems = Vec::new();
    let root = modules(&["src"]).into_iter().filter(|(module, file)| {
        PURE_MODULES.contains(&module.as_str())
            || PURE_FILES.iter().any(|pure| file.ends_with(pure))
    });
    for (_, file) in root.chain(modules(&[CORE])) {
        for line in code_lines(&fs::read_to_string(&file).unwrap()) {
            if let Some(word) = forbidden.iter().find(|word| line.contains(**word)) {
                problems.push(format!("{}: {word}", file.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Each file below these directories, with its module.
fn modules(folders: &[&str]) -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = folders.iter().map(|folder| root.join(folder));
    folders
        .flat_map(|src| {
            let files = rust_files(&src);
            files
                .into_iter()
                .map(move |file| (module_of(&src, &file), file))
        })
        .collect()
}

/// The program's code; a module's tests may use it from outside.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|x| x == "rs") {
            files.push(path);
        }
    }
    files
}

/// `src/store/ingest.rs` → `store`.
fn module_of(src: &Path, file: &Path) -> String {
    let first = file.strip_prefix(src).unwrap().components().next().unwrap();
    first
        .as_os_str()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// Lines without comments.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap())
}

/// Top-level modules named by `crate::name` outside comments, `use crate::{a, b}` included.
fn uses(text: &str) -> BTreeSet<String> {
    let code: String = code_lines(text).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn use_lines_are_parsed() {
    let text = "use crate::model::Event;\nuse crate::{clock, spool::Writer};\n// crate::store\n";
    let found: Vec<String> = uses(text).into_iter().collect();
    assert_eq!(found, ["clock", "model", "spool"]);
}
