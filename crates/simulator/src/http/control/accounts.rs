//! Adds, changes and removes accounts during traffic.
//!
//! As CPA does after a change of its files or configuration, notifies subscribers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::super::answer::Answer;
use super::super::request::Call;
use crate::config::whole;
use crate::core::Core;
use crate::generator::kinds;
use crate::generator::pool::Pool;
use crate::generator::standing::{Phase, Service};
use crate::quota::plan_named;
use cpa_exporter_core::model::UnixNanos;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    provider: String,
    #[serde(default)]
    plan: Option<String>,
}

/// A change; absent keys change nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    auth_index: String,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    unavailable: Option<bool>,
    #[serde(default)]
    phase: Option<Phase>,
    /// Whether the upstream rejects the token.
    #[serde(default)]
    expired: Option<bool>,
    /// Refresh the token, as CPA does in the background.
    #[serde(default)]
    refresh: bool,
    #[serde(default)]
    subscription_until_ms: Option<i64>,
    /// Used ratios by `<limit>/<window>`; 1 = fully used.
    #[serde(default)]
    used: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Which {
    auth_index: String,
}

pub(super) fn add(call: &Call, core: &Core) -> Answer {
    let Some(new) = call.json::<NewAccount>() else {
        return Answer::error(400, "invalid body");
    };
    let Some(kind) = kinds::named(&new.provider) else {
        return Answer::error(400, "unknown provider");
    };
    let plan = match &new.plan {
        None => None,
        Some(name) => match plan_named(kind.provider, kind.is_file(), name) {
            None => return Answer::error(400, "unknown plan"),
            plan => plan,
        },
    };
    let now = core.now();
    let (number, world) = {
        let mut generator = core.generator();
        let number = generator.pool.add(kind, plan, now);
        let world = Arc::clone(&generator.pool.world);
        // Before the new account can produce its first record.
        core.queue().oracle.grow(&world);
        (number, world)
    };
    core.queue().refresh();
    let account = world.accounts.get(number);
    Answer::json(
        200,
        &json!({
            "auth_index": account.map(|account| &account.auth_index),
            "name": account.map(|account| &account.file),
        }),
    )
}

pub(super) fn change(call: &Call, core: &Core) -> Answer {
    let Some(change) = call.json::<Change>() else {
        return Answer::error(400, "invalid body");
    };
    let now = core.now();
    let changed = apply(&mut core.generator().pool, &change, now);
    match changed {
        Ok(()) => {
            core.queue().refresh();
            Answer::raw_json(200, r#"{"status":"ok"}"#)
        }
        Err(refused) => refused,
    }
}

fn apply(pool: &mut Pool, change: &Change, now: UnixNanos) -> Result<(), Answer> {
    let world = Arc::clone(&pool.world);
    let found = world.by_index(&change.auth_index);
    let found = found.filter(|(number, _)| !pool.is_removed(*number));
    let (number, account) = found.ok_or_else(|| Answer::error(404, "no such account"))?;
    if let Some(name) = &change.plan {
        let plan = plan_named(account.kind.provider, account.kind.is_file(), name);
        let plan = plan.ok_or_else(|| Answer::error(400, "unknown plan"))?;
        pool.set_plan(number, plan, now);
    }
    for (name, share) in &change.used {
        let (limit, window) = name.split_once('/').unwrap_or((name, ""));
        let quota = pool.quota(number, now);
        let limit = quota.and_then(|quota| quota.get_mut(limit, window));
        let limit = limit.ok_or_else(|| Answer::error(400, "unknown limit"))?;
        let millionths = (share.clamp(0.0, 1_000.0) * 1_000_000.0).round();
        limit.set_used(whole(millionths), now);
    }
    let standing = pool.standing_mut(number);
    let standing = standing.ok_or_else(|| Answer::error(404, "no such account"))?;
    if change.refresh {
        standing.refresh(now);
    }
    let until = change.subscription_until_ms.map(UnixNanos::from_millis);
    standing.subscription_until = until.unwrap_or(standing.subscription_until);
    standing.set_disabled(change.disabled.unwrap_or(standing.is_disabled()));
    standing.unavailable = change.unavailable.unwrap_or(standing.unavailable);
    standing.phase = change.phase.unwrap_or(standing.phase);
    standing.expired = change.expired.unwrap_or(standing.expired);
    standing.updated = now;
    Ok(())
}

pub(super) fn remove(call: &Call, core: &Core) -> Answer {
    let Some(which) = call.json::<Which>() else {
        return Answer::error(400, "invalid body");
    };
    let removed = {
        let pool = &mut core.generator().pool;
        let found = pool.world.by_index(&which.auth_index);
        let number = found.map(|(number, _)| number);
        let standing = number.and_then(|number| pool.standing_mut(number));
        let standing = standing.filter(|standing| standing.service != Service::Removed);
        standing.map(|standing| standing.service = Service::Removed)
    };
    match removed {
        Some(()) => {
            core.queue().refresh();
            Answer::raw_json(200, r#"{"status":"ok"}"#)
        }
        None => Answer::error(404, "no such account"),
    }
}
