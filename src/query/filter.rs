//! Filters by name.

use super::error::QueryError;
use super::group::Group;
use super::names::Names;
use crate::model::PastKey;

/// A group and the name that it must have. Several filters of one group are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub group: Group,
    pub name: String,
}

/// The filters by column, with the numbers of the names.
pub(super) fn resolve(
    filters: &[Filter],
    names: &Names,
) -> Result<Vec<(PastKey, Vec<u32>)>, QueryError> {
    let mut found: Vec<(PastKey, Vec<u32>)> = Vec::new();
    for Filter { group, name } in filters {
        let key = group.key().ok_or(QueryError::TimeFilter(group.as_str()))?;
        let ids = names.ids(key, name);
        if ids.is_empty() {
            return Err(QueryError::NoSuchName {
                group: group.as_str(),
                name: name.clone(),
                known: names.some(key),
            });
        }
        match found.iter_mut().find(|(it, _)| *it == key) {
            Some((_, all)) => all.extend(ids),
            None => found.push((key, ids)),
        }
    }
    Ok(found)
}
