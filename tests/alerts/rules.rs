//! Every alert is complete, and every rule uses existing names.

use std::collections::{BTreeMap, BTreeSet};

use cpa_exporter::metrics::{self, Kind};
use serde_json::Value;

use crate::promql;
use crate::source::{Alert, FILES, alerts, recordings};
use crate::support::{read, root, yaml};

/// Series name → labels, from the catalogue. `up` is Prometheus' own.
fn exposed() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut exposed = BTreeMap::new();
    for (_, families) in metrics::sections() {
        for family in families {
            let labels: BTreeSet<&str> = family.labels.iter().copied().collect();
            match family.kind {
                Kind::Counter | Kind::Gauge => {
                    exposed.insert(family.name.to_owned(), labels);
                }
                Kind::Histogram(_) | Kind::Summary => {
                    for suffix in ["_sum", "_count"] {
                        exposed.insert(format!("{}{suffix}", family.name), labels.clone());
                    }
                    if family.kind != Kind::Summary {
                        let mut labels = labels;
                        labels.insert("le");
                        exposed.insert(format!("{}_bucket", family.name), labels);
                    }
                }
            }
        }
    }
    exposed.insert("up".to_owned(), BTreeSet::new());
    exposed
}

/// Every expression with the name of its rule, including queries inside annotations.
fn expressions() -> Vec<(String, String)> {
    let recorded = recordings().into_iter();
    let mut all: Vec<_> = recorded.map(|rule| (rule.record, rule.expr)).collect();
    for alert in alerts() {
        all.push((alert.name.clone(), alert.expr));
        for text in alert.annotations.values() {
            let queries = text.split("printf \"").skip(1);
            // `printf "%.0f"` formats a number; only queries have matchers.
            let queries = queries.filter_map(|rest| rest.split("\" $labels").next());
            let queries = queries.filter(|query| query.contains("=%q"));
            all.extend(queries.map(|q| (alert.name.clone(), q.replace("%q", "\"\""))));
        }
    }
    all
}

