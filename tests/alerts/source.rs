//! The rule files of the repository.

use serde_json::Value;

use crate::support::{read, root, yaml};

pub(crate) const RECORDING: &str = "prometheus/recording.rules.yml";
/// Files of `alerts/rules`; each has its tests in `alerts/tests`.
pub(crate) const FILES: [&str; 5] = ["exporter", "accounts", "quota", "traffic", "money"];

/// An alert rule. Several may have one name.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) file: &'static str,
    pub(crate) name: String,
    pub(crate) rule: Value,
}

impl Alert {
    pub(crate) fn expr(&self) -> &str {
        self.rule["expr"].as_str().unwrap()
    }

    pub(crate) fn annotations(&self) -> Vec<(&str, &str)> {
        let annotations = self.rule["annotations"].as_object().unwrap();
        let pairs = annotations.iter();
        pairs
            .map(|(name, text)| (name.as_str(), text.as_str().unwrap()))
            .collect()
    }

    pub(crate) fn severity(&self) -> &str {
        self.rule["labels"]["severity"].as_str().unwrap()
    }
}

pub(crate) fn alerts() -> Vec<Alert> {
    let mut alerts = Vec::new();
    for file in FILES {
        let rules = yaml(&read(format!("alerts/rules/{file}.yml")));
        for group in rules["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                alerts.push(Alert {
                    file,
                    name: rule["alert"].as_str().unwrap().to_owned(),
                    rule: rule.clone(),
                });
            }
        }
    }
    alerts
}

/// Names of the alerts, without duplicates.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<_> = alerts().into_iter().map(|alert| alert.name).collect();
    names.dedup();
    names
}

/// Recorded series: name and expression.
pub(crate) fn recordings() -> Vec<(String, String)> {
    let rules = yaml(&read(RECORDING));
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
    rules
        .map(|rule| (text(rule, "record"), text(rule, "expr")))
        .collect()
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
