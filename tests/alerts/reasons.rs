//! Rules that exclude or want a reason of failures, against the table that gives the reasons.

use std::collections::BTreeSet;

use cpa_exporter::decode::failure_reason;
use cpa_exporter::model::FailureReason;
use serde_json::Value;

use crate::source::alerts;
use crate::support::read;

/// Whose fault a failure is. A new reason has to be placed here before rules can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The client went away.
    Gone,
    /// The client asked for what cannot be, or CPA asks for a model that is no more.
    Asked,
    /// Too much was asked for.
    Limit,
    Login,
    /// Money, the provider, or the way to it.
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

/// What each alert with a matcher on `reason` is to count.
const COUNTED: &[(&str, &[Fault])] = &[
    ("CPAFailureRatioHigh", &[Fault::Login, Fault::Other]),
    (
        "CPAModelFailing",
        &[Fault::Asked, Fault::Login, Fault::Other],
    ),
    ("CPARateLimited", &[Fault::Limit]),
    ("CPAAccountRefreshFailing", &[Fault::Login]),
];

/// Reasons that the matcher of an expression lets through; `None` without a matcher.
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
fn rules_count_the_failures_that_they_are_about() {
    let mut checked = BTreeSet::new();
    for alert in alerts() {
        let Some(counted) = counted(alert.expr()) else {
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

/// Answers of providers that a status alone would put under the wrong alert.
#[test]
fn answers_count_where_a_person_would_count_them() {
    let counts = |alert: &str, reason: FailureReason| {
        let of_name = alerts().into_iter().find(|a| a.name == alert).unwrap();
        counted(of_name.expr()).unwrap().contains(&reason)
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
