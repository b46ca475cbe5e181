//! Growth of CPA's request counts over restarts. Pure.

use std::collections::HashMap;

/// Growth of CPA's counts, and whether CPA was restarted: the counts of the credentials in both lists
/// fell.
pub(in crate::source) fn growth<K: Eq + std::hash::Hash>(
    old: &HashMap<K, u64>,
    new: &HashMap<K, u64>,
) -> (u64, bool) {
    let (mut growth, mut before, mut after) = (0_u64, 0_u64, 0_u64);
    for (credential, count) in new {
        let known = old.get(credential).copied();
        if let Some(known) = known {
            before = before.saturating_add(known);
            after = after.saturating_add(*count);
        }
        // A count that fell was reset: the file was removed and added again, or CPA was restarted.
        let since = known.filter(|known| known <= count).unwrap_or(0);
        growth = growth.saturating_add(count - since);
    }
    (growth, after < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_summed_over_credentials_and_falls_with_a_restart() {
        let counts = |all: &[(&'static str, u64)]| all.iter().copied().collect::<HashMap<_, _>>();
        let old = counts(&[("a", 10), ("b", 5), ("removed", 7)]);
        assert_eq!(growth(&old, &counts(&[("a", 12), ("b", 5)])), (2, false));
        assert_eq!(growth(&old, &counts(&[("a", 12), ("new", 3)])), (5, false));
        // Removed and added again.
        assert_eq!(growth(&old, &counts(&[("a", 20), ("b", 1)])), (11, false));
        assert_eq!(growth(&old, &counts(&[("a", 1), ("b", 0)])), (1, true));
        assert_eq!(growth(&old, &counts(&[])), (0, false));
    }
}
