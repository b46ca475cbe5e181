//! Links lead somewhere. Nothing is asked over the network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Page, code::prose, none, ours, pages};
use crate::root;

/// The anchors that GitHub gives a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let mut block = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        block ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if block || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor = anchor(heading.trim());
        let times = seen.entry(anchor.clone()).or_insert(0);
        found.insert(match *times {
            0 => anchor,
            times => format!("{anchor}-{times}"),
        });
        *times += 1;
    }
    found
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    let lower: String = kept.flat_map(char::to_lowercase).collect();
    lower.replace(' ', "-")
}

/// Targets of `[text](target)`, `[text]: target` and `<https://…>`.
fn targets(text: &str) -> Vec<String> {
    let text = prose(text);
    let mut found = Vec::new();
    for part in text.split("](").skip(1) {
        let target = part.split(')').next().unwrap();
        found.push(target.split_whitespace().next().unwrap_or("").to_owned());
    }
    for line in text.lines() {
        let named = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        found.extend(named.map(|(_, target)| target.trim().to_owned()));
    }
    for part in text.split('<').skip(1) {
        if part.starts_with("http") {
            found.push(part.split('>').next().unwrap().to_owned());
        }
    }
    found
}

fn wrong_with(page: &Page, target: &str, pages: &[Page]) -> Option<String> {
    if target.contains("://") {
        return outside(target);
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() {
        root().join(&page.path)
    } else {
        page.folder().join(path)
    };
    let Ok(file) = file.canonicalize() else {
        return Some("is not there".to_owned());
    };
    if anchor.is_empty() {
        return None;
    }
    let other = pages
        .iter()
        .find(|page| root().join(&page.path).canonicalize().unwrap() == file);
    match other {
        None => Some("is no page that could have an anchor".to_owned()),
        Some(other) if anchors(&other.text).contains(anchor) => None,
        Some(_) => Some(format!("has no heading for #{anchor}")),
    }
}

/// Elsewhere: https and a real host, or this machine.
fn outside(target: &str) -> Option<String> {
    let Ok(url) = url::Url::parse(target) else {
        return Some("is no URL".to_owned());
    };
    let host = url.host_str().unwrap_or_default();
    let here = ["127.0.0.1", "localhost"].contains(&host);
    match url.scheme() {
        "http" if here => None,
        "https" if host.contains('.') && !host.ends_with(".invalid") => None,
        _ => Some("is not https, or has no host".to_owned()),
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in &pages {
        for target in targets(&page.text) {
            checked += 1;
            let problem = wrong_with(page, &target, &pages);
            wrong.extend(problem.map(|problem| format!("{}: {target} {problem}", page.path)));
        }
    }
    none(&wrong);
    assert!(checked > 30, "{checked}");
}

/// Comments of configurations, scripts and sources send readers to pages, too.
#[test]
fn every_page_that_is_named_is_there() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for path in ours() {
        let read = [
            "src/",
            "crates/",
            "deploy/",
            "scripts/",
            "docs/",
            "grafana/README",
        ];
        let read = read.iter().any(|folder| path.starts_with(folder)) || !path.contains('/');
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        if !read {
            continue;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
        for word in text.split(|c| !is_part(c)) {
            let word = word.trim_end_matches('.').trim_start_matches("./");
            let word = word.trim_start_matches('/');
            let folder = root().join(&path).parent().unwrap().to_owned();
            // A first part with a dot in it is a host or a hidden folder.
            let first = word.split('/').next().unwrap();
            let is_outside = first != word && first.contains('.');
            let is_page = word.len() > 3
                && !is_outside
                && Path::new(word).extension().is_some_and(|end| end == "md");
            if is_page {
                checked += 1;
                let there = root().join(word).exists() || folder.join(word).exists();
                if !there {
                    wrong.push(format!("{path}: {word}"));
                }
            }
        }
    }
    none(&wrong);
    assert!(checked > 30, "{checked}");
}

#[test]
fn a_bad_link_is_found() {
    assert_eq!(
        anchor("Is somebody watching, the `x_y`?"),
        "is-somebody-watching-the-x_y"
    );
    let twice: Vec<_> = anchors("# A\n## A\n```sh\n# no\n```\n")
        .into_iter()
        .collect();
    assert_eq!(twice, ["a", "a-1"]);
    let text = "[a](README.md) `[no](x)` <https://b.example>\n[c]: d.md\n";
    assert_eq!(targets(text), ["README.md", "d.md", "https://b.example"]);
    let page = |text: &str| Page {
        path: "README.md".to_owned(),
        text: text.to_owned(),
    };
    let pages = [page("# Here\n")];
    for (target, good) in [
        ("#here", true),
        ("README.md#here", true),
        ("src", true),
        ("#there", false),
        ("src#here", false),
        ("nothing.md", false),
        ("https://a.example/b", true),
        ("http://127.0.0.1:1", true),
        ("http://a.example", false),
        ("https://nohost", false),
    ] {
        assert_eq!(
            wrong_with(&pages[0], target, &pages).is_none(),
            good,
            "{target}"
        );
    }
}
