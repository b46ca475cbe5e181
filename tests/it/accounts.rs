//! The account directory: CPA's accounts on the page, and their secrets nowhere.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cpa_exporter::simulator::CpaVersion;
use serde_json::Value;
use tempfile::tempdir;

use crate::cpa::Cpa;
use crate::harness::{
    Exporter, Samples, account_labels as labels, count, eventually, simulator, sum,
};

/// Reads accounts as often as allowed.
const OFTEN: [&str; 2] = ["--accounts.interval", "1s"];
/// Only change events of CPA can update the page.
const SELDOM: [&str; 2] = ["--accounts.interval", "1h"];

pub(crate) fn status(page: &Samples, index: &str) -> Option<String> {
    let labels = labels(page).get(index)?.clone();
    let start = format!("cpa_account_status{{{labels},status=\"");
    let is_it = page.iter().filter(|(_, value)| **value == 1.0);
    let mut found = is_it.filter_map(|(name, _)| name.strip_prefix(&start));
    let status = found.next()?.trim_end_matches("\"}").to_owned();
    assert_eq!(found.next(), None, "one status only");
    Some(status)
}

/// The expected meaning of the simulator's entry.
fn expected(entry: &Value) -> &'static str {
    match entry["status"].as_str().unwrap() {
        "disabled" => "disabled",
        "active" => "active",
        other => {
            assert_eq!((other, &entry["unavailable"]), ("error", &true.into()));
            "cooling"
        }
    }
}

pub(crate) async fn all_named(exporter: &Exporter, n: usize) -> Samples {
    exporter
        .when("all accounts", |s| labels(s).len() == n)
        .await
}

