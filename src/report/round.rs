//! What asking all accounts has brought, for people.

use super::text::{line, span};
use crate::api::RefreshOutcome;

/// One line for the round, and one for each account that gave no answer.
pub fn round(refreshed: &RefreshOutcome) -> Vec<String> {
    match refreshed {
        RefreshOutcome::Done(summary) => {
            let failed = summary.failed.iter().map(|failed| {
                let (provider, account) = (&failed.provider, &failed.account);
                line(&format!("  {provider} {account}: {}", failed.reason))
            });
            let head = format!(
                "asked {}, answered {}, failed {}, not asked {}",
                summary.asked,
                summary.answered,
                summary.failed.len(),
                summary.not_asked
            );
            std::iter::once(head).chain(failed).collect()
        }
        RefreshOutcome::CoolingDown {
            retry_after_seconds,
        } => {
            let wait = i64::try_from(*retry_after_seconds).unwrap_or(i64::MAX);
            vec![format!(
                "cooling down: all accounts were asked a moment ago; again in {}",
                exact(wait)
            )]
        }
    }
}

/// To the second, as nobody wants to come back too early.
fn exact(seconds: i64) -> String {
    match (seconds / 60 * 60, seconds % 60) {
        (0, rest) => span(rest),
        (minutes, 0) => span(minutes),
        (minutes, rest) => format!("{} {rest}s", span(minutes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{FailedAccount, RefreshSummary};

    #[test]
    fn a_round_names_who_gave_no_answer() {
        let failed = FailedAccount {
            provider: "claude".to_owned(),
            account: "claude-1a2b3c".to_owned(),
            reason: "unauthorized".into(),
        };
        let lines = round(&RefreshOutcome::Done(RefreshSummary {
            asked: 3,
            answered: 2,
            failed: vec![failed],
            not_asked: 4,
        }));
        assert_eq!(
            lines,
            [
                "asked 3, answered 2, failed 1, not asked 4",
                "  claude claude-1a2b3c: unauthorized"
            ]
        );
    }

    #[test]
    fn a_pause_is_told_to_the_second() {
        let lines = |retry_after_seconds| {
            round(&RefreshOutcome::CoolingDown {
                retry_after_seconds,
            })
        };
        assert!(lines(299)[0].ends_with("again in 4m 59s"));
        assert!(lines(120)[0].ends_with("again in 2m"));
        assert!(lines(7)[0].ends_with("again in 7s"));
    }
}
