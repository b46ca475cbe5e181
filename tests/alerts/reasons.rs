//! Checks rules with a matcher on failure reasons against the table of reasons.

use std::collections::BTreeSet;

use cpa_exporter::decode::failure_reason;
use cpa_exporter::model::FailureReason;
use serde_json::Value;

use crate::source::alerts;
use crate::support::read;

/// The party at fault. A new reason must be added here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The client disconnected.
    Gone,
    /// An invalid request, or a model that CPA lists but the provider has removed.
    Asked,
    /// Too many requests.
    Limit,
    Login,
    /// Balance, the provider, or the network.
    Other,
}

fn fault(reason: FailureReason) -> Fault {
    match reason {
        FailureReason::Client => Fault::Gone,
        FailureReason::Invalid => Fault::Asked,
        FailureReason::RateLimit | FailureReason::Quota => Fault::Limit,
        FailureReason::Auth => Fault::Login,
        FailureReason::Billing
        | FailureReason::Timeout
        | FailureReason::Overloaded
        | FailureReason::Upstream
        | FailureReason::Network
        | FailureReason::Interrupted
        | FailureReason::Other => Fault::Other,
    }
}

/// The expected reasons of each alert with a matcher on `reason`.
const COUNTED: &[(&str, &[Fault])] = &[
    ("CPAFailureRatioHigh", &[Fault::Login, Fault::Other]),
    (
        "CPAModelFailing",
        &[Fault::Asked, Fault::Login, Fault::Other],
    ),
    ("CPARateLimited", &[Fault::Limit]),
    ("CPAAccountRefreshFailing", &[Fault::Login]),
];

/// Reasons that an expression's matcher accepts; `None` without a matcher.
fn counted(expr: &str) -> Option<Vec<FailureReason>> {
    let (_, matcher) = expr.split_once("cpa_request_failures_total{reason")?;
    let mut parts = matcher.split('"');
    let (operator, values) = (parts.next().unwrap(), parts.next().unwrap());
    let values: Vec<&str> = values.split('|').collect();
    for value in &values {
        let exists = FailureReason::ALL.iter().any(|r| r.as_str() == *value);
        assert!(exists, "no failure has the reason {value}");
    }
    let wants = match operator {
        "=" | "=~" => true,
        "!=" | "!~" => false,
        other => panic!("{other}"),
    };
    let lets_through = |reason: &FailureReason| values.contains(&reason.as_str()) == wants;
    Some(
        FailureReason::ALL
            .into_iter()
            .filter(lets_through)
            .collect(),
    )
}

#[test]
fn rules_count_only_failures_of_their_own_reasons() {
    let mut checked = BTreeSet::new();
    for alert in alerts() {
        let Some(counted) = counted(&alert.expr) else {
            continue;
        };
        let (_, faults) = COUNTED
            .iter()
            .find(|(name, _)| *name == alert.name)
            .unwrap_or_else(|| panic!("{} asks for reasons and is not in the table", alert.name));
        for reason in FailureReason::ALL {
            let right = faults.contains(&fault(reason));
            let is = counted.contains(&reason);
            assert_eq!(is, right, "{}: {}", alert.name, reason.as_str());
        }
        checked.insert(alert.name);
    }
    assert_eq!(checked.len(), COUNTED.len(), "{checked:?}");
}

/// Provider responses whose status alone would count for the wrong alert.
#[test]
fn failures_count_for_the_expected_alerts() {
    let counts = |alert: &str, reason: FailureReason| {
        let of_name = alerts().into_iter().find(|a| a.name == alert).unwrap();
        counted(&of_name.expr).unwrap().contains(&reason)
    };
    let cases = read("tests/fixtures/cases/failures.jsonl");
    let mut tried = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let reason = failure_reason(text("provider"), status, text("text"));
        let limit = ["quota", "rate_limit"].contains(&text("reason"));
        assert_eq!(counts("CPARateLimited", reason), limit, "{line}");
        let login = text("reason") == "auth";
        assert_eq!(counts("CPAAccountRefreshFailing", reason), login, "{line}");
        let client = ["client", "invalid"].contains(&text("reason"));
        let provider = !limit && !client;
        assert_eq!(counts("CPAFailureRatioHigh", reason), provider, "{line}");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
}
