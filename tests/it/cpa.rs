//! Requests to the simulated CPA itself.

use std::collections::BTreeSet;

use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::simulator::Simulator;
use serde_json::Value;

/// Where keys are configured.
const LISTS: [&str; 7] = [
    "gemini-api-key",
    "interactions-api-key",
    "claude-api-key",
    "codex-api-key",
    "xai-api-key",
    "vertex-api-key",
    "openai-compatibility",
];

/// Queried over HTTP, as a client of the management API.
pub(crate) struct Cpa<'a> {
    simulator: &'a Simulator,
    client: reqwest::Client,
}

impl<'a> Cpa<'a> {
    pub(crate) fn new(simulator: &'a Simulator) -> Self {
        let client = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
        Self { simulator, client }
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}/v0/management/{path}", self.simulator.addr());
        let key = self.simulator.management_key();
        let request = self.client.get(url).bearer_auth(key);
        let body = request.send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    pub(crate) async fn files(&self) -> Vec<Value> {
        self.get("auth-files").await["files"]
            .as_array()
            .unwrap()
            .clone()
    }

    pub(crate) async fn disable(&self, name: &str) {
        let url = format!(
            "http://{}/v0/management/auth-files/status",
            self.simulator.addr()
        );
        let key = self.simulator.management_key();
        let body = serde_json::json!({ "name": name, "disabled": true });
        let request = self.client.patch(url).bearer_auth(key).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// Indexes of the configured keys.
    pub(crate) async fn keys(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for list in LISTS {
            for entry in self.get(list).await[list].as_array().unwrap() {
                let keys = entry["api-key-entries"].as_array();
                let indexes = keys.into_iter().flatten().chain([entry]);
                found.extend(indexes.filter_map(|e| Some(e["auth-index"].as_str()?.to_owned())));
            }
        }
        found
    }

    /// Every raw key, address and account id in the simulator's lists.
    pub(crate) async fn secrets(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut keep = |value: &Value| found.extend(value.as_str().map(str::to_owned));
        for file in self.files().await {
            keep(&file["email"]);
            keep(&file["name"]);
            keep(&file["id_token"]["chatgpt_account_id"]);
        }
        for list in LISTS {
            for entry in self.get(list).await[list].as_array().unwrap() {
                keep(&entry["api-key"]);
                for key in entry["api-key-entries"].as_array().into_iter().flatten() {
                    keep(&key["api-key"]);
                }
            }
        }
        found.retain(|secret| secret.len() >= 4);
        found
    }
}
