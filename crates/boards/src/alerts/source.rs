//! The rule files as they are in the repository.

use serde_json::Value;

use crate::files::root;

pub(crate) const RECORDING: &str = "prometheus/recording.rules.yml";
/// Files of `alerts/rules`, in the order of the generated ones.
pub(crate) const FILES: [&str; 5] = ["exporter", "accounts", "quota", "traffic", "money"];

pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// An alert rule. Several can have one name.
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
        let rules = yaml(&read(&format!("alerts/rules/{file}.yml")));
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
