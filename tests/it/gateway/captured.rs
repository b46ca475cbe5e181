//! The counters equal the ledger of the upstream that the captured gateways called.

use std::collections::BTreeSet;

use serde_json::Value;

use super::capture::Capture;
use super::{stop, sum, value};
use crate::harness::Samples;

pub(super) const CAPTURES: [&str; 4] = [
    "newapi-2025-04",
    "newapi-2026-04",
    "newapi-2026-08",
    "oneapi-2025-02",
];
/// Name of the token of a channel test.
const TEST: &str = "模型测试";

#[tokio::test(flavor = "multi_thread")]
async fn captured_databases_give_the_totals_of_their_ledger() {
    for name in CAPTURES {
        let capture = Capture::read(name);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one-api.db");
        capture.write_sqlite(&path);
        let dsn = format!("sqlite://{}", path.display());
        let exporter = super::start(dir.path(), &dsn, &["--gateway.start", "first"]).await;
        let samples = exporter
            .when("the log is read", |page| is_read(&capture, page))
            .await;
        check(name, &capture, &samples);
        stop(exporter).await;
    }
}

/// Whether the page has all rows that are attempts, and the channels.
pub(super) fn is_read(capture: &Capture, samples: &Samples) -> bool {
    let rows = capture.objects("logs");
    let attempts = rows
        .iter()
        .filter(|row| [2, 5].contains(&number(row, "type")));
    sum(samples, "newapi_attempts_total", "") >= attempts.count() as u64
        && samples.contains_key("newapi_quota_per_unit")
}

/// Compares all totals of a page with those of the capture.
pub(super) fn check(name: &str, capture: &Capture, samples: &Samples) {
    let rows = capture.objects("logs");
    rows_are_counted(name, &rows, samples);
    channels_are_charged(name, capture, samples);
    if name.starts_with("newapi") {
        ledger_is_equal(name, capture, samples);
    }
    objects_are_shown(name, capture, samples);
}

