//! The providers' pages from the templates in `data/pages.json`.
//!
//! A template is JSON. A text `$field` becomes a value of the current limit or the account, and
//! `$field|form` the same as `text` or as `dollars`. An object can choose: `$of` makes a limit
//! (`name/window`, or `name#position`) the current one for `$then`, or gives `$else`, or null;
//! `$each` gives an array of `$then` for the windows of a name (`.` for the current name, `*` for
//! all limits), `$each_name` one for each name, `$each_model` an object by model; `$plan` chooses
//! by the plan's name. A key that ends in `?` disappears if its value is null, as do nulls in
//! arrays.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::QuotaSubject;
use crate::generator::headers::dollars;
use crate::generator::json::rfc3339;
use crate::quota::Limit;
use cpa_exporter_core::model::UnixNanos;

type Pages = BTreeMap<String, BTreeMap<String, Value>>;

#[expect(
    clippy::expect_used,
    reason = "the file is part of the program, and every test of the simulator reads it"
)]
static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let text = include_str!("../../data/pages.json");
    serde_json::from_str(text).expect("a valid data/pages.json")
});

/// A provider's page for `GET /path` or `GET /path?query`; `None` if it has none.
pub(crate) fn page(provider: &str, route: &str, subject: &QuotaSubject<'_>) -> Option<Value> {
    let pages = PAGES.get(provider)?;
    let without_query = route.split('?').next().unwrap_or_default();
    let template = pages.get(route).or_else(|| pages.get(without_query))?;
    let template = match template {
        Value::String(alias) => pages.get(alias)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            template
        }
    };
    let value = fill(template, subject, None);
    (!value.is_null()).then_some(value)
}

fn fill(template: &Value, subject: &QuotaSubject<'_>, limit: Option<&Limit>) -> Value {
    match template {
        Value::String(text) => {
            let expression = text.strip_prefix('$');
            expression.map_or_else(
                || template.clone(),
                |expression| evaluate(expression, subject, limit),
            )
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| fill(item, subject, limit));
            items.filter(|item| !item.is_null()).collect()
        }
        Value::Object(map) => {
            choose(map, subject, limit).unwrap_or_else(|| fill_object(map, subject, limit))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    }
}

fn fill_object(
    map: &Map<String, Value>,
    subject: &QuotaSubject<'_>,
    limit: Option<&Limit>,
) -> Value {
    let entries = map.iter().filter_map(|(key, template)| {
        let value = fill(template, subject, limit);
        match key.strip_suffix('?') {
            Some(_) if value.is_null() => None,
            Some(key) => Some((key.to_owned(), value)),
            None => Some((key.clone(), value)),
        }
    });
    Value::Object(entries.collect())
}

/// The result of an object that chooses; `None` for a plain one.
fn choose(
    map: &Map<String, Value>,
    subject: &QuotaSubject<'_>,
    current: Option<&Limit>,
) -> Option<Value> {
    let quota = subject.quota;
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let branch = |key: &str, limit| map.get(key).map(|then| fill(then, subject, limit));
    if let Some(name) = text("$of") {
        let limit = match name.split_once('#') {
            Some((name, position)) => quota.windows(name).nth(position.parse().ok()?),
            None => name
                .split_once('/')
                .and_then(|(name, window)| quota.get(name, window)),
        };
        let key = if limit.is_some() { "$then" } else { "$else" };
        return Some(branch(key, limit.or(current)).unwrap_or_default());
    }
    if let Some(name) = text("$each") {
        let name = if name == "." {
            current?.kind.name
        } else {
            name
        };
        let limits = quota.limits().iter();
        let limits = limits.filter(|limit| name == "*" || limit.kind.name == name);
        return limits.map(|limit| branch("$then", Some(limit))).collect();
    }
    if let Some(then) = map.get("$each_name") {
        let mut limits: Vec<&Limit> = quota.limits().iter().collect();
        limits.dedup_by_key(|limit| limit.kind.name);
        let groups = limits.into_iter();
        return Some(
            groups
                .map(|limit| fill(then, subject, Some(limit)))
                .collect(),
        );
    }
    if let Some(then) = map.get("$each_model") {
        let models = subject.models.iter().filter_map(|model| {
            let limit = quota
                .limits()
                .iter()
                .find(|limit| limit.covers(&model.name))?;
            let mut page = fill(then, subject, Some(limit));
            if let Value::Object(map) = &mut page {
                map.insert("displayName".to_owned(), model.alias.as_str().into());
            }
            Some((model.name.clone(), page))
        });
        return Some(Value::Object(models.collect()));
    }
    let plans = map.get("$plan")?;
    let template = plans.get(subject.plan).or_else(|| plans.get("*"));
    Some(template.map_or(Value::Null, |then| fill(then, subject, current)))
}

