//! `scripts/runbook-url`: sets the runbook links of the rules.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::support::{have, read, root, script};

fn run(arguments: &[&str]) -> Result<String, String> {
    script("runbook-url", arguments)
}

/// Copies of every form of the rules, and their texts as shipped.
fn copies(folder: &Path) -> Vec<(std::path::PathBuf, String)> {
    let rules = std::fs::read_dir(root().join("alerts/rules")).unwrap();
    let mut from: Vec<_> = rules.map(|entry| entry.unwrap().path()).collect();
    from.push(root().join("grafana/alerting/cpa.yaml"));
    from.push(root().join("deploy/kubernetes/prometheusrule.yaml"));
    let copied = from.into_iter().map(|file| {
        let text = read(&file);
        let to = folder.join(file.file_name().unwrap());
        std::fs::write(&to, &text).unwrap();
        (to, text)
    });
    copied.collect()
}

#[test]
fn every_form_of_the_rules_gets_the_url_and_nothing_else_changes() {
    let dir = tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let copies = copies(dir.path());
    for url in [
        "https://wiki.example/x_y/RUNBOOK.md?plain=1",
        "http://127.0.0.1:8080/runbook",
    ] {
        let said = run(&[url, folder]).unwrap();
        assert!(
            said.starts_with(&format!("{} files: ", copies.len())),
            "{said}"
        );
        for (file, shipped) in &copies {
            let text = read(file);
            assert_eq!(
                text,
                shipped.replace(
                    "runbook_url: alerts/RUNBOOK.md#",
                    &format!("runbook_url: {url}#")
                ),
                "{}",
                file.display()
            );
            assert!(text.contains(&format!("runbook_url: {url}#cpa")));
        }
    }
    if have(&["promtool"]) {
        for name in ["exporter.yml", "quota.yml", "money.yml"] {
            let checked = Command::new("promtool")
                .args(["check", "rules", dir.path().join(name).to_str().unwrap()])
                .output()
                .unwrap();
            assert!(checked.status.success(), "{checked:?}");
        }
    }
}

#[test]
fn a_wrong_command_line_changes_nothing() {
    let dir = tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let copies = copies(dir.path());
    let empty = tempdir().unwrap();
    for (arguments, complaint) in [
        (vec![], "usage: "),
        (vec!["https://wiki.example/"], "usage: "),
        (vec!["wiki.example/page", folder], "is no URL"),
        (vec!["https://wiki.example/#top", folder], "is no URL"),
        (vec!["https://wiki.example/a b", folder], "is no URL"),
        (vec!["https://wiki.example/{{.}}", folder], "is no URL"),
        (vec!["https://wiki.example/|&", folder], "is no URL"),
        (
            vec!["https://wiki.example/", folder, "nowhere"],
            "there is no nowhere",
        ),
        (
            vec!["https://wiki.example/", empty.path().to_str().unwrap()],
            "no rules with a runbook_url",
        ),
    ] {
        let said = run(&arguments).unwrap_err();
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    for (file, shipped) in &copies {
        assert_eq!(&read(file), shipped);
    }
}
