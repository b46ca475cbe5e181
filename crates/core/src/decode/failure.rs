//! The reason of a failure, from its provider, its status and the upstream's text. The one table
//! for usage records, the errors channel and the status messages of accounts.

mod rules;
mod text;

use super::sanitize::cut;
use crate::model::FailureReason;

use rules::RULES;
use text::{codes, says_dead, status_in, unescape};

/// How much of a text is searched; error texts say what they mean early.
const LOOKED_AT: usize = 4096;

/// `status` is 0 where none is known: the text's own is taken then, if it has one.
pub fn failure_reason(provider: &str, status: u16, text: &str) -> FailureReason {
    first_rule(provider, status, text).map_or(FailureReason::Other, |rule| rule.reason)
}

fn first_rule(provider: &str, status: u16, text: &str) -> Option<&'static Rule> {
    let text = unescape(cut(text, LOOKED_AT)).to_ascii_lowercase();
    let codes = codes(&text);
    let status = match status {
        0 => status_in(&text, &codes).unwrap_or(0),
        status => status,
    };
    let failure = Failure {
        provider,
        status,
        text: text.trim(),
        codes,
    };
    RULES.iter().find(|rule| rule.fits(&failure))
}

/// What the rules look at.
struct Failure<'a> {
    provider: &'a str,
    status: u16,
    /// In lower case, as the codes are.
    text: &'a str,
    codes: Vec<&'a str>,
}

/// One line of the table.
struct Rule {
    statuses: &'static [std::ops::RangeInclusive<u16>],
    sign: Sign,
    reason: FailureReason,
}

/// What a failure with one of the statuses must show.
enum Sign {
    /// The status says enough.
    Any,
    /// A code, type or status of the body is one of these.
    Code(&'static [&'static str]),
    /// The same, at providers whose name contains one of the first.
    CodeAt(&'static [&'static str], &'static [&'static str]),
    /// The text contains one of these.
    Says(&'static [&'static str]),
    /// The text ends with it, as Go's errors end with their cause.
    Ends(&'static str),
    /// The text calls an account, organization or the like disabled or banned.
    SaysDead,
}

impl Rule {
    fn fits(&self, failure: &Failure<'_>) -> bool {
        self.statuses.iter().any(|s| s.contains(&failure.status)) && self.sign.shows(failure)
    }
}

impl Sign {
    fn shows(&self, failure: &Failure<'_>) -> bool {
        let has = |codes: &[&str]| failure.codes.iter().any(|code| codes.contains(code));
        match self {
            Self::Any => true,
            Self::Code(codes) => has(codes),
            Self::CodeAt(providers, codes) => {
                providers.iter().any(|name| failure.provider.contains(name)) && has(codes)
            }
            Self::Says(words) => words.iter().any(|word| failure.text.contains(word)),
            Self::Ends(word) => failure.text.ends_with(word),
            Self::SaysDead => says_dead(failure.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Provider, status, text and right reason.
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
    fn answers_of_providers_and_proxies_have_the_right_reason() {
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
    fn every_line_of_the_table_has_a_case() {
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
        assert!(unused.is_empty(), "lines without a case: {unused:?}");
    }

    #[test]
    fn a_failure_without_words_has_the_reason_of_its_status_whoever_the_provider_is() {
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
    fn long_and_broken_texts_are_read_as_far_as_they_go() {
        let long = format!("{}{}", "é".repeat(LOOKED_AT), "invalid_grant");
        assert_eq!(failure_reason("x", 400, &long), FailureReason::Invalid);
        let cut = r#"{"error":{"type":"usage_limit_reached"#;
        assert_eq!(failure_reason("x", 429, cut), FailureReason::Quota);
    }
}
