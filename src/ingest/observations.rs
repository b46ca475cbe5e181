use std::borrow::Cow;

use foldhash::HashMap;

use crate::model::{DimId, Event, Route, UnixNanos};
use crate::quota::passive::{self, QuotaSign};

/// The latest quota observations of a round, one for each account and model.
#[derive(Debug, Default)]
pub(super) struct QuotaObservations(HashMap<(DimId, DimId), Latest>);

#[derive(Debug)]
struct Latest {
    finished: UnixNanos,
    headers: Vec<(Box<str>, Box<str>)>,
    sign: QuotaSign,
}

impl QuotaObservations {
    pub(super) fn note(&mut self, event: Event<'_>, route: &Route) {
        if event.quota_headers.is_empty() && event.exhaustion.is_none() {
            return;
        }
        let key = (route.account, route.model);
        if let Some(latest) = self.0.get_mut(&key) {
            if event.finished() < latest.finished {
                return;
            }
            // A backlog repeats the same headers; do not parse them again.
            if event.exhaustion.is_none() && latest.is_repeated_by(&event) {
                latest.finished = event.finished();
                latest.sign.observed.at = latest.sign.observed.at.max(passive::seen_at(&event));
                return;
            }
        }
        if let Some(latest) = Latest::read(event) {
            self.0.insert(key, latest);
        }
    }

    pub(super) fn into_vec(self) -> Vec<QuotaSign> {
        self.0.into_values().map(|latest| latest.sign).collect()
    }
}

impl Latest {
    fn read(event: Event<'_>) -> Option<Self> {
        let observed = passive::event(&event)?;
        Some(Self {
            finished: event.finished(),
            sign: QuotaSign {
                auth_index: event.auth_index.into(),
                provider: event.provider.into(),
                observed,
            },
            headers: event
                .quota_headers
                .into_iter()
                .map(|(name, value)| (name, Cow::into_owned(value).into()))
                .collect(),
        })
    }

    fn is_repeated_by(&self, event: &Event<'_>) -> bool {
        let headers = self.headers.iter();
        self.sign.observed.refusal.is_none()
            && event.is_success()
            && self.headers.len() == event.quota_headers.len()
            && headers
                .zip(&event.quota_headers)
                .all(|(old, new)| old.0 == new.0 && *old.1 == *new.1)
    }
}
