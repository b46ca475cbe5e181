//! The rule files of the repository. The test target `alerts` includes this file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::root;

pub(crate) const RECORDING: &str = "prometheus/recording.rules.yml";
/// Files of `alerts/rules`; each has its tests in `alerts/tests`.
pub(crate) const FILES: [&str; 5] = ["exporter", "accounts", "quota", "traffic", "money"];

#[derive(Deserialize)]
struct RuleFile<R> {
    groups: Vec<RuleGroup<R>>,
}

#[derive(Deserialize)]
struct RuleGroup<R> {
    rules: Vec<R>,
}

/// An alert rule. Several can have one name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Alert {
    /// Its entry of `FILES`.
    #[serde(skip)]
    pub(crate) file: &'static str,
    #[serde(rename = "alert")]
    pub(crate) name: String,
    pub(crate) expr: String,
    #[serde(rename = "for")]
    pub(crate) holds: Option<String>,
    pub(crate) keep_firing_for: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Alert {
    pub(crate) fn severity(&self) -> &str {
        self.labels.get("severity").map_or("", String::as_str)
    }
}

/// A recorded series.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Recording {
    pub(crate) record: String,
    pub(crate) expr: String,
}

pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules<R: DeserializeOwned>(path: &str) -> Vec<R> {
    let file: RuleFile<R> =
        serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    file.groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect()
}

pub(crate) fn alerts() -> Vec<Alert> {
    let of_file = |file| {
        let alerts = rules::<Alert>(&format!("alerts/rules/{file}.yml")).into_iter();
        alerts.map(move |alert| Alert { file, ..alert })
    };
    FILES.into_iter().flat_map(of_file).collect()
}

pub(crate) fn recordings() -> Vec<Recording> {
    rules(RECORDING)
}
