//! The same rules for Grafana's own alerting and for the Prometheus operator, generated from the
//! one source.

mod source;

#[cfg(test)]
mod checks;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::files::root;
use source::{Alert, FILES, RECORDING, alerts, read, recordings};

const GRAFANA: &str = "grafana/alerting/cpa.yaml";
const KUBERNETES: &str = "deploy/kubernetes/prometheusrule.yaml";
/// Uid of the data source in `grafana/provisioning`.
const DATASOURCE: &str = "cpa-prometheus";

/// Path and text of the Prometheus operator's manifest.
pub(crate) fn kubernetes() -> (&'static str, String) {
    let mut made = String::from(
        "# Made from prometheus/recording.rules.yml and alerts/rules by\n\
         # cargo run -p cpa-exporter-boards\n\
         # Set the label that your operator's ruleSelector asks for.\n\
         apiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\n\
         metadata:\n  name: cpa-exporter\n  labels:\n    app.kubernetes.io/name: cpa-exporter\n\
         spec:\n  groups:\n",
    );
    let mut files = vec![RECORDING.to_owned()];
    files.extend(FILES.map(|file| format!("alerts/rules/{file}.yml")));
    for file in files {
        let text = read(&file);
        let (_, groups) = text
            .split_once("groups:\n")
            .expect("a rule file has groups");
        for line in groups.lines() {
            let indent = if line.is_empty() { "" } else { "  " };
            made.push_str(indent);
            made.push_str(line);
            made.push('\n');
        }
    }
    (KUBERNETES, made)
}

/// Path and text of Grafana's provisioning file.
pub(crate) fn grafana() -> (&'static str, String) {
    let all = alerts();
    let groups = FILES.map(|file| Group {
        org_id: 1,
        name: file,
        folder: "CPA alerts",
        interval: "1m",
        rules: all
            .iter()
            .filter(|alert| alert.file == file)
            .map(grafana_rule)
            .collect(),
    });
    let provisioning = Provisioning {
        api_version: 1,
        groups: groups.into(),
    };
    let made = format!(
        "# Made from alerts/rules and prometheus/recording.rules.yml by cargo run -p cpa-exporter-boards\n\
         # Grafana 11 and newer (keepFiringFor: 12); the data source's uid is \"{DATASOURCE}\".\n{}",
        serde_saphyr::to_string(&provisioning).expect("plain data")
    );
    (GRAFANA, made)
}

/// Grafana's file provisioning, in the order in which its own export writes the fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provisioning {
    api_version: u8,
    groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    org_id: u8,
    name: &'static str,
    folder: &'static str,
    interval: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    uid: String,
    title: String,
    condition: &'static str,
    data: Vec<Query>,
    no_data_state: &'static str,
    exec_err_state: &'static str,
    #[serde(rename = "for")]
    holds: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<String>,
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    is_paused: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    ref_id: &'static str,
    relative_time_range: Range,
    datasource_uid: &'static str,
    model: Model,
}

#[derive(Serialize)]
struct Range {
    from: u32,
    to: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    ref_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instant: Option<bool>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<&'static str>,
}

/// Recorded series are put in as expressions, so that Grafana needs no recording rules.
fn without_recordings(expr: &str) -> String {
    let mut expr = expr.trim().to_owned();
    loop {
        let before = expr.clone();
        for rule in recordings() {
            expr = put_in(&expr, &rule.record, rule.expr.trim());
        }
        if expr == before {
            return expr;
        }
    }
}

/// Whole names only: one recorded name can be the beginning or the end of another.
fn put_in(expr: &str, name: &str, recorded: &str) -> String {
    let mut made = String::new();
    let mut rest = expr;
    let part_of_name = |c: char| c.is_alphanumeric() || "_:".contains(c);
    while let Some((before, after)) = rest.split_once(name) {
        let whole = !before.ends_with(part_of_name) && !after.starts_with(part_of_name);
        assert!(
            !(whole && after.starts_with(['[', '{'])),
            "{name}: an expression takes neither a range nor matchers"
        );
        made.push_str(before);
        if whole {
            made.extend(["(\n", recorded, "\n)"]);
        } else {
            made.push_str(name);
        }
        rest = after;
    }
    made.push_str(rest);
    made
}

fn instant(ref_id: &'static str, expr: &str) -> Query {
    Query {
        ref_id,
        relative_time_range: Range { from: 3600, to: 0 },
        datasource_uid: DATASOURCE,
        model: Model {
            ref_id,
            expr: Some(without_recordings(expr)),
            instant: Some(true),
            kind: None,
            expression: None,
        },
    }
}

/// True for every series that the query gives, whatever its value.
fn any_series() -> Query {
    Query {
        ref_id: "B",
        relative_time_range: Range { from: 3600, to: 0 },
        datasource_uid: "__expr__",
        model: Model {
            ref_id: "B",
            expr: None,
            instant: None,
            kind: Some("math"),
            expression: Some("is_number($A) || is_inf($A)"),
        },
    }
}

/// Prometheus' templates can query; Grafana's cannot. The query becomes one of the rule's own, whose value Grafana
/// finds by the labels that both share.
fn translated(text: &str) -> (String, Option<String>) {
    let text = text.replace("$value", "$values.A.Value");
    let Some((before, call)) = text.split_once("{{ with printf \"") else {
        return (text, None);
    };
    let (query, call) = call.split_once('"').expect("a closed string");
    let (_, after) = call.split_once("| query }}").expect("a closed call");
    // The matchers are what Grafana does by labels.
    let (name, rest) = query.split_once('{').expect("matchers");
    let (_, range) = rest.split_once('}').expect("closed matchers");
    let after = after.replace("{{ . | first | value | humanize", "{{ .Value | humanize");
    let made = format!("{before}{{{{ with $values.C }}}}{after}");
    assert!(!made.contains("query"), "{made}");
    (made, Some(format!("{name}{range}")))
}

fn grafana_rule(alert: &Alert) -> Rule {
    let mut extra = None;
    let mut annotations = BTreeMap::new();
    for (name, text) in &alert.annotations {
        let (text, query) = translated(text);
        annotations.insert(name.clone(), text);
        assert!(extra.is_none() || query.is_none() || extra == query);
        extra = extra.or(query);
    }
    let mut data = vec![instant("A", &alert.expr), any_series()];
    data.extend(extra.map(|query| instant("C", &query)));
    let severity = alert.severity();
    Rule {
        // At most 40 characters.
        uid: format!("{}-{severity}", alert.name.to_lowercase()),
        title: format!("{} ({severity})", alert.name),
        condition: "B",
        data,
        // No series is how a Prometheus rule says that all is well.
        no_data_state: "OK",
        exec_err_state: "Error",
        holds: alert.holds.clone().unwrap_or_else(|| "0s".to_owned()),
        keep_firing_for: alert.keep_firing_for.clone(),
        annotations,
        labels: alert.labels.clone(),
        is_paused: false,
    }
}
