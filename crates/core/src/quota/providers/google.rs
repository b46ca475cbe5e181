//! Shared by Google's two coding logins: the endpoint for project and plan.

use serde_json::Value;

use crate::model::{AccountFacts, Name, Unit};
use crate::quota::flow::{Flow, Page, Pause};
use crate::quota::json::Node;
use crate::quota::{AccountRef, Ask, Failure, Hidden, Request};

/// Result of `loadCodeAssist`.
#[derive(Debug)]
pub(super) struct Assist {
    pub(super) project: Option<Hidden>,
    pub(super) facts: AccountFacts,
}

/// Tries the hosts in turn until one responds.
pub(super) fn assist(
    flow: &mut Flow<'_>,
    requests: impl IntoIterator<Item = Request>,
) -> Result<Result<Assist, Failure>, Pause> {
    let is_final = |failure| failure == Failure::Unauthorized;
    let found = flow.first(requests, |page| Ok(read(page)), is_final)?;
    Ok(found.map_err(|failure| failure.unwrap_or_else(Failure::transient)))
}

/// The facts, if already known or if this poll requests them.
pub(super) fn facts(
    known: Option<AccountFacts>,
    ask: &Ask<'_>,
    flow: &mut Flow<'_>,
    requests: impl IntoIterator<Item = Request>,
) -> Result<AccountFacts, Pause> {
    if let Some(facts) = known {
        return Ok(facts);
    }
    if !ask.with_plan {
        return Ok(AccountFacts::partial());
    }
    let found = assist(flow, requests)?;
    Ok(found.map_or_else(|_no_answer| AccountFacts::partial(), |found| found.facts))
}

/// The project to query, and the facts found on the way: the project in CPA's list, else the one
/// that the provider returns.
pub(super) fn project(
    account: &AccountRef,
    flow: &mut Flow<'_>,
    requests: impl IntoIterator<Item = Request>,
) -> Result<(Option<Hidden>, Option<AccountFacts>), Pause> {
    if let Some(project) = &account.project_id {
        return Ok((Some(project.clone()), None));
    }
    let found = assist(flow, requests)??;
    Ok((found.project, Some(found.facts)))
}

pub(super) fn body(project: Option<&Hidden>) -> Value {
    match project {
        Some(project) => serde_json::json!({ "project": project.expose() }),
        None => serde_json::json!({}),
    }
}

fn read(page: &Page) -> Assist {
    let root = page.root();
    let project = root.get("cloudaicompanionProject");
    let project = project.text().or_else(|| project.get("id").text());
    let paid = root.get("paidTier");
    let tier = paid.get("id").or(root.pointer("/currentTier/id"));
    let mut facts = AccountFacts::of_plan(tier.text().and_then(plan));
    let mut credits = paid.get("availableCredits").items();
    let one = credits.find(|c| c.get("creditType").text() == Some("GOOGLE_ONE_AI"));
    let balance = one.and_then(|credit: Node<'_>| credit.get("creditAmount").signed());
    facts.add_credits(Unit::Credits, balance);
    Assist {
        project: project.and_then(Hidden::new),
        facts,
    }
}

/// `g1-pro-tier` → `pro`, `standard-tier` → `standard`.
fn plan(tier: &str) -> Option<Name> {
    let short = tier.strip_suffix("-tier").unwrap_or(tier);
    Name::new(short.strip_prefix("g1-").unwrap_or(short))
}
