//! Alertmanager's counters of sent notifications.

use std::collections::BTreeMap;

/// Attempts by channel (`telegram`, `email`, …), and the failed ones among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notifications(BTreeMap<String, Attempts>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) all: u64,
    pub(super) failed: u64,
}

impl Attempts {
    pub(super) const fn sent(self) -> u64 {
        self.all.saturating_sub(self.failed)
    }
}

impl Notifications {
    /// Parses a page in the text format. Newer versions have more labels; their values are summed.
    pub(super) fn parse(page: &str) -> Self {
        let mut channels: BTreeMap<String, Attempts> = BTreeMap::new();
        for line in page.lines() {
            let Some((family, rest)) = line.split_once('{') else {
                continue;
            };
            let Some((labels, value)) = rest.rsplit_once("} ") else {
                continue;
            };
            let (Some(channel), Some(value)) = (label(labels, "integration"), count(value)) else {
                continue;
            };
            let attempts = channels.entry(channel.to_owned());
            match family {
                "alertmanager_notification_requests_total" => attempts.or_default().all += value,
                "alertmanager_notification_requests_failed_total" => {
                    attempts.or_default().failed += value;
                }
                _ => {}
            }
        }
        Self(channels)
    }

    /// Attempts since `before`. A restart in between counts as none.
    pub(super) fn since(&self, before: &Self) -> Self {
        let channels = self.0.iter().map(|(channel, now)| {
            let before = before.0.get(channel).copied().unwrap_or_default();
            let since = Attempts {
                all: now.all.saturating_sub(before.all),
                failed: now.failed.saturating_sub(before.failed),
            };
            (channel.clone(), since)
        });
        Self(channels.filter(|(_, since)| since.all > 0).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Channel, whether a message was sent, whether one failed.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&str, bool, bool)> {
        self.iter()
            .map(|(channel, n)| (channel, n.sent() > 0, n.failed > 0))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Attempts)> {
        self.0.iter().map(|(channel, n)| (channel.as_str(), *n))
    }
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|label| {
        let (key, value) = label.split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

/// Parses a whole number; large ones are written as `1e+06`.
fn count(value: &str) -> Option<u64> {
    let value: f64 = value.trim().parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter; `as` saturates"
    )]
    value.is_finite().then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_read_and_compared() {
        let before = Notifications::parse(
            "# HELP alertmanager_notification_requests_total x\n\
             alertmanager_notification_requests_total{integration=\"email\"} 3\n\
             alertmanager_notification_requests_total{integration=\"slack\"} 0\n",
        );
        let after = Notifications::parse(
            "alertmanager_notification_requests_total{integration=\"email\",receiver_name=\"a\"} 4\n\
             alertmanager_notification_requests_total{integration=\"email\",receiver_name=\"b\"} 1\n\
             alertmanager_notification_requests_failed_total{integration=\"email\",reason=\"x\"} 1\n\
             alertmanager_notification_requests_total{integration=\"slack\"} 0\n\
             alertmanager_notification_requests_total{integration=\"telegram\"} 1e+03\n",
        );
        let since: Vec<(String, u64, u64)> = after
            .since(&before)
            .iter()
            .map(|(channel, n)| (channel.to_owned(), n.sent(), n.failed))
            .collect();
        let email = ("email".to_owned(), 1, 1);
        assert_eq!(since, [email, ("telegram".to_owned(), 1000, 0)]);
    }

    #[test]
    fn a_page_without_the_metrics_has_no_attempts() {
        assert!(Notifications::parse("<html>{} x</html>\nup{a=\"b\"} NaN\n").is_empty());
    }
}