fn evaluate(expression: &str, subject: &QuotaSubject<'_>, limit: Option<&Limit>) -> Value {
    let (field, form) = expression.split_once('|').unwrap_or((expression, ""));
    let value = match (field, limit) {
        ("plan", _) => subject.plan.into(),
        ("email", _) => subject.email.into(),
        (field, Some(limit)) => evaluate_limit(field, subject, limit),
        (_, None) => Value::Null,
    };
    match form {
        "text" => value.to_string().into(),
        "dollars" => dollars(value.as_u64().unwrap_or(0)).into(),
        _ => value,
    }
}

fn evaluate_limit(field: &str, subject: &QuotaSubject<'_>, limit: &Limit) -> Value {
    let (now, quota) = (subject.now, subject.quota);
    let (reset, start) = (limit.reset_from(now), limit.start(now));
    let (name, window) = (limit.kind.name, limit.kind.window);
    let day = || rfc3339(reset).get(..10).unwrap_or_default().to_owned();
    let any_used_up = || quota.windows(name).any(Limit::is_used_up);
    let tenths = || f64::from(u32::try_from(limit.basis_points() / 10).unwrap_or(0)) / 10.0;
    match field {
        "name" => name.into(),
        "window" => window.into(),
        "bucket" => format!("{name}-{window}").into(),
        "title" if window == "5h" => "Five Hour Limit".into(),
        "title" => "Weekly Limit".into(),
        "seconds" => limit.seconds().into(),
        // Used or unused percent, whole or with one decimal.
        "percent" => limit.percent().into(),
        "percent_left" => (100 - limit.percent()).into(),
        "tenths" => tenths().into(),
        "tenths_left" => (100.0 - tenths()).into(),
        "fraction_left" => limit.fraction_left().into(),
        "nominal" => limit.kind.nominal.into(),
        "nominal_used" => limit.nominal_used().into(),
        "nominal_left" => limit.nominal_left().into(),
        "used_up" => limit.is_used_up().into(),
        "one_or_two" => if limit.is_used_up() { 2 } else { 1 }.into(),
        // A block is refused as a whole if any of its windows is used up.
        "any_used_up" => any_used_up().into(),
        "allowed" => (!any_used_up()).into(),
        // The short window does not apply once the week is used up.
        "superseded" => {
            let week = quota.get(name, "weekly");
            let superseded = window == "5h" && week.is_some_and(Limit::is_used_up);
            superseded.then_some(true).into()
        }
        "severity" => match limit.percent() {
            95.. => "critical",
            75.. => "warning",
            _ => "normal",
        }
        .into(),
        "start" => rfc3339(start).into(),
        "start_ms" => start.as_millis().into(),
        "reset" => rfc3339(reset).into(),
        "reset_day" => day().into(),
        "reset_midnight" => format!("{}T00:00:00.000Z", day()).into(),
        "reset_ms" => reset.as_millis().into(),
        "reset_s" => (reset.as_millis() / 1000).into(),
        "after_s" => reset.since(now).as_secs().into(),
        "after_ms" => (reset.since(now).as_secs() * 1000).into(),
        // A window that has not started has no reset.
        "running_reset" => limit.reset().map(rfc3339).into(),
        "running_reset_ms" => limit.reset().map(UnixNanos::as_millis).into(),
        // Captured times differ slightly from those in the headers.
        "running_reset_micros" => {
            let reset = limit.reset().map(rfc3339);
            reset
                .map(|reset| reset.replace('Z', ".123456+00:00"))
                .into()
        }
        "codex_window" => serde_json::json!({
            "used_percent": limit.percent(), "limit_window_seconds": limit.seconds(),
            "reset_after_seconds": reset.since(now).as_secs(), "reset_at": reset.as_millis() / 1000,
        }),
        _ => Value::Null,
    }
}
