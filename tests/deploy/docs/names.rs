//! Names in code: files, keys of the configuration, variables, metrics, alerts.

use std::collections::BTreeSet;

use super::{none, pages, top};
use crate::{files, read, root};

/// Words of a piece of code that are made of `part`.
fn words(text: &str, part: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !part(c))
        .filter(|word| !word.is_empty())
}

/// `section.key` of everything in the example, which a test of its own keeps complete.
pub(super) fn keys() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let text = read("config.example.toml");
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.strip_prefix('#').and_then(|l| l.split_once(" = "))
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || "_.".contains(c))
        {
            found.insert(format!("{section}.{key}"));
        }
    }
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn files_are_there() {
    let folders: Vec<String> = top()
        .into_iter()
        .filter(|name| root().join(name).is_dir())
        .collect();
    let part = |c: char| c.is_ascii_alphanumeric() || "./_-*{},".contains(c);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in pages() {
        for code in page.code() {
            for word in words(&code.text, part) {
                let word = word.trim_start_matches("./").trim_end_matches([',', '.']);
                let Some((first, rest)) = word.split_once('/') else {
                    continue;
                };
                if !folders.iter().any(|folder| folder == first) {
                    continue;
                }
                // Made by fuzzing.
                if word.starts_with("fuzz/corpus/") {
                    continue;
                }
                checked += 1;
                // A pattern: its folder, and something in it that ends like it.
                let (folder, end) = rest.split_once('*').unwrap_or((rest, ""));
                let path = root().join(first).join(folder);
                let there = path.exists()
                    && (end.is_empty()
                        || files(&path)
                            .iter()
                            .any(|file| file.to_str().unwrap().ends_with(end)));
                if !there && !folder.contains('{') {
                    wrong.push(format!("{}: {word}", page.path));
                }
            }
        }
    }
    none(&wrong);
    assert!(checked > 50, "{checked}");
}

/// What the first steps make in a checkout is not to be committed with it.
#[test]
fn keys_and_data_of_the_first_steps_are_ignored() {
    let readme = read("README.md");
    assert!(readme.contains("> management.key ") && readme.contains("--storage.path ./data\n"));
    let ignored = read(".gitignore");
    for line in ["/management.key", "/data", "/secrets"] {
        assert!(ignored.lines().any(|one| one == line), "{line}");
    }
}

#[test]
fn keys_and_variables_are_known() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.split('.').next())
        .collect();
    let variables: BTreeSet<String> = keys
        .iter()
        .map(|key| format!("CPA_EXPORTER_{}", key.replace('.', "_").to_uppercase()))
        .collect();
    let part = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in pages() {
        for code in page.code() {
            for word in words(&code.text, part) {
                let word = word.trim_end_matches('.');
                let first = word.split('.').next().unwrap();
                let file = [
                    "toml", "json", "yml", "yaml", "md", "rs", "conf", "com", "ai",
                ];
                let ending = word.rsplit('.').next().unwrap();
                let is_key = sections.contains(first)
                    && word.contains('.')
                    && !file.contains(&ending)
                    && !word.contains('/');
                let is_variable = word.starts_with("CPA_EXPORTER_") && !word.ends_with('*');
                let known = keys.contains(word)
                    || keys.iter().any(|key| key.starts_with(&format!("{word}.")))
                    || variables.contains(word)
                    || word == "CPA_EXPORTER_CONFIG_FILE";
                checked += usize::from(is_key || is_variable);
                if (is_key || is_variable) && !known {
                    wrong.push(format!("{}: {word}", page.path));
                }
            }
        }
    }
    none(&wrong);
    assert!(checked > 15, "{checked}");
}

/// Families of `docs/metrics.md`, recording rules, and what queries make of a histogram.
fn metrics() -> BTreeSet<String> {
    let rules = read("prometheus/recording.rules.yml");
    let recorded = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    let mut found: BTreeSet<String> = recorded.map(str::to_owned).collect();
    for line in read("docs/metrics.md").lines() {
        if let Some(name) = line.strip_prefix("| `").and_then(|l| l.split('`').next()) {
            let name = name.split('{').next().unwrap();
            found.insert(name.to_owned());
            for end in ["_bucket", "_sum", "_count"] {
                found.insert(format!("{name}{end}"));
            }
        }
    }
    assert!(found.len() > 100, "{found:?}");
    found
}

#[test]
fn metrics_are_made() {
    let known = metrics();
    let part = |c: char| c.is_ascii_alphanumeric() || "_:*".contains(c);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in pages() {
        for code in page.code() {
            for word in words(&code.text, part) {
                let ours = word.starts_with("cpa_") || word.contains(":cpa_");
                if !ours {
                    continue;
                }
                checked += 1;
                let is_one = match word.split_once('*') {
                    None => known.contains(word) || word.ends_with('_'),
                    Some((begin, end)) => known
                        .iter()
                        .any(|name| name.starts_with(begin) && name.ends_with(end)),
                };
                if !is_one {
                    wrong.push(format!("{}: {word}", page.path));
                }
            }
        }
    }
    none(&wrong);
    assert!(checked > 200, "{checked}");
}

#[test]
fn alerts_are_there() {
    let rules: String = files(&root().join("alerts/rules"))
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in pages() {
        for code in page.code() {
            for word in words(&code.text, |c| c.is_ascii_alphanumeric() || c == '_') {
                let rest = word.strip_prefix("CPA").unwrap_or_default();
                let is_alert = rest.starts_with(|c: char| c.is_ascii_uppercase())
                    && rest.contains(|c: char| c.is_ascii_lowercase());
                checked += usize::from(is_alert);
                if is_alert && !rules.contains(&format!("alert: {word}\n")) {
                    wrong.push(format!("{}: {word}", page.path));
                }
            }
        }
    }
    none(&wrong);
    assert!(checked > 1, "{checked}");
}
