//! Filters of events.

use super::error::QueryError;
use super::group::Group;
use super::names::Names;
use crate::store::EventFilter;

/// A group and the name that it must have. Several filters of one group are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub group: Group,
    pub name: String,
}

/// Selects events, in addition to a range of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub groups: Vec<Filter>,
    /// Only failures, or only successes.
    pub failed: Option<bool>,
    pub min_latency_ms: u64,
    pub request_id: Option<String>,
    /// Part of the error text, in any case.
    pub error: Option<String>,
}

impl Filters {
    /// The filters by column, with the numbers of the names.
    pub(super) fn resolve(&self, names: &Names) -> Result<EventFilter, QueryError> {
        let mut filter = EventFilter {
            columns: Vec::new(),
            failed: self.failed,
            min_latency_ms: self.min_latency_ms,
            request_id: self.request_id.clone(),
            error: self.error.clone(),
        };
        for Filter { group, name } in &self.groups {
            let key = group.key().ok_or(QueryError::TimeFilter(group.as_str()))?;
            let ids = names.ids(key, name);
            if ids.is_empty() {
                return Err(QueryError::NoSuchName {
                    group: group.as_str(),
                    name: name.clone(),
                    known: names.some(key),
                });
            }
            match filter.columns.iter_mut().find(|(it, _)| *it == key) {
                Some((_, all)) => all.extend(ids),
                None => filter.columns.push((key, ids)),
            }
        }
        Ok(filter)
    }
}