fn number(object: &Value, name: &str) -> u64 {
    object.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn is_test(row: &Value) -> bool {
    row["token_name"] == TEST
}

fn rows_are_counted(name: &str, rows: &[Value], samples: &Samples) {
    let one_api = name.starts_with("oneapi");
    let of = |kind: u64| rows.iter().filter(move |row| number(row, "type") == kind);
    let requests: Vec<&Value> = of(2).filter(|row| !is_test(row)).collect();
    let tests = of(2).filter(|row| is_test(row)).count();
    let fives = of(5).count();
    let (errors, tests) = if one_api {
        (0, tests + fives)
    } else {
        (fives, tests)
    };
    for (outcome, count) in [
        ("success", requests.len()),
        ("error", errors),
        ("test", tests),
    ] {
        let labels = format!("outcome=\"{outcome}\"");
        let counted = sum(samples, "newapi_attempts_total", &labels);
        assert_eq!(counted, count as u64, "{name} {outcome}");
    }
    let total = |column: &str| requests.iter().map(|row| number(row, column)).sum::<u64>();
    for (kind, column) in [
        ("prompt", "prompt_tokens"),
        ("completion", "completion_tokens"),
    ] {
        let labels = format!("kind=\"{kind}\"");
        assert_eq!(
            sum(samples, "newapi_tokens_total", &labels),
            total(column),
            "{name} {kind}"
        );
    }
    assert_eq!(
        sum(samples, "newapi_quota_total", ""),
        total("quota"),
        "{name}"
    );
    let seconds = if one_api {
        total("elapsed_time") / 1000
    } else {
        total("use_time")
    };
    let found = samples
        .iter()
        .filter(|(key, _)| key.starts_with("newapi_request_duration_seconds_sum"));
    let found: f64 = found.map(|(_, seconds)| seconds).sum();
    assert!(
        (found - seconds as f64).abs() < 1.0,
        "{name}: {found} s, {seconds} s"
    );
    let foreign = rows
        .iter()
        .filter(|row| ![2, 5, 6].contains(&number(row, "type")))
        .count();
    assert_eq!(
        sum(samples, "newapi_foreign_rows_total", ""),
        foreign as u64,
        "{name}"
    );
}

/// The gateway adds up a channel's quota itself, without its tests.
fn channels_are_charged(name: &str, capture: &Capture, samples: &Samples) {
    for channel in capture.objects("channels") {
        let id = number(&channel, "id");
        let charged = sum(
            samples,
            "newapi_quota_total",
            &format!("channel_id=\"{id}\""),
        );
        assert_eq!(
            charged,
            number(&channel, "used_quota"),
            "{name} channel {id}"
        );
        let used = format!("newapi_channel_used_quota{{channel_id=\"{id}\"}}");
        assert_eq!(charged, value(samples, &used), "{name} channel {id}");
    }
    // 500,000 units are a dollar.
    let dollars: f64 = samples
        .iter()
        .filter(|(key, _)| key.starts_with("newapi_cost_usd_total{"))
        .map(|(_, usd)| usd)
        .sum();
    let quota = sum(samples, "newapi_quota_total", "") as f64;
    assert!((dollars - quota / 500_000.0).abs() < 1e-9, "{name}");
}

/// The upstream counted what it sent; `exact` answers had a usage.
fn ledger_is_equal(name: &str, capture: &Capture, samples: &Samples) {
    // Errors were stored from 2026 on.
    let has_errors = name != "newapi-2025-04";
    for entry in capture.list("upstream_totals") {
        let channel = number(entry, "channel_id");
        let model = entry["model"].as_str().unwrap();
        let escaped = model.replace('\\', "\\\\").replace('"', "\\\"");
        let labels = format!("channel_id=\"{channel}\",model=\"{escaped}\"");
        let count = |family: &str, more: &str| sum(samples, family, &format!("{labels},{more}"));
        let attempts =
            |outcome: &str| count("newapi_attempts_total", &format!("outcome=\"{outcome}\""));
        let what = format!("{name} {labels}");
        assert_eq!(attempts("success"), number(entry, "answered"), "{what}");
        if has_errors {
            assert_eq!(attempts("error"), number(entry, "failed"), "{what}");
            for status in statuses(entry) {
                let failed = number(entry, &format!("failed_{status}"));
                let errors = count("newapi_errors_total", &format!("status_code=\"{status}\""));
                assert_eq!(errors, failed, "{what} {status}");
            }
        }
        // 2025-04 is older than the Claude models of the capture and estimates their tokens.
        let is_exact = number(entry, "exact") == number(entry, "answered");
        if is_exact && name == "newapi-2026-08" {
            let tokens = |kind: &str| count("newapi_tokens_total", &format!("kind=\"{kind}\""));
            for kind in ["prompt", "completion", "cache_read", "cache_write"] {
                assert_eq!(tokens(kind), number(entry, kind), "{what} {kind}");
            }
            let is_claude = model.starts_with("claude");
            let input =
                |cache: &str| count("newapi_input_tokens_total", &format!("cache=\"{cache}\""));
            let cached = if is_claude {
                0
            } else {
                number(entry, "cache_read")
            };
            assert_eq!(input("none"), number(entry, "prompt") - cached, "{what}");
            assert_eq!(input("read"), number(entry, "cache_read"), "{what}");
        }
    }
}

fn statuses(entry: &Value) -> Vec<&str> {
    let names = entry.as_object().unwrap().keys();
    let statuses = names.filter_map(|name| name.strip_prefix("failed_"));
    // `hang`: the gateway gave up by itself.
    statuses
        .filter(|status| status.parse::<u16>().is_ok())
        .collect()
}

fn objects_are_shown(name: &str, capture: &Capture, samples: &Samples) {
    for channel in capture.objects("channels") {
        let id = number(&channel, "id");
        let status = format!("newapi_channel_status{{channel_id=\"{id}\"}}");
        assert_eq!(
            value(samples, &status),
            number(&channel, "status"),
            "{name} {status}"
        );
    }
    let tokens = capture.objects("tokens");
    let living = tokens
        .iter()
        .filter(|token| token.get("deleted_at").is_none_or(Value::is_null));
    let shown = samples
        .keys()
        .filter(|key| key.starts_with("newapi_token_status{"));
    assert_eq!(
        shown.count(),
        living.count(),
        "{name}: deleted tokens have no state"
    );
    // Each route exists, also without traffic.
    let mut routes = BTreeSet::new();
    for ability in capture.objects("abilities") {
        routes.insert((number(&ability, "channel_id"), ability["model"].to_string()));
    }
    for (channel, _) in &routes {
        let labels = format!("channel_id=\"{channel}\"");
        let of_channel = routes.iter().filter(|(id, _)| id == channel).count();
        let shown = samples
            .keys()
            .filter(|key| key.starts_with("newapi_attempts_total{") && key.contains(&labels));
        assert!(shown.count() >= of_channel * 3, "{name} {labels}");
    }
}