#[test]
fn rules_use_existing_metrics_and_labels() {
    let exposed = exposed();
    let recorded: BTreeSet<String> = recordings().into_iter().map(|rule| rule.record).collect();
    let mut problems = Vec::new();
    for (rule, expr) in expressions() {
        let found = promql::names(&expr);
        let mut labels: BTreeSet<&str> = ["job", "instance"].into();
        for metric in &found.metrics {
            if let Some(of_metric) = exposed.get(metric) {
                labels.extend(of_metric);
            } else if recorded.contains(metric) {
                // The level of a recorded series lists its labels.
                labels.extend(metric.split(':').next().unwrap().split('_'));
            } else {
                problems.push(format!("{rule}: there is no {metric}"));
            }
        }
        for label in found.labels.iter().filter(|l| !labels.contains(l.as_str())) {
            problems.push(format!("{rule}: no metric in it has the label {label}"));
        }
        for (metric, label, _) in &found.values {
            let has = exposed
                .get(metric)
                .is_none_or(|of| of.contains(label.as_str()));
            if !has && !["job", "instance"].contains(&label.as_str()) {
                problems.push(format!("{rule}: {metric} has no label {label}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Closed sets of values, from the catalogue's documents.
#[test]
fn rules_match_existing_label_values() {
    let known: BTreeMap<&str, &[&str]> = [
        (
            "reason",
            &[
                "rate_limit",
                "quota",
                "auth",
                "billing",
                "invalid",
                "client",
                "timeout",
                "overloaded",
                "upstream",
                "network",
                "interrupted",
                "other",
            ] as &[&str],
        ),
        (
            "status",
            &[
                "active", "cooling", "error", "disabled", "pending", "unknown",
            ],
        ),
        ("scope", &["account", "model", "feature", "spend", "local"]),
        ("code", &["401", "403"]),
        ("job", &["cpa"]),
    ]
    .into();
    for (rule, expr) in expressions() {
        for (metric, label, value) in promql::names(&expr).values {
            let known = known.get(label.as_str()).copied().unwrap_or_default();
            for one in value.split('|').filter(|one| !one.is_empty()) {
                assert!(known.contains(&one), "{rule}: {metric}{{{label}={one}}}");
            }
        }
    }
}

#[test]
fn every_alert_is_complete() {
    let runbook = read("alerts/RUNBOOK.md");
    for alert in alerts() {
        let name = &alert.name;
        assert!(name.starts_with("CPA"), "{name}");
        assert!(
            ["critical", "warning", "info"].contains(&alert.severity()),
            "{name}"
        );
        let annotations = &alert.annotations;
        for needed in ["summary", "description"] {
            let text = annotations.get(needed).unwrap_or_else(|| {
                panic!("alerts/rules/{}.yml: {name} has no {needed}", alert.file)
            });
            let text = text.trim_end_matches("{{ end }}");
            assert!(text.ends_with('.'), "{name}: {needed} is no sentence");
        }
        let anchor = name.to_lowercase();
        assert_eq!(
            annotations.get("runbook_url"),
            Some(&format!("alerts/RUNBOOK.md#{anchor}")),
            "alerts/rules/{}.yml: the runbook_url of {name}",
            alert.file
        );
        let entry = entry(&runbook, name);
        for part in ["Meaning", "Impact", "Diagnosis", "itigation"] {
            assert!(
                entry.contains(part),
                "alerts/RUNBOOK.md: the entry {name} lacks the paragraph {part}"
            );
        }
    }
}

fn entry<'a>(runbook: &'a str, name: &str) -> &'a str {
    let heading = format!("\n### {name}\n");
    let (_, rest) = runbook
        .split_once(&heading)
        .unwrap_or_else(|| panic!("alerts/RUNBOOK.md has no entry `### {name}`: write it there"));
    rest.split("\n#").next().unwrap()
}

#[test]
fn every_runbook_entry_has_an_alert() {
    let entries: Vec<String> = read("alerts/RUNBOOK.md")
        .lines()
        .filter_map(|line| line.strip_prefix("### ").map(str::to_owned))
        .collect();
    let names = names();
    let unknown: Vec<&String> = entries.iter().filter(|one| !names.contains(one)).collect();
    assert!(
        unknown.is_empty(),
        "alerts/RUNBOOK.md has entries of alerts that no rule has: {unknown:?}"
    );
    let missing: Vec<&String> = names.iter().filter(|one| !entries.contains(one)).collect();
    assert!(
        missing.is_empty(),
        "alerts/RUNBOOK.md has no entries of these alerts: {missing:?}"
    );
    let wrong = entries
        .iter()
        .zip(&names)
        .find(|(entry, name)| entry != name);
    assert_eq!(
        wrong, None,
        "alerts/RUNBOOK.md has another order than alerts/rules"
    );
}

/// Annotations contain the account, the value where there is one, and for quotas the countdown.
#[test]
fn annotations_name_account_figure_and_reset() {
    for alert in alerts() {
        let text: String = alert.annotations.values().map(String::as_str).collect();
        let of_account = alert.name.contains("Account")
            || (alert.file == "quota" && alert.name != "CPAQuotaPoolLow");
        if of_account {
            assert!(text.contains("$labels.account"), "{}", alert.name);
        }
        let levels = ["CPAQuotaUsageHigh", "CPAQuotaExhausted", "CPAQuotaForecast"];
        if levels.contains(&alert.name.as_str()) {
            assert!(alert.annotations.contains_key("resets_in"));
        }
        // An expression that ends in `== 0` or `== 1` has no value to show.
        if text.contains("$value") && alert.name != "CPAProviderDown" {
            let name = &alert.name;
            assert!(alert.annotations.contains_key("figure"), "{name}");
        }
    }
}

#[test]
fn a_hole_neither_fires_nor_resolves() {
    for alert in alerts() {
        let expr = &alert.expr;
        let bridged = expr.contains('[') || expr.contains(':') || expr.contains("up{job");
        assert!(
            bridged,
            "alerts/rules/{}.yml: {} asks for an instant vector, which ends with the next missed scrape: ask for \
             last_over_time(...[10m]) or a recorded series",
            alert.file, alert.name
        );
        assert!(
            alert.holds.is_some()
                || alert.keep_firing_for.is_some()
                || alert.name == "CPAQuotaReset",
            "alerts/rules/{}.yml: {} has neither `for` nor `keep_firing_for`",
            alert.file,
            alert.name
        );
    }
}

/// The four kinds of test of every alert, identified by the tests' names.
#[test]
fn every_alert_is_tested_for_firing_quiet_gap_and_restart() {
    for file in FILES {
        let tests = yaml(&read(format!("alerts/tests/{file}.yml")));
        let tests = tests["tests"].as_array().unwrap();
        for alert in alerts().iter().filter(|alert| alert.file == file) {
            for kind in ["fires", "quiet", "gap", "restart"] {
                let name = format!("{}: {kind}", alert.name);
                let of_kind: Vec<&Value> = tests
                    .iter()
                    .filter(|t| t["name"].as_str().unwrap().starts_with(&name))
                    .collect();
                assert!(
                    !of_kind.is_empty(),
                    "alerts/tests/{file}.yml has no test named `{name}`: each alert has tests of the kinds fires, \
                     quiet, gap and restart"
                );
                let fires = of_kind.iter().any(|test| expects(test, alert));
                if kind == "fires" {
                    assert!(fires, "{name} expects no {}", alert.severity());
                }
                if kind == "gap" {
                    assert!(has_hole(&of_kind), "{name} has no hole");
                }
            }
        }
    }
}

fn expects(test: &Value, alert: &Alert) -> bool {
    let checks = test["alert_rule_test"].as_array().unwrap().iter();
    checks
        .filter(|check| check["alertname"] == alert.name.as_str())
        .flat_map(|check| check["exp_alerts"].as_array().unwrap())
        .any(|expected| expected["exp_labels"]["severity"] == alert.severity())
}

fn has_hole(tests: &[&Value]) -> bool {
    let series = tests
        .iter()
        .flat_map(|test| test["input_series"].as_array().unwrap());
    let mut values = series.map(|series| series["values"].as_str().unwrap());
    values.any(|values| values.contains('_') || values.contains("stale"))
}

#[test]
fn alertmanager_names_existing_alerts() {
    let names = names();
    let known = |name: &str| name == "CPATest" || names.iter().any(|n| n == name);
    let config = read("alerts/alertmanager.yml");
    for line in config.lines().filter(|line| line.contains("matchers:")) {
        for rest in line.split("alertname").skip(1) {
            let Some(value) = rest.split('"').nth(1) else {
                continue;
            };
            for one in value.split('|') {
                match one.strip_suffix(".+") {
                    Some(start) => assert!(names.iter().any(|n| n.starts_with(start)), "{line}"),
                    None => assert!(known(one), "{line}"),
                }
            }
        }
    }
}

#[test]
fn every_language_translates_every_alert_and_term() {
    let words = |file: &str| -> Vec<String> {
        let text = read(format!("alerts/templates/{file}.tmpl"));
        let found = text.split("eq ").skip(1);
        let found = found.filter_map(|rest| rest.split('"').nth(1).map(str::to_owned));
        found.collect()
    };
    let english = words("en");
    for name in names().into_iter().chain(["CPATest".to_owned()]) {
        assert!(
            english.contains(&name),
            "alerts/templates/en.tmpl has no sentence for {name}: write one there, in vi.tmpl and in zh.tmpl"
        );
    }
    for language in ["vi", "zh"] {
        let words = words(language);
        let missing: Vec<&String> = english.iter().filter(|one| !words.contains(one)).collect();
        assert!(
            missing.is_empty(),
            "alerts/templates/{language}.tmpl says nothing of {missing:?}, which en.tmpl does"
        );
        assert_eq!(
            words, english,
            "{language}.tmpl has another order than en.tmpl, or more"
        );
    }
    // Labels in messages.
    for label in [
        "provider", "account", "model", "limit", "window", "instance",
    ] {
        assert!(english.contains(&label.to_owned()), "{label}");
    }
}

#[test]
fn the_shipped_prometheus_scrapes_the_job_of_the_alerts() {
    let config = yaml(&read("prometheus/prometheus.yml"));
    assert_eq!(config["scrape_configs"][0]["job_name"], "cpa");
}

/// Names of the alerts, without duplicates.
fn names() -> Vec<String> {
    let mut names: Vec<_> = alerts().into_iter().map(|alert| alert.name).collect();
    names.dedup();
    names
}

#[test]
fn no_rule_file_is_forgotten() {
    for dir in ["alerts/rules", "alerts/tests"] {
        let files = std::fs::read_dir(root().join(dir)).unwrap();
        let mut files: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut want = FILES.map(|file| format!("{file}.yml"));
        want.sort();
        assert_eq!(files, want, "{dir}");
    }
}
