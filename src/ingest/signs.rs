use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::model::{DimId, Event, QuotaSign, Refused, Route};

/// HTTP status of an exhausted quota.
const TOO_MANY_REQUESTS: u16 = 429;

/// The latest quota signs of a round, one for each account and model.
#[derive(Debug, Default)]
pub(super) struct Signs(HashMap<(DimId, DimId), QuotaSign>);

impl Signs {
    pub(super) fn note(&mut self, event: Event<'_>, route: &Route) {
        let refused = event.failure.as_ref();
        let refused = refused.filter(|failure| failure.status == TOO_MANY_REQUESTS);
        if event.quota_headers.is_empty() && refused.is_none() || event.auth_index.is_empty() {
            return;
        }
        match self.0.entry((route.account, route.model)) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let at = event.finished();
                if at >= known.at {
                    known.at = at;
                    // A backlog brings the same values over and over: nothing to copy then.
                    if refused.is_some() || known.failure.is_some() || !same(known, &event) {
                        *known = sign(event);
                    }
                }
            }
            Entry::Vacant(place) => {
                place.insert(sign(event));
            }
        }
    }

    pub(super) fn into_vec(self) -> Vec<QuotaSign> {
        self.0.into_values().collect()
    }
}

fn same(known: &QuotaSign, event: &Event<'_>) -> bool {
    known.headers.len() == event.quota_headers.len()
        && known
            .headers
            .iter()
            .zip(&event.quota_headers)
            .all(|(old, new)| old.0 == new.0 && *old.1 == *new.1)
}

fn sign(event: Event<'_>) -> QuotaSign {
    QuotaSign {
        at: event.finished(),
        auth_index: event.auth_index.into(),
        provider: event.provider.into(),
        headers: event
            .quota_headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect(),
        failure: event
            .failure
            .filter(|failure| failure.status == TOO_MANY_REQUESTS)
            .map(|failure| Refused {
                status: failure.status,
                excerpt: failure.excerpt,
            }),
    }
}
