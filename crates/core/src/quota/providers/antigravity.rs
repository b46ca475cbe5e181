//! Antigravity: two pools of models, each with a 5-hour and a weekly window; free accounts have
//! weekly windows only.

use serde_json::json;

use super::google;
use crate::json::Node;
use crate::model::{Limit, QuotaAnswer, Reading, Scope, Window};
use crate::quota::built_in::BuiltIn;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, Hidden, ParseError, Request};

const HOSTS: [&str; 3] = [
    "daily-cloudcode-pa.googleapis.com",
    "daily-cloudcode-pa.sandbox.googleapis.com",
    "cloudcode-pa.googleapis.com",
];
const PLAN_HOSTS: [&str; 2] = [
    "daily-cloudcode-pa.googleapis.com",
    "cloudcode-pa.googleapis.com",
];
const USER_AGENT: &str = "antigravity/cli/1.0.13 (aidev_client; os_type=darwin; arch=arm64)";

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "antigravity",
    |account| account.is_oauth("antigravity"),
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let (project, known) = google::project(session, plan_requests()).await?;
    let project = project.ok_or(Failure::Incomplete("project"))?;
    let readings = summary(session, &project).await?;
    let facts = google::facts(known, session, plan_requests()).await;
    Ok(QuotaAnswer { readings, facts })
}

fn plan_requests() -> impl Iterator<Item = Request> {
    let body = json!({ "metadata": { "ideType": "ANTIGRAVITY" } });
    let requests = PLAN_HOSTS.into_iter();
    requests.map(move |host| request(host, "loadCodeAssist", &body))
}

fn request(host: &str, method: &str, body: &serde_json::Value) -> Request {
    let url = format!("https://{host}/v1internal:{method}");
    Request::post(url, body).header("User-Agent", USER_AGENT)
}

/// Tries each host until one returns readings. An empty result of all hosts is valid.
async fn summary(session: &mut Session<'_>, project: &Hidden) -> Result<Vec<Reading>, Failure> {
    let body = google::body(Some(project));
    let (mut failure, mut is_empty) = (None::<Failure>, false);
    for host in HOSTS {
        let page = session
            .call(request(host, "retrieveUserQuotaSummary", &body))
            .await;
        match page.and_then(|page| Ok(read(&page)?)) {
            Ok(rows) if !rows.is_empty() => return Ok(rows),
            Ok(_) => is_empty = true,
            // The next host would reject the same token.
            Err(Failure::Unauthorized) => return Err(Failure::Unauthorized),
            Err(error) => failure = Some(Failure::more_specific(failure, error)),
        }
    }
    match failure {
        Some(failure) if !is_empty => Err(failure),
        _ => Ok(Vec::new()),
    }
}

fn read(page: &Page) -> Result<Vec<Reading>, ParseError> {
    let root = page.root();
    let inner = root.any(&["body", "response", "summary", "quotaSummary"]);
    let groups = root.get("groups").or(inner.get("groups"));
    if !groups.is_list() {
        return Err(ParseError::Shape);
    }
    let mut rows = Vec::new();
    for group in groups.items() {
        for bucket in group.get("buckets").items() {
            rows.extend(row(group, bucket));
        }
    }
    Ok(rows)
}

fn row(group: Node<'_>, bucket: Node<'_>) -> Option<Reading> {
    let remaining = fraction(bucket)?;
    let (window, suffixes) = match bucket.get("window").text().unwrap_or_default() {
        "5h" | "five-hour" | "five_hour" => (Window::hours(5), ["-5h", "-five-hour"]),
        "weekly" | "week" => (Window::days(7), ["-weekly", "-week"]),
        _ => (Window::UNKNOWN, ["", ""]),
    };
    let name = group.get("displayName").name();
    let bucket_id = || {
        let id = bucket.get("bucketId").text()?;
        let short = suffixes.iter().find_map(|suffix| id.strip_suffix(suffix));
        Limit::new(short.unwrap_or(id))
    };
    let limit = name.as_ref().and_then(|name| Limit::new(name.as_str()));
    let row = Reading::new(limit.or_else(bucket_id)?, window, Scope::Model)
        .with_name(name)
        .with_ratio(Some(1.0 - remaining))
        .with_reset(bucket.get("resetTime").time());
    Some(row)
}

/// `0.72`, `"72%"`, or either nested one or two levels deeper.
fn fraction(bucket: Node<'_>) -> Option<f64> {
    let deeper = bucket.get("remaining");
    let nested = deeper.get("remainingFraction").or(deeper.get("value"));
    [bucket.get("remainingFraction"), nested, deeper]
        .into_iter()
        .find_map(Node::fraction)
}
