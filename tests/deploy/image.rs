//! `Dockerfile` and `.dockerignore`.

use std::collections::BTreeSet;

use crate::{files, read, root};

/// Instructions with their continuation lines joined.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

fn all(word: &str) -> Vec<String> {
    let prefix = format!("{word} ");
    let found = instructions();
    found
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_compiler_is_the_pinned_one() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "));
    let channel = channel.unwrap().trim_matches('"');
    assert_eq!(
        all("FROM")[0],
        format!("rust:{channel}-slim-trixie AS build")
    );
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(
        all("ARG").contains(&version),
        "the label has another version"
    );
}

#[test]
fn what_runs_has_no_shell_no_root_and_a_health_check() {
    let text = instructions();
    let stage = text
        .iter()
        .rposition(|line| line.starts_with("FROM "))
        .unwrap();
    let last = &text[stage..];
    assert!(
        last.iter().all(|line| !line.starts_with("RUN ")),
        "distroless has no shell"
    );
    assert_eq!(
        all("ARG")[0],
        "RUNTIME=gcr.io/distroless/cc-debian13:nonroot"
    );
    assert_eq!(all("USER"), ["65532:65532"]);
    for (word, wanted) in [
        (
            "HEALTHCHECK",
            "CMD [\"/usr/local/bin/cpa-exporter\", \"healthcheck\"]",
        ),
        ("ENTRYPOINT", "[\"/usr/local/bin/cpa-exporter\"]"),
    ] {
        let found = all(word);
        assert!(found.len() == 1 && found[0].ends_with(wanted), "{found:?}");
    }
    let labels = all("LABEL").join(" ");
    for label in ["title", "description", "licenses", "version", "revision"] {
        assert!(
            labels.contains(&format!("org.opencontainers.image.{label}=")),
            "{label}"
        );
    }
}

/// Each path that the build reads is copied, and let through by `.dockerignore`.
#[test]
fn the_build_has_every_file_that_it_reads() {
    let copied: BTreeSet<String> = all("COPY")
        .iter()
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| {
            let mut words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            words.pop();
            words
        })
        .collect();
    let ignore = read(".dockerignore");
    let let_through: BTreeSet<String> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .map(str::to_owned)
        .collect();
    assert_eq!(copied, let_through);
    let mut needed: BTreeSet<String> = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "benches"]
        .map(str::to_owned)
        .into();
    let sources = ["src", "crates"].map(|folder| files(&root().join(folder)));
    for file in sources.into_iter().flatten() {
        let is_test = file
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        if is_test || file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let program = text.split("#[cfg(test)]\n").next().unwrap();
        for part in program
            .split("include_str!(\"")
            .skip(1)
            .chain(program.split("include_bytes!(\"").skip(1))
        {
            let path = file.parent().unwrap().join(part.split('"').next().unwrap());
            let path = path.canonicalize().unwrap();
            let path = path.strip_prefix(root().canonicalize().unwrap()).unwrap();
            let first = path.components().next().unwrap();
            needed.insert(first.as_os_str().to_str().unwrap().to_owned());
        }
    }
    assert!(needed.contains("migrations"));
    let missing: Vec<_> = needed.difference(&copied).collect();
    assert!(missing.is_empty(), "not in the image's build: {missing:?}");
}

#[test]
fn the_environment_is_understood() {
    let config = read("config.example.toml");
    let env = all("ENV").join(" ");
    let names = env
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='));
    for (name, _) in names {
        let key = name.strip_prefix("CPA_EXPORTER_").unwrap().to_lowercase();
        let (_, key) = key.split_once('_').unwrap();
        assert!(config.contains(&format!("#{key} = ")), "{name}");
    }
}
