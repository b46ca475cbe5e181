//! Shared by Google's two coding logins: the endpoint for project and plan.

use serde_json::Value;

use crate::json::Node;
use crate::model::{AccountFacts, Name, Unit};
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, Hidden, Request};

/// Result of `loadCodeAssist`.
#[derive(Debug)]
struct Assist {
    project: Option<Hidden>,
    facts: AccountFacts,
}

/// Tries the hosts in turn until one responds.
async fn assist<R>(session: &mut Session<'_>, requests: R) -> Result<Assist, Failure>
where
    R: IntoIterator<Item = Request, IntoIter: Send> + Send,
{
    let is_final = |failure| failure == Failure::Unauthorized;
    let found = session.first(requests, |page| Ok(read(page)), is_final);
    found
        .await
        .map_err(|failure| failure.unwrap_or_else(Failure::transient))
}

/// The facts, if already known or if this poll requests them.
pub(super) async fn facts<R>(
    known: Option<AccountFacts>,
    session: &mut Session<'_>,
    requests: R,
) -> AccountFacts
where
    R: IntoIterator<Item = Request, IntoIter: Send> + Send,
{
    if let Some(facts) = known {
        return facts;
    }
    let found = if session.with_plan {
        assist(session, requests).await.ok()
    } else {
        None
    };
    found.map_or_else(AccountFacts::partial, |found| found.facts)
}

/// The project to query, and the facts found on the way: the project in CPA's list, else the one
/// that the provider returns.
pub(super) async fn project<R>(
    session: &mut Session<'_>,
    requests: R,
) -> Result<(Option<Hidden>, Option<AccountFacts>), Failure>
where
    R: IntoIterator<Item = Request, IntoIter: Send> + Send,
{
    if let Some(project) = &session.account.project_id {
        return Ok((Some(project.clone()), None));
    }
    let found = assist(session, requests).await?;
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
