//! The result of a reprice as text.

use std::fmt::Write as _;

use crate::api::{RepriceStep, RepriceSums};

/// Maximum number of models.
const MODELS_SHOWN: usize = 40;

pub fn repriced(result: &RepriceStep, dry_run: bool) -> String {
    let RepriceSums {
        events,
        changed,
        before,
        after,
    } = &result.all;
    let mut out = format!(
        "price list {}\nevents     {events} read, {changed} with another value\nunpriced   {} -> \
         {}\nlist value {} -> {} USD\ncost       {} -> {} USD\n",
        result.price_list,
        before.unpriced,
        after.unpriced,
        usd(before.list_value_nano_usd),
        usd(after.list_value_nano_usd),
        usd(before.cost_nano_usd),
        usd(after.cost_nano_usd),
    );
    let mut models: Vec<_> = result.models.iter().collect();
    models.sort_by_key(|(_, sums)| {
        let (before, after) = (sums.before, sums.after);
        std::cmp::Reverse(
            before
                .list_value_nano_usd
                .abs_diff(after.list_value_nano_usd),
        )
    });
    for (name, sums) in models.iter().take(MODELS_SHOWN) {
        let RepriceSums {
            changed,
            before,
            after,
            ..
        } = sums;
        writeln!(
            out,
            "  {name}: {changed} events, list value {} -> {}, cost {} -> {}",
            usd(before.list_value_nano_usd),
            usd(after.list_value_nano_usd),
            usd(before.cost_nano_usd),
            usd(after.cost_nano_usd)
        )
        .ok();
    }
    if models.len() > MODELS_SHOWN {
        writeln!(out, "  and {} more models", models.len() - MODELS_SHOWN).ok();
    }
    out.push_str(if dry_run {
        "dry run: nothing was written\n"
    } else {
        "written; counters stay as they are, cpa_*_correction_usd show the difference\n"
    });
    out
}

/// Nano-dollars as dollars, exactly.
fn usd(nanos: i64) -> String {
    const NANOS: u64 = 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, fraction) = (nanos.unsigned_abs() / NANOS, nanos.unsigned_abs() % NANOS);
    format!("{sign}{whole}.{fraction:09}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RepriceAmounts;

    #[test]
    fn the_report_shows_sums_and_the_models_with_the_largest_change() {
        let amounts = |value, cost| RepriceAmounts {
            unpriced: 1,
            list_value_nano_usd: value,
            cost_nano_usd: cost,
        };
        let sums = |before, after| RepriceSums {
            events: 3,
            changed: 2,
            before: amounts(before, before),
            after: amounts(after, 0),
        };
        let result = RepriceStep {
            price_list: "v1".to_owned(),
            all: sums(1_000_000_001, -5),
            models: [("a", sums(10, 11)), ("b", sums(10, 0))]
                .map(|(name, sums)| (name.to_owned(), sums))
                .into(),
            next: None,
        };
        assert_eq!(
            repriced(&result, true),
            "price list v1\nevents     3 read, 2 with another value\nunpriced   1 -> 1\n\
             list value 1.000000001 -> -0.000000005 USD\ncost       1.000000001 -> 0.000000000 USD\n  \
             b: 2 events, list value 0.000000010 -> 0.000000000, cost 0.000000010 -> 0.000000000\n  \
             a: 2 events, list value 0.000000010 -> 0.000000011, cost 0.000000010 -> 0.000000000\n\
             dry run: nothing was written\n"
        );
    }
}
