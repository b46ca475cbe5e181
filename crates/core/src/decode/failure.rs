//! Classifies a failure by its provider, its status and the upstream's text. The only table for
//! usage records, the errors channel and the status messages of accounts.

mod rules;
mod text;

use super::escapes::unescape;
use super::sanitize::cut;
use crate::model::FailureReason;

use rules::RULES;
use text::{codes, names_disabled_subject, own_words, status_in};

/// Maximum length of text to search; error texts state the reason early.
const MAX_SEARCHED: usize = 4096;

/// `status` is 0 if unknown: a status in the text is used instead.
pub fn failure_reason(provider: &str, status: u16, text: &str) -> FailureReason {
    first_rule(provider, status, text).map_or(FailureReason::Other, |rule| rule.reason)
}

fn first_rule(provider: &str, status: u16, text: &str) -> Option<&'static Rule> {
    let text = unescape(cut(text, MAX_SEARCHED)).to_ascii_lowercase();
    let codes = codes(&text);
    let status = match status {
        0 => status_in(&text, &codes).unwrap_or(0),
        status => status,
    };
    let text = match status {
        400 | 422 => own_words(text.trim()),
        _ => text.trim().into(),
    };
    let failure = Failure {
        provider,
        status,
        text: &text,
        codes,
    };
    RULES.iter().find(|rule| rule.matches(&failure))
}

/// The input of the rules.
struct Failure<'a> {
    provider: &'a str,
    status: u16,
    /// In lower case, like the codes.
    text: &'a str,
    codes: Vec<&'a str>,
}

/// A row of the table.
struct Rule {
    statuses: &'static [std::ops::RangeInclusive<u16>],
    condition: Condition,
    reason: FailureReason,
}

/// A condition on a failure with one of the statuses.
enum Condition {
    /// No further condition.
    Any,
    /// The body contains one of these codes, types or statuses.
    Code(&'static [&'static str]),
    /// Like [`Self::Code`], for providers whose name contains one of the first list.
    CodeAt(&'static [&'static str], &'static [&'static str]),
    /// The text contains one of these.
    Contains(&'static [&'static str]),
    /// The text ends with it: Go errors end with their cause.
    Ends(&'static str),
    /// The text reports an account, organization or similar as disabled or banned.
    Disabled,
}

impl Rule {
    fn matches(&self, failure: &Failure<'_>) -> bool {
        self.statuses.iter().any(|s| s.contains(&failure.status)) && self.condition.matches(failure)
    }
}

impl Condition {
    fn matches(&self, failure: &Failure<'_>) -> bool {
        let has = |codes: &[&str]| failure.codes.iter().any(|code| codes.contains(code));
        match self {
            Self::Any => true,
            Self::Code(codes) => has(codes),
            Self::CodeAt(providers, codes) => {
                providers.iter().any(|name| failure.provider.contains(name)) && has(codes)
            }
            Self::Contains(words) => words.iter().any(|word| failure.text.contains(word)),
            Self::Ends(word) => failure.text.ends_with(word),
            Self::Disabled => names_disabled_subject(failure.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Provider, status, text and expected reason.
    fn cases() -> Vec<(String, u16, String, String)> {
        let lines = include_str!("../../../../tests/fixtures/cases/failures.jsonl");
        let text = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
        lines
            .lines()
            .map(|line| {
                let case: Value = serde_json::from_str(line).unwrap();
                let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
                let [provider, body, reason] =
                    ["provider", "text", "reason"].map(|k| text(&case, k));
                (provider, status, body, reason)
            })
            .collect()
    }

    #[test]
    fn provider_and_proxy_errors_have_the_expected_reason() {
        let wrong: Vec<String> = cases()
            .iter()
            .filter_map(|(provider, status, text, right)| {
                let found = failure_reason(provider, *status, text).as_str();
                (found != right)
                    .then(|| format!("{provider} {status} {text}: {found}, not {right}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_rule_has_a_case() {
        let used: Vec<*const Rule> = cases()
            .iter()
            .filter_map(|(provider, status, text, _)| first_rule(provider, *status, text))
            .map(std::ptr::from_ref)
            .collect();
        let unused = RULES.iter().enumerate();
        let unused: Vec<usize> = unused
            .filter(|(_, rule)| !used.contains(&std::ptr::from_ref(*rule)))
            .map(|(line, _)| line)
            .collect();
        assert!(unused.is_empty(), "rules without a case: {unused:?}");
    }

    #[test]
    fn failure_without_text_is_classified_by_status_for_every_provider() {
        for status in 0..=u16::MAX {
            let reason = failure_reason("x", status, "");
            let transient = matches!(status, 408 | 500..=599);
            assert_eq!(
                transient,
                matches!(
                    reason,
                    FailureReason::Timeout | FailureReason::Overloaded | FailureReason::Upstream
                ),
                "{status}: {reason:?}"
            );
        }
    }

    #[test]
    fn long_and_malformed_texts_are_searched_up_to_the_limit() {
        let long = format!("{}{}", "é".repeat(MAX_SEARCHED), "invalid_grant");
        assert_eq!(failure_reason("x", 400, &long), FailureReason::Invalid);
        let cut = r#"{"error":{"type":"usage_limit_reached"#;
        assert_eq!(failure_reason("x", 429, cut), FailureReason::Quota);
    }
}
