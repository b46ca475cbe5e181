//! Gemini CLI (Code Assist), served by a plugin of CPA. Each model has a daily allowance.

use serde_json::{Value, json};

use super::google;
use crate::json::Node;
use crate::model::{
    Amounts, AuthType, Limit, QuotaAnswer, Reading, Scope, Unit, Window, WindowRole,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::fullest;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, Hidden, ParseError, Request};

const QUOTA: &str = "https://cloudcode-pa.googleapis.com/v1internal:retrieveUserQuota";
const ASSIST: &str = "https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist";

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "gemini-cli",
    |account| {
        account.auth_type == AuthType::Oauth
            && account.is_named(&["gemini-cli", "gemini_cli", "gemini"])
    },
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let (project, known) = google::project(session, [assist(None)]).await?;
    // Without a project, the provider uses the account's own.
    let request = Request::post(QUOTA, &google::body(project.as_ref()));
    let page = session.call(request).await?;
    let readings = read(&page)?;
    let facts = google::facts(known, session, [assist(project.as_ref())]).await;
    Ok(QuotaAnswer { readings, facts })
}

fn assist(project: Option<&Hidden>) -> Request {
    let mut body = json!({ "metadata": {
        "ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI",
    } });
    if let (Some(project), Value::Object(body)) = (project, &mut body) {
        let id = Value::from(project.expose());
        body.insert("cloudaicompanionProject".to_owned(), id);
    }
    Request::post(ASSIST, &body)
}

/// One reading per model: the bucket with the least remaining.
fn read(page: &Page) -> Result<Vec<Reading>, ParseError> {
    let buckets = page.root().get("buckets");
    if !buckets.is_list() {
        return Err(ParseError::Shape);
    }
    Ok(fullest(buckets.items().filter_map(row)))
}

fn row(bucket: Node<'_>) -> Option<Reading> {
    let model = bucket.any(&["modelId", "model_id"]);
    let fraction = bucket
        .any(&["remainingFraction", "remaining_fraction"])
        .fraction();
    let amount = bucket
        .any(&["remainingAmount", "remaining_amount"])
        .number();
    let unit = match bucket.any(&["tokenType", "token_type"]).text() {
        Some("REQUESTS") => Some(Unit::Requests),
        Some("TOKENS" | "INPUT_TOKENS" | "OUTPUT_TOKENS") => Some(Unit::Tokens),
        _ => None,
    };
    let limit = fraction
        .filter(|f| *f > 0.0)
        .zip(amount.filter(|a| *a > 0.0));
    let limit = limit.map(|(fraction, amount)| (amount / fraction).round());
    let amounts = unit.and_then(|unit| Amounts::new(unit, None, limit, amount));
    let row = Reading::new(
        Limit::new(model.text()?)?,
        Window::Role(WindowRole::Daily),
        Scope::Model,
    );
    let row = row
        .with_name(model.name())
        .with_ratio(fraction.map(|fraction| 1.0 - fraction))
        .with_amounts(amounts)
        .with_reset(bucket.any(&["resetTime", "reset_time"]).time());
    Some(row)
}
