//! promtool and amtool check the files.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::source::{FILES, RECORDING, alerts};
use crate::support::{have, read, root};

fn succeeds(program: &str, dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{program} {arguments:?}\n{said}");
    said
}

#[test]
fn promtool_accepts_configuration_and_rules() {
    if !have(&["promtool"]) {
        return;
    }
    let said = succeeds(
        "promtool",
        &root(),
        &["check", "config", "prometheus/prometheus.yml"],
    );
    assert!(said.contains("7 rule files found"), "{said}");
    let mut files = vec![RECORDING.to_owned(), GATEWAY.to_owned()];
    files.extend(FILES.map(|file| format!("alerts/rules/{file}.yml")));
    for file in files {
        succeeds(
            "promtool",
            &root(),
            &["check", "rules", "--lint-fatal", &file],
        );
    }
}

#[test]
fn promtool_tests_every_rule() {
    if !have(&["promtool"]) {
        return;
    }
    for file in ["recording.test.yml", "newapi.test.yml"] {
        let directory = root().join("prometheus");
        succeeds("promtool", &directory, &["test", "rules", file]);
    }
    for file in FILES {
        let file = format!("{file}.yml");
        succeeds(
            "promtool",
            &root().join("alerts/tests"),
            &["test", "rules", &file],
        );
    }
}

/// Rules of gateways. Their alerts have tests, a metric of the catalogue in each expression, and an
/// entry in the runbook.
const GATEWAY: &str = "prometheus/newapi.rules.yml";

#[test]
fn alerts_of_gateways_have_tests_metrics_and_a_runbook() {
    let rules = read(GATEWAY);
    let (tests, runbook) = (read("prometheus/newapi.test.yml"), read("docs/gateways.md"));
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<&str> = names.collect();
    assert_eq!(names.len(), 8);
    for name in names {
        assert!(
            tests.contains(&format!("alertname: {name}\n")),
            "{name} never fires in a test"
        );
        assert!(
            runbook.contains(&format!("### {name}\n")),
            "docs/gateways.md has no {name}"
        );
        let url = format!("docs/gateways.md#{}", name.to_lowercase());
        assert!(rules.contains(&url), "{name} has no runbook_url");
    }
    let known: Vec<&str> = cpa_exporter::metrics::sections()
        .into_iter()
        .flat_map(|(_, families)| families)
        .map(|family| family.name)
        .collect();
    let words = rules.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| word.starts_with("newapi_")) {
        let family = word
            .strip_suffix("_sum")
            .or_else(|| word.strip_suffix("_count"));
        let is_there = known.contains(&family.unwrap_or(word));
        assert!(is_there || word == "newapi_", "there is no {word}");
    }
}

/// The shipped file with the templates of this checkout.
pub(crate) fn shipped() -> String {
    let templates = root().join("alerts/templates");
    read("alerts/alertmanager.yml").replace(
        "/etc/alertmanager/templates",
        &templates.display().to_string(),
    )
}

#[test]
fn amtool_accepts_the_shipped_file_in_every_language() {
    if !have(&["amtool"]) {
        return;
    }
    let dir = tempdir().unwrap();
    for language in ["en", "vi", "zh"] {
        let file = dir.path().join(format!("{language}.yml"));
        let config = shipped().replace("/en.tmpl", &format!("/{language}.tmpl"));
        std::fs::write(&file, config).unwrap();
        let said = succeeds(
            "amtool",
            dir.path(),
            &["check-config", file.to_str().unwrap()],
        );
        assert!(said.contains(" - 2 templates"), "{said}");
    }
}

/// The receiver of each alert once a receiver is configured.
#[test]
fn every_alert_is_routed() {
    if !have(&["amtool"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let file = dir.path().join("alertmanager.yml");
    let config = shipped()
        .replacen("receiver: nobody", "receiver: telegram", 1)
        .replacen("receiver: nobody", "receiver: telegram-once", 1);
    std::fs::write(&file, config).unwrap();
    let config = format!("--config.file={}", file.display());
    let routed = |receiver: &str, labels: &[&str]| {
        let verify = format!("--verify.receivers={receiver}");
        let mut arguments = vec!["config", "routes", "test", config.as_str(), verify.as_str()];
        arguments.extend(labels);
        succeeds("amtool", dir.path(), &arguments);
    };
    for alert in alerts() {
        let receiver = match alert.name.as_str() {
            "CPAQuotaReset" => "telegram-once",
            _ => "telegram",
        };
        let name = format!("alertname={}", alert.name);
        let severity = format!("severity={}", alert.severity());
        routed(receiver, &[&name, &severity, "job=cpa"]);
    }
    routed("telegram", &["alertname=CPATest", "severity=info"]);
    routed("telegram", &["alertname=SomebodyElses", "severity=page"]);
}

#[test]
fn the_shipped_configuration_notifies_nobody() {
    if !have(&["amtool"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let file = dir.path().join("alertmanager.yml");
    std::fs::write(&file, shipped()).unwrap();
    let config = format!("--config.file={}", file.display());
    for alert in alerts() {
        let name = format!("alertname={}", alert.name);
        let severity = format!("severity={}", alert.severity());
        let arguments = [
            "config",
            "routes",
            "test",
            &config,
            "--verify.receivers=nobody",
            &name,
            &severity,
        ];
        succeeds("amtool", dir.path(), &arguments);
    }
}
