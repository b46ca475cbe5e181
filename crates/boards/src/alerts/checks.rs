//! What Grafana, the operator and promtool ask of the generated rules.

use serde_json::Value;

use super::source::{alerts, read, recordings};
use super::{GRAFANA, KUBERNETES, grafana, kubernetes};
use crate::live::present;
use crate::promql;

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_kubernetes_manifest_has_every_rule() {
    let manifest = yaml(&kubernetes().1);
    let groups = manifest["spec"]["groups"].as_array().unwrap();
    let rules: usize = groups
        .iter()
        .map(|g| g["rules"].as_array().unwrap().len())
        .sum();
    assert_eq!(rules, recordings().len() + alerts().len());
}

#[test]
fn grafana_takes_every_rule() {
    check_grafana(&grafana().1, alerts().len());
}

#[test]
fn grafana_rules_query_the_provisioned_data_source() {
    let provisioned = yaml(&read("grafana/provisioning/datasources/cpa.yml"));
    let uid = provisioned["datasources"][0]["uid"].as_str().unwrap();
    let rules = yaml(&grafana().1);
    let groups = rules["groups"].as_array().unwrap().iter();
    let queries = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .flat_map(|rule| rule["data"].as_array().unwrap());
    let mut asked: Vec<&str> = queries
        .map(|query| query["datasourceUid"].as_str().unwrap())
        .filter(|uid| *uid != "__expr__")
        .collect();
    asked.dedup();
    assert_eq!(asked, [uid]);
}

/// What Grafana refuses or would get wrong.
fn check_grafana(made: &str, rules: usize) {
    let file = yaml(made);
    let groups = file["groups"].as_array().unwrap().iter();
    let all: Vec<&Value> = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert_eq!(all.len(), rules);
    let mut uids: Vec<&str> = all
        .iter()
        .map(|rule| rule["uid"].as_str().unwrap())
        .collect();
    uids.sort_unstable();
    uids.dedup();
    assert_eq!(uids.len(), rules, "a uid is there twice");
    assert!(uids.iter().all(|uid| uid.len() <= 40), "{uids:?}");
    for rule in all {
        let text = rule.to_string();
        assert!(!text.contains("$value "), "{text}");
        assert_eq!(
            text.contains("$values.C"),
            rule["data"][2]["refId"] == "C",
            "{text}"
        );
        let exprs = rule["data"].as_array().unwrap().iter();
        for expr in exprs.filter_map(|query| query["model"]["expr"].as_str()) {
            let selected = promql::selected(&promql::parse(expr).unwrap());
            assert!(selected.iter().all(|s| !s.name.contains(':')), "{expr}");
        }
    }
}

/// Expressions that were put together here are `PromQL` still, by the real promtool.
#[test]
fn promtool_takes_what_was_generated() {
    if !present("promtool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let manifest = yaml(&read(KUBERNETES));
    let mut rules = Vec::new();
    let grafana = yaml(&read(GRAFANA));
    for group in grafana["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            for query in rule["data"].as_array().unwrap() {
                if let Some(expr) = query["model"]["expr"].as_str() {
                    let name = format!("g:r{}", rules.len());
                    rules.push(serde_json::json!({"record": name, "expr": expr}));
                }
            }
        }
    }
    let files = [
        manifest["spec"].clone(),
        serde_json::json!({"groups": [{"name": "grafana", "rules": rules}]}),
    ];
    for (n, content) in files.iter().enumerate() {
        let file = dir.path().join(format!("{n}.yml"));
        std::fs::write(&file, serde_saphyr::to_string(content).unwrap()).unwrap();
        let output = std::process::Command::new("promtool")
            .args(["check", "rules", file.to_str().unwrap()])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
}
