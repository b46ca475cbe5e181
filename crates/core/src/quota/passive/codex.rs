//! `X-Codex-*`: the limit of the request, and one family of headers per further limit.

use std::collections::BTreeSet;

use super::Headers;
use crate::json::{after, number, signed, time};
use crate::model::{
    AccountFacts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window, WindowRole,
};
use crate::quota::providers::{has_begun, limit_of_feature};

const PREFIX: &str = "x-codex-";
const ROLES: [(&str, WindowRole); 2] = [
    ("primary", WindowRole::Primary),
    ("secondary", WindowRole::Secondary),
];

pub(super) fn read(headers: &Headers<'_>, observed: UnixNanos) -> QuotaAnswer {
    let mut readings: Vec<Reading> = Vec::new();
    // Named families first: unprefixed windows may repeat those of the active limit.
    for family in families(headers).into_iter().rev() {
        let found = read_family(headers, family, observed);
        let new = found.into_iter().filter(|row| {
            let same = |known: &Reading| {
                known.limit() == row.limit() && known.window().label() == row.window().label()
            };
            !readings.iter().any(same)
        });
        let new: Vec<Reading> = new.collect();
        readings.splice(0..0, new);
    }
    QuotaAnswer {
        readings,
        facts: facts(headers),
    }
}

/// The limit of the unprefixed windows. `X-Codex-Active-Limit` names it: a group, or the plan by
/// any other name (`codex`, `premium`).
pub(super) fn active_limit(headers: &Headers<'_>) -> (Limit, Scope) {
    let named = headers.get(&[PREFIX, "active-limit"]).and_then(|active| {
        let active = active.to_ascii_lowercase().replace('-', "_");
        let group = active.replace('_', "-");
        let has_family = || families(headers).contains(format!("{group}-").as_str());
        let is_group = active.starts_with("codex_") || active == "code_review" || has_family();
        is_group.then(|| limit_of_feature(&active)).flatten()
    });
    match named {
        Some(limit) => scoped(limit),
        None => (Limit::main(), Scope::Account),
    }
}

fn scoped(limit: Limit) -> (Limit, Scope) {
    let is_feature = limit.as_str() == "code_review";
    let scope = if is_feature {
        Scope::Feature
    } else {
        Scope::Model
    };
    (limit, scope)
}

/// `family` is a result of [`families`].
fn read_family(headers: &Headers<'_>, family: &str, observed: UnixNanos) -> Vec<Reading> {
    let group = family.trim_end_matches('-');
    let place = if group.is_empty() {
        Some(active_limit(headers))
    } else {
        let group = group.strip_prefix("additional-").unwrap_or(group);
        // The usage endpoint and the active limit use `_` for characters that header names cannot
        // contain.
        limit_of_feature(&group.replace('-', "_")).map(scoped)
    };
    let Some((limit, scope)) = place else {
        return Vec::new();
    };
    let name = headers.get(&[PREFIX, family, "limit-name"]);
    let rows = ROLES.into_iter().filter_map(|(role_name, role)| {
        let get = |what: &str| headers.get(&[PREFIX, family, role_name, "-", what]);
        let (window, percent, reset) = window(get, role, observed)?;
        let row = Reading::new(limit.clone(), window, scope)
            .with_name(name.and_then(Name::new))
            .with_percent(Some(percent))
            .with_reset(reset);
        Some(row)
    });
    rows.collect()
}

/// The parts between `x-codex-` and `primary-…`: empty for the main limit, `bengalfox-` for another
/// one.
fn families<'a>(headers: &'a Headers<'_>) -> BTreeSet<&'a str> {
    let used = headers
        .names()
        .filter_map(|name| name.strip_suffix("-used-percent"));
    used.filter_map(|name| {
        let rest = name.strip_prefix(PREFIX)?;
        rest.strip_suffix("primary")
            .or_else(|| rest.strip_suffix("secondary"))
    })
    .collect()
}

/// Requires all three headers: a family without length and reset time is a limit that does not
/// apply. An implausible reset time does not invalidate the ratio.
fn window<'a>(
    get: impl Fn(&str) -> Option<&'a str>,
    role: WindowRole,
    observed: UnixNanos,
) -> Option<(Window, f64, Option<UnixNanos>)> {
    let figure = |what: &str| get(what).and_then(number);
    let percent = figure("used-percent")?;
    let minutes = figure("window-minutes").filter(|minutes| *minutes > 0.0)?;
    let window = Window::of_seconds(Some(minutes * 60.0), role)?;
    let fixed = get("reset-at").and_then(time);
    let relative = || figure("reset-after-seconds").and_then(|wait| after(observed, wait));
    let Some(reset) = fixed.or_else(relative) else {
        let is_stated = |what: &str| figure(what).is_some_and(|figure| figure > 0.0);
        let is_stated = is_stated("reset-at") || is_stated("reset-after-seconds");
        return is_stated.then_some((window, percent, None));
    };
    if reset <= observed {
        // A window that has ended says nothing about the next one.
        return None;
    }
    let begun = has_begun(window, Some(percent), reset, observed);
    Some((window, percent, begun.then_some(reset)))
}

fn facts(headers: &Headers<'_>) -> AccountFacts {
    let mut facts = AccountFacts {
        plan: headers.get(&[PREFIX, "plan-type"]).and_then(Name::new),
        ..AccountFacts::default()
    };
    let unlimited = headers.get(&[PREFIX, "credits-unlimited"]);
    let unlimited = unlimited.is_some_and(|flag| flag == "1" || flag.eq_ignore_ascii_case("true"));
    let balance = headers.get(&[PREFIX, "credits-balance"]);
    let balance = balance.and_then(|text| signed(text.trim_start_matches('$')));
    facts.add_credits(Unit::Credits, balance.filter(|_| !unlimited));
    facts
}