async fn shows_every_state(version: CpaVersion) {
    let simulator = simulator(|config| {
        config.version = version;
        config.traffic.accounts = 24;
    })
    .await;
    let cpa = Cpa::new(&simulator);
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &OFTEN).await;
    let files = cpa.files().await;
    let off = files.iter().find(|f| f["status"] == "active").unwrap();
    cpa.disable(off["name"].as_str().unwrap()).await;
    let (files, keys) = (cpa.files().await, cpa.keys().await);
    assert!(files.len() > 5 && keys.len() > 5);
    let page = exporter
        .when("the state of each", |page| {
            let state = |f: &Value| status(page, f["auth_index"].as_str().unwrap());
            files
                .iter()
                .all(|f| state(f).as_deref() == Some(expected(f)))
                && keys
                    .iter()
                    .all(|key| status(page, key).as_deref() == Some("unknown"))
        })
        .await;
    assert_eq!(labels(&page).len(), files.len() + keys.len());
    assert_eq!(
        sum(&page, "cpa_accounts"),
        (files.len() + keys.len()) as f64
    );
    assert_eq!(
        sum(&page, "cpa_account_status"),
        sum(&page, "cpa_account_info")
    );
    let up = keys.len() + files.iter().filter(|f| f["status"] == "active").count();
    assert_eq!(sum(&page, "cpa_account_up"), up as f64);
    let codex = files.iter().filter(|f| f["provider"] == "codex");
    // The list has no other plans; quota polls do.
    let plans = page.keys().filter(|name| {
        name.starts_with("cpa_account_info{provider=\"codex\",") && name.contains("plan=")
    });
    assert_eq!(plans.count(), codex.clone().count());
    let ends = page
        .keys()
        .filter(|name| name.starts_with("cpa_account_subscription_end_"));
    assert_eq!(ends.count(), codex.count());
    assert!(!page.keys().any(|name| name.contains("email=")));
    let remembered = count(dir.path(), "SELECT count(*) FROM account");
    assert_eq!(
        usize::try_from(remembered).unwrap(),
        files.len() + keys.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn account_states_match_a_v0_cpa() {
    shows_every_state(CpaVersion::CAPTURED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_states_match_a_v8_cpa() {
    shows_every_state("8.0.10".parse().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_account_loses_its_gauges_and_keeps_its_name() {
    let first = simulator(|config| config.traffic.accounts = 12).await;
    let addr = first.addr();
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&first, dir.path(), &OFTEN).await;
    let before = labels(&all_named(&exporter, 12).await);
    first.shutdown().await;
    let second = simulator(|config| {
        config.listen = addr;
        config.traffic.accounts = 4;
    })
    .await;
    let page = all_named(&exporter, 4).await;
    let after = labels(&page);
    assert!(after.iter().all(|(index, labels)| before[index] == *labels));
    // Quota gauges are published a moment later.
    let gone = || {
        before
            .iter()
            .filter(|(index, _)| !after.contains_key(*index))
    };
    exporter
        .when("no gauge of those that are gone", |page| {
            gone().all(|(_, labels)| !page.keys().any(|name| name.contains(labels.as_str())))
        })
        .await;
    assert_eq!(count(dir.path(), "SELECT count(*) FROM account"), 12);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_event_of_cpa_updates_the_page_at_once() {
    let simulator = simulator(|_| {}).await;
    let cpa = Cpa::new(&simulator);
    let dir = tempdir().unwrap();
    let flags = ["--cpa.mode", "subscribe", SELDOM[0], SELDOM[1]];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    all_named(&exporter, 16).await;
    let files = cpa.files().await;
    let off = files.iter().find(|f| f["status"] == "active").unwrap();
    eventually("subscribed", async || {
        (simulator.subscribers() > 0).then_some(())
    })
    .await;
    cpa.disable(off["name"].as_str().unwrap()).await;
    let index = off["auth_index"].as_str().unwrap();
    exporter
        .when("disabled", |s| {
            status(s, index).as_deref() == Some("disabled")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_at_once_and_is_counted() {
    let simulator = simulator(|_| {}).await;
    let cpa = Cpa::new(&simulator);
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &SELDOM).await;
    let page = all_named(&exporter, 16).await;
    assert_eq!(sum(&page, "cpa_account_errors_total"), 0.0);
    let files = cpa.files().await;
    let active = files.iter().find(|f| f["status"] == "active").unwrap();
    let index = active["auth_index"].as_str().unwrap();
    let labels = labels(&page)[index].clone();
    eventually("listening", async || {
        (simulator.error_subscribers() > 0).then_some(())
    })
    .await;
    let event = |status: u16| {
        serde_json::json!({
            "timestamp": "2026-11-22T04:37:00Z", "provider": active["provider"], "model": "m",
            "auth_id": active["id"], "auth_index": index, "status_code": status, "body": "{}",
            "auth_status": {
                "status": "error", "status_message": "quota exhausted", "disabled": false, "unavailable": true,
                "next_retry_after": "2199-01-01T00:00:00Z", "quota": { "exceeded": true, "reason": "quota" },
            },
        })
        .to_string()
    };
    simulator.push_error("no event");
    simulator.push_error(event(429));
    simulator.push_error(event(429));
    simulator.push_error(event(503));
    let errors = |code: &str| format!("cpa_account_errors_total{{{labels},code=\"{code}\"}}");
    let page = exporter
        .when("counted", |s| s.get(&errors("503")) == Some(&1.0))
        .await;
    assert_eq!(page[&errors("429")], 2.0);
    assert_eq!(status(&page, index).as_deref(), Some("cooling"));
    assert_eq!(page[&format!("cpa_account_up{{{labels}}}")], 0.0);
    let until = format!(
        "cpa_account_cooldown_until_timestamp_seconds{{{labels},scope=\"credential\",reason=\"quota\"}}"
    );
    assert_eq!(page[&until], 7_226_582_400.0);
    let retry = format!("cpa_account_next_retry_timestamp_seconds{{{labels}}}");
    assert_eq!(page[&retry], 7_226_582_400.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_record_marks_the_account_before_and_after_the_next_list() {
    // A login costs CPA 62 ms, and a read of the accounts is ten calls and more.
    let simulator = simulator(|config| config.management_delay = Duration::from_millis(400)).await;
    let cpa = Cpa::new(&simulator);
    let files = cpa.files().await;
    let active = files.iter().find(|f| f["status"] == "active").unwrap();
    let index = active["auth_index"].as_str().unwrap();
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &SELDOM).await;
    eventually("listening", async || {
        (simulator.error_subscribers() > 0).then_some(())
    })
    .await;
    simulator.push_error(
        serde_json::json!({
            "provider": active["provider"], "auth_index": index, "status_code": 429, "body": "{}",
            "auth_status": {
                "status": "error", "status_message": "quota exhausted", "unavailable": true,
                "next_retry_after": "2199-01-01T00:00:00Z",
            },
        })
        .to_string(),
    );
    let page = exporter
        .when("counted", |s| sum(s, "cpa_account_errors_total") == 1.0)
        .await;
    assert_eq!(sum(&page, "cpa_accounts"), 0.0, "the look was over before");
    // The list shows the account as ready, but it is older than the failure.
    let page = all_named(&exporter, 16).await;
    assert_eq!(status(&page, index).as_deref(), Some("cooling"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_from_a_quota_poll_shows_at_once() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &SELDOM).await;
    let claude = "cpa_account_info{provider=\"claude\",";
    let logins = |page: &Samples| -> Vec<String> {
        let infos = page.keys().filter(|name| name.starts_with(claude));
        let logins = infos.filter(|name| name.contains("auth_type=\"oauth\""));
        logins.cloned().collect()
    };
    exporter
        .when("the plan of every login", |page| {
            let logins = logins(page);
            !logins.is_empty() && logins.iter().all(|name| name.contains("plan=\""))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_gauges_outlast_a_cpa_outage_and_are_logged_once() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &OFTEN).await;
    all_named(&exporter, 16).await;
    simulator.faults().set(|f| f.http_503 = true);
    exporter.logged("account lists cannot be read").await;
    exporter
        .when("too old", |s| {
            sum(s, "cpa_accounts") == 0.0 && labels(s).is_empty()
        })
        .await;
    simulator.faults().set(|f| f.http_503 = false);
    all_named(&exporter, 16).await;
    let said = exporter
        .log()
        .matches("account lists cannot be read")
        .count();
    assert_eq!(said, 1, "{}", exporter.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_above_the_cap_have_no_gauges_and_are_counted() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let flags = [OFTEN[0], OFTEN[1], "--metrics.caps.account", "3"];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let beyond = "cpa_exporter_label_overflows_total{label=\"account\"}";
    let page = exporter
        .when("counted", |s| s.get(beyond) == Some(&13.0))
        .await;
    assert!(labels(&page).len() <= 3);
    all_named(&exporter, 3).await;
    assert_eq!(sum(&exporter.samples().await, "cpa_accounts"), 16.0);
}

fn files_below(dir: &Path, out: &mut Vec<u8>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, out);
        } else if path.is_file() {
            out.extend(fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_address_or_account_id_leaves_the_decoders() {
    for version in [CpaVersion::CAPTURED, "8.0.10".parse().unwrap()] {
        let simulator = simulator(|config| config.version = version).await;
        let secrets = Cpa::new(&simulator).secrets().await;
        assert!(secrets.len() > 15, "{secrets:?}");
        let dir = tempdir().unwrap();
        let flags = [OFTEN[0], OFTEN[1], "--log.level", "trace"];
        let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
        all_named(&exporter, 16).await;
        eventually("listening", async || {
            (simulator.error_subscribers() > 0).then_some(())
        })
        .await;
        let file = &Cpa::new(&simulator).files().await[0];
        simulator.push_error(
            serde_json::json!({
                "auth_id": file["id"], "auth_index": file["auth_index"], "status_code": 401,
                "body": format!("{secrets:?}"),
                "auth_status": { "status": "error", "status_message": format!("{secrets:?}") },
            })
            .to_string(),
        );
        exporter
            .when("counted", |s| sum(s, "cpa_account_errors_total") == 1.0)
            .await;
        let mut out = exporter.page().await.into_bytes();
        files_below(dir.path(), &mut out);
        let (_, log) = exporter.terminate().await;
        out.extend(log.into_bytes());
        files_below(dir.path(), &mut out);
        for secret in &secrets {
            let found = out.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn email_addresses_are_exposed_if_configured() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let flags = [OFTEN[0], OFTEN[1], "--accounts.show-email"];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let page = all_named(&exporter, 16).await;
    let files = Cpa::new(&simulator).files().await;
    let mut expected = 0;
    for email in files.iter().filter_map(|file| file["email"].as_str()) {
        let mut label = String::new();
        write!(label, ",email=\"{email}\"").unwrap();
        let with = page.keys().filter(|name| name.contains(&label));
        assert!(
            with.clone()
                .all(|name| name.starts_with("cpa_account_info{"))
        );
        expected += 1;
        assert!(with.count() > 0, "{email}");
    }
    assert!(expected > 3);
}

/// One person with two credentials, for example after a change of plan.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_with_one_alias_keep_their_gauges_and_sum_their_counters() {
    let simulator = simulator(|config| {
        config.traffic.accounts = 24;
        config.traffic.backlog = 2000;
    })
    .await;
    let files = Cpa::new(&simulator).files().await;
    let codex = files.iter().filter(|f| f["provider"] == "codex");
    let indexes: Vec<&str> = codex.map(|f| f["auth_index"].as_str().unwrap()).collect();
    let [one, other] = indexes[..2] else {
        panic!("{indexes:?}")
    };
    let names = format!("{one}=work,{other}=work");
    let dir = tempdir().unwrap();
    let flags = [&OFTEN[..], &["--aliases.accounts", &names]].concat();
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let page = exporter
        .when("everything", |s| {
            labels(s).len() == 24 && s.get("cpa_store_events") == Some(&2000.0)
        })
        .await;
    let own = [one, other].map(|index| labels(&page)[index].clone());
    let is_alias = |labels: &&String| labels.contains("account=\"work\"");
    assert_eq!(own.iter().filter(is_alias).count(), 1, "{own:?}");
    for labels in &own {
        assert!(labels.contains("account=\"work"), "{labels}");
        assert!(page.contains_key(&format!("cpa_account_up{{{labels}}}")));
    }
    let up = page.keys().filter(|n| n.starts_with("cpa_account_up{"));
    assert_eq!(up.count(), 24);

    let sql = format!(
        "SELECT count(*) FROM event JOIN dimension ON dimension = 5 AND id = account \
         WHERE value IN ('{one}', '{other}') AND flags & 2 = 0"
    );
    let stored = count(dir.path(), &sql);
    assert!(stored > 0);
    let counted = |s: &Samples| -> f64 {
        let of = |name: &str| name.starts_with("cpa_requests_total{");
        let work = s
            .iter()
            .filter(|(n, _)| of(n) && n.contains("account=\"work\""));
        work.map(|(_, value)| value).sum()
    };
    exporter
        .when("sum of both", |s| {
            counted(s) == f64::from(u32::try_from(stored).unwrap())
        })
        .await;
    exporter.terminate().await;
}
