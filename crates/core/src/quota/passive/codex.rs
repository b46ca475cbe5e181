//! `X-Codex-*`: the main limit, and one family of headers per further limit.

use std::collections::BTreeSet;

use super::Found;
use crate::model::{
    AccountFacts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window, WindowRole,
};
use crate::quota::json::{after, at_seconds, number};
use crate::quota::providers::{has_begun, limit_of_feature};

const PREFIX: &str = "x-codex-";
const ROLES: [(&str, WindowRole); 2] = [
    ("primary", WindowRole::Primary),
    ("secondary", WindowRole::Secondary),
];

pub(super) fn read(headers: &Found<'_>, observed: UnixNanos) -> QuotaAnswer {
    let mut readings = Vec::new();
    for family in families(headers) {
        let group = family.trim_end_matches('-');
        let limit = if group.is_empty() {
            Some(Limit::main())
        } else {
            limit_of_feature(group)
        };
        let Some(limit) = limit else { continue };
        let name = headers.get(&format!("{PREFIX}{family}limit-name"));
        for (role_name, role) in ROLES {
            let get = |what: &str| headers.get(&format!("{PREFIX}{family}{role_name}-{what}"));
            let found = window(get, role, observed);
            readings.extend(found.map(|(window, percent, reset)| {
                let scope = if group.is_empty() {
                    Scope::Account
                } else {
                    Scope::Model
                };
                Reading::new(limit.clone(), window, scope)
                    .with_name(name.and_then(Name::new))
                    .with_percent(Some(percent))
                    .with_reset(reset)
            }));
        }
    }
    QuotaAnswer {
        readings,
        facts: facts(headers),
    }
}

/// The parts between `x-codex-` and `primary-…`: empty for the main limit, `bengalfox-` for
/// another one.
fn families<'a>(headers: &'a Found<'_>) -> BTreeSet<&'a str> {
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

/// All three or nothing: a family without length and reset is a limit that does not apply.
fn window<'a>(
    get: impl Fn(&str) -> Option<&'a str>,
    role: WindowRole,
    observed: UnixNanos,
) -> Option<(Window, f64, Option<UnixNanos>)> {
    let figure = |what: &str| get(what).and_then(number);
    let percent = figure("used-percent")?;
    let minutes = figure("window-minutes").filter(|minutes| *minutes > 0.0)?;
    let fixed = figure("reset-at").and_then(at_seconds);
    let relative = || figure("reset-after-seconds").and_then(|wait| after(observed, wait));
    // What is over by now says nothing of the window that has begun.
    let reset = fixed.or_else(relative).filter(|reset| *reset > observed)?;
    let window = Window::of_seconds(Some(minutes * 60.0), role);
    let begun = has_begun(window, Some(percent), reset, observed);
    Some((window, percent, begun.then_some(reset)))
}

fn facts(headers: &Found<'_>) -> AccountFacts {
    let mut facts = AccountFacts {
        plan: headers.get("x-codex-plan-type").and_then(Name::new),
        ..AccountFacts::default()
    };
    let unlimited = headers.get("x-codex-credits-unlimited");
    let unlimited = unlimited.is_some_and(|flag| flag == "1" || flag.eq_ignore_ascii_case("true"));
    let balance = headers.get("x-codex-credits-balance");
    let balance = balance.and_then(|text| number(text.trim_start_matches('$')));
    facts.add_credits(Unit::Credits, balance.filter(|_| !unlimited));
    facts
}
