//! Inhibition in a real Alertmanager with the shipped rules.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Alertmanager, eventually, get, have};
use crate::tools::shipped;

/// Simultaneous alerts, and those of them that are sent. `name severity label=value…`
const SCENES: &[(&str, &[&str], &[&str])] = &[
    (
        "90 % mutes 80 % of the same window only",
        &[
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=a window=weekly limit=main",
            "CPAQuotaUsageHigh warning account=a window=5h limit=opus",
            "CPAQuotaUsageHigh warning account=b window=5h limit=main",
        ],
        &[
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=a window=weekly limit=main",
            "CPAQuotaUsageHigh warning account=a window=5h limit=opus",
            "CPAQuotaUsageHigh warning account=b window=5h limit=main",
        ],
    ),
    (
        "an exhausted limit inhibits its warning and the alerts it causes",
        &[
            "CPAQuotaExhausted critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaForecast warning account=a window=5h limit=main",
            "CPAAccountCooling info account=a",
            "CPAAccountCooling info account=b",
        ],
        &[
            "CPAQuotaExhausted critical account=a window=5h limit=main",
            "CPAAccountCooling info account=b",
        ],
    ),
    (
        "the pool speaks for its accounts",
        &[
            "CPAQuotaPoolLow critical window=5h",
            "CPAQuotaPoolLow warning window=5h",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaExhausted critical account=b window=5h limit=main",
            "CPAQuotaUsageHigh critical account=a window=weekly limit=main",
            "CPARateLimited warning",
        ],
        &[
            "CPAQuotaPoolLow critical window=5h",
            "CPAQuotaUsageHigh critical account=a window=weekly limit=main",
        ],
    ),
    (
        "a low pool does not hide 90 %",
        &[
            "CPAQuotaPoolLow warning window=5h",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=b window=5h limit=main",
        ],
        &[
            "CPAQuotaPoolLow warning window=5h",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
        ],
    ),
    (
        "a provider that is down explains its accounts and failures",
        &[
            "CPAProviderDown critical",
            "CPAAccountDown warning account=a",
            "CPAFailureRatioHigh warning",
            "CPAModelFailing warning model=m",
            "CPAStoreFailing critical",
        ],
        &["CPAProviderDown critical", "CPAStoreFailing critical"],
    ),
    (
        "a dead exporter explains everything, but no test",
        &[
            "CPAExporterDown critical",
            "CPADown critical",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPATest warning",
        ],
        &["CPAExporterDown critical", "CPATest warning"],
    ),
    (
        "a refused key explains that CPA seems down",
        &[
            "CPAAccessRefused critical reason=wrong_key",
            "CPADown critical",
            "CPAIngestStarved warning",
            "CPAQuotaReadingsStale warning account=a",
            "CPAQuotaExhausted critical account=a window=5h limit=main",
        ],
        &[
            "CPAAccessRefused critical reason=wrong_key",
            "CPAQuotaExhausted critical account=a window=5h limit=main",
        ],
    ),
    (
        "a failing provider explains its models; others stay",
        &[
            "CPAFailureRatioHigh warning",
            "CPAModelFailing warning model=m",
            "CPALatencyHigh warning model=m",
            "CPATimeToFirstTokenHigh warning model=m",
            "CPALatencyHigh warning model=n",
        ],
        &[
            "CPAFailureRatioHigh warning",
            "CPATimeToFirstTokenHigh warning model=m",
            "CPALatencyHigh warning model=n",
        ],
    ),
    (
        "a budget that burns needs no forecast, and one that is spent neither",
        &[
            "CPABudgetBurn critical budget=month",
            "CPABudgetBurn warning budget=month",
            "CPABudgetForecast warning budget=month",
            "CPABudgetSpent warning budget=month threshold=0.8",
            "CPABudgetBurn warning budget=day",
            "CPABudgetForecast warning budget=day",
            "CPABudgetSpent critical budget=team threshold=1",
            "CPABudgetBurn critical budget=team",
            "CPABudgetForecast warning budget=team",
            "CPABudgetForecast warning budget=other",
        ],
        &[
            "CPABudgetBurn critical budget=month",
            "CPABudgetSpent warning budget=month threshold=0.8",
            "CPABudgetBurn warning budget=day",
            "CPABudgetSpent critical budget=team threshold=1",
            "CPABudgetForecast warning budget=other",
        ],
    ),
    (
        "unusual money explains unusual tokens of the same provider",
        &[
            "CPACostAnomaly warning provider=a",
            "CPATokenAnomaly warning provider=a",
            "CPATokenAnomaly warning provider=b",
        ],
        &[
            "CPACostAnomaly warning provider=a",
            "CPATokenAnomaly warning provider=b",
        ],
    ),
];

/// Each case on an instance of its own.
#[tokio::test(flavor = "multi_thread")]
async fn one_cause_sends_one_message() {
    if !have(&["prometheus-alertmanager"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let alertmanager = Alertmanager::start(dir.path(), &shipped()).await;
    for (instance, (_, pushed, _)) in SCENES.iter().enumerate() {
        let alerts: Vec<Value> = pushed
            .iter()
            .map(|alert| json!({"labels": labels(alert, instance)}))
            .collect();
        alertmanager.push(&json!(alerts)).await;
    }
    let all: usize = SCENES.iter().map(|(_, pushed, _)| pushed.len()).sum();
    let url = format!("{}/api/v2/alerts", alertmanager.url);
    let seen = eventually("all alerts are there", async || {
        let seen = get(&url).await?;
        (seen.as_array()?.len() == all).then_some(seen)
    })
    .await;
    for (instance, (scene, _, sent)) in SCENES.iter().enumerate() {
        let mut want: Vec<Value> = sent.iter().map(|alert| labels(alert, instance)).collect();
        let active = seen.as_array().unwrap().iter();
        let mut active: Vec<Value> = active
            .filter(|alert| alert["status"]["state"] != "suppressed")
            .map(|alert| alert["labels"].clone())
            .filter(|labels| labels["instance"].as_str() == Some(&instance.to_string()))
            .collect();
        want.sort_by_key(Value::to_string);
        active.sort_by_key(Value::to_string);
        assert_eq!(active, want, "{scene}");
    }
}

fn labels(alert: &str, instance: usize) -> Value {
    let mut words = alert.split(' ');
    let mut labels = json!({"job": "cpa", "instance": instance.to_string()});
    labels["alertname"] = words.next().into();
    labels["severity"] = words.next().into();
    if alert.contains("account")
        || alert.contains("Provider")
        || alert.contains("Pool")
        || ["CPARate", "CPAFail", "CPAModel", "CPALat", "CPATime"]
            .iter()
            .any(|n| alert.starts_with(n))
    {
        labels["provider"] = "claude".into();
    }
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        labels[name] = value.into();
    }
    labels
}
