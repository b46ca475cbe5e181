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
    ("json", &[]),
    ("decode", &["json"]),
    ("api", &["quota"]),
    ("budget", &[]),
    ("pricing", &[]),
    ("spool", &["platform"]),
    ("store", &["platform"]),
    ("metrics", &[]),
    ("cpa", &["clock", "decode", "http_client"]),
    ("source", &["clock", "cpa", "metrics", "spool", "store"]),
    ("quota", &["json"]),
    (
        "ingest",
        &[
            "api", "budget", "clock", "decode", "metrics", "platform", "pricing", "quota", "spool",
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
    ("history", &["metrics", "store"]),
    (
        "gateway",
        &["clock", "config", "ingest", "metrics", "store"],
    ),
    ("http", &["api", "clock", "config", "metrics", "version"]),
    ("query", &["api", "config", "store"]),
    ("report", &["api"]),
    ("http_client", &["version"]),
    ("platform", &[]),
    ("lifecycle", &["platform"]),
    ("telemetry", &["config"]),
    ("config", &["budget", "platform", "quota"]),
    ("version", &[]),
];
/// The crate of pure code; the compiler checks the simulator's dependencies.
const CORE: &str = "crates/core/src";
/// Modules of the root crate that only compute.
const PURE_MODULES: &[&str] = &["api", "report"];
/// Files that only compute, in modules that do more.
const PURE_FILES: &[&str] = &[
    "accounts/account_set.rs",
    "accounts/error_event.rs",
    "accounts/gauges.rs",
    "cpa/lists/account.rs",
    "cpa/lists/cooldown_reason.rs",
    "cpa/lists/decode_v0.rs",
    "cpa/lists/decode_v8.rs",
    "cpa/lists/key_lists.rs",
    "cpa/lists/last_failure.rs",
    "cpa/lists/lenient.rs",
    "cpa/lists/quota_signals.rs",
];
/// A macro of `model`, which is exported at the root of its crate.
const MODEL_MACRO: &str = "label_enum";
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
                || ["model", "errors", MODEL_MACRO].contains(&used.as_str())
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

#[test]
fn files_of_a_module_do_not_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut circles = Vec::new();
    for folder in ["src", CORE, "crates/simulator/src"] {
        let src = root.join(folder);
        for dir in rust_files(&src).iter().map(|file| file.with_extension("")) {
            if dir.is_dir() {
                let (name, mut left) = (dir.strip_prefix(&src).unwrap(), siblings(&src, &dir));
                // A file that uses no other remaining file is in no circle.
                while let Some(free) = left.iter().find(|(_, used)| used.is_empty()) {
                    let free = free.0.clone();
                    left.remove(&free);
                    for used in left.values_mut() {
                        used.remove(&free);
                    }
                }
                circles.extend((!left.is_empty()).then(|| format!("{}: {left:?}", name.display())));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Each file in `dir` (with the files below it) → the files in `dir` that it uses. The file of the
/// module itself does not count: it declares and re-exports the others.
fn siblings(src: &Path, dir: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let files = rust_files(dir);
    let own = |file: &Path| module_of(dir, file);
    let names: BTreeSet<String> = files.iter().map(|file| own(file)).collect();
    let facade = code_without_tests(&dir.with_extension("rs"));
    // A re-exported name leads to the file that it comes from.
    let mut homes = BTreeMap::new();
    for name in &names {
        for (at, path) in facade.match_indices(&format!("use {name}::")) {
            let items = first_names(&facade[at + path.len()..]);
            // The comma at the end of a list.
            let items = items.into_iter().filter(|item| !item.is_empty());
            homes.extend(items.map(|item| (item, name.clone())));
        }
    }
    let path = dir.strip_prefix(src).unwrap().to_str().unwrap();
    let absolute = format!("crate::{}::", path.replace('/', "::"));
    let mut arrows: BTreeMap<_, _> = names.iter().map(|n| (n.clone(), BTreeSet::new())).collect();
    for file in &files {
        let depth = file.strip_prefix(dir).unwrap().components().count();
        let relative = "super::".repeat(depth);
        let code = code_without_tests(file);
        let absolute = code.match_indices(&absolute);
        let relative = code.match_indices(&relative).filter(|(at, path)| {
            let after = &code[at + path.len()..];
            !after.starts_with("super::") && !code[..*at].ends_with("super::")
        });
        let used = absolute
            .chain(relative)
            .flat_map(|(at, path)| first_names(&code[at + path.len()..]));
        let used = used.filter_map(|name| names.get(&name).or_else(|| homes.get(&name)));
        let used = used.filter(|used| **used != own(file)).cloned();
        arrows.get_mut(&own(file)).unwrap().extend(used);
    }
    arrows
}

/// Code without comments and without the tests at its end.
fn code_without_tests(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = code_lines(&text).collect::<Vec<_>>().join("\n");
    let tests = code.find("#[cfg(test)]\nmod tests {");
    code[..tests.unwrap_or(code.len())].to_owned()
}

/// The first name of each path at the start of `rest`: `a::B` or `{a::B, c::{D, E}, F}`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |path: &str| {
        let path = path.trim_start().chars();
        path.take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(list) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut depth, mut found, mut start) = (0, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(name(&list[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_reader_of_paths_reads_lists() {
    assert_eq!(first_names("state::State;"), ["state"]);
    let names = first_names("{\n a::{B, c::D}, E, f::G,\n}; use x;");
    assert_eq!(names, ["a", "E", "f", ""]);
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
