//! The coding and token plans of MiniMax, for API keys.

use crate::json::Node;
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
    WindowRole,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, ParseError, Request};

/// The endpoint has moved twice.
const PATHS: [&str; 3] = [
    "/v1/token_plan/remains",
    "/v1/api/openplatform/coding_plan/remains",
    "/v1/coding_plan/remains",
];

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "minimax",
    |account| account.is_at("minimax.io") || account.is_at("minimaxi.com"),
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let is_china = session.account.is_at("minimaxi.com");
    let host = if is_china {
        "api.minimaxi.com"
    } else {
        "api.minimax.io"
    };
    let requests = PATHS.map(|path| {
        Request::get(format!("https://{host}{path}"))
            .header("Accept", "application/json")
            .header("Content-Type", "application/json")
    });
    let is_elsewhere = |failure| matches!(failure, Failure::Unsupported | Failure::Parse(_));
    let found = session.first(requests, read, |failure| !is_elsewhere(failure));
    found
        .await
        .map_err(|failure| failure.unwrap_or(Failure::Unsupported))
}

fn read(page: &Page) -> Result<QuotaAnswer, Failure> {
    let root = page.root();
    let data = root.get("data");
    let base = root.get("base_resp").or(data.get("base_resp"));
    match base.get("status_code").integer() {
        None | Some(0) => {}
        Some(1004) => return Err(Failure::Unauthorized),
        Some(1002) => return Err(Failure::Throttled { retry_after: None }),
        Some(1008) => return Err(Failure::Payment),
        Some(other) => return Err(Failure::InBody(other)),
    }
    let models = root.get("model_remains").or(data.get("model_remains"));
    let title = ["current_subscribe_title"];
    let mut facts = AccountFacts::of_plan(root.any(&title).or(data.any(&title)).name());
    let balance = root.get("points_balance").or(data.get("points_balance"));
    facts.add_credits(Unit::Credits, balance.signed());
    if !models.is_list() {
        return Err(ParseError::Shape.into());
    }
    let readings = models.items().flat_map(rows).collect();
    Ok(QuotaAnswer { readings, facts })
}

/// Interval and weekly window of one model.
fn rows(model: Node<'_>) -> Vec<Reading> {
    let name = model.get("model_name").name();
    let interval = Span::of(model, "current_interval_", "");
    let week = Span::of(model, "current_weekly_", "weekly_");
    if [&interval, &week].iter().all(|span| span.is_not_in_plan()) {
        return Vec::new();
    }
    let spans = [(interval, WindowRole::Unknown), (week, WindowRole::Weekly)];
    let rows = spans
        .into_iter()
        .filter_map(|(span, role)| span.row(name.as_ref(), role));
    rows.collect()
}

struct Span {
    total: Option<f64>,
    /// The used amount in the newer plan, the remaining one in the older plan.
    count: Option<f64>,
    percent_left: Option<f64>,
    status: Option<i64>,
    start: Option<UnixNanos>,
    end: Option<UnixNanos>,
    left: Option<UnixNanos>,
    /// Start or end is negative: it is unknown which window is meant.
    is_misdated: bool,
}

impl Span {
    /// Keys of counts and of times have different prefixes.
    fn of(model: Node<'_>, counts: &str, times: &str) -> Self {
        let count = |what: &str| model.get(&format!("{counts}{what}"));
        let time = |what: &str| model.get(&format!("{times}{what}"));
        Self {
            total: count("total_count").number(),
            count: count("usage_count").number(),
            percent_left: count("remaining_percent").number(),
            status: count("status").integer(),
            start: time("start_time").time_ms(),
            end: time("end_time").time_ms(),
            left: time("remains_time").in_millis(),
            is_misdated: ["start_time", "end_time"]
                .into_iter()
                .any(|key| time(key).signed().is_some_and(|at| at < 0.0)),
        }
    }

    fn is_not_in_plan(&self) -> bool {
        self.status == Some(3) && self.total.unwrap_or(0.0) <= 0.0
    }

    fn row(&self, name: Option<&Name>, role: WindowRole) -> Option<Reading> {
        if self.is_misdated {
            return None;
        }
        // The pool that all chat models share.
        let is_main = name.is_none_or(|name| name.as_str() == "general");
        let limit = if is_main {
            Limit::main()
        } else {
            Limit::new(name?.as_str())?
        };
        let scope = if is_main {
            Scope::Account
        } else {
            Scope::Model
        };
        let window = Window::between(self.start, self.end, role);
        let used = self.percent_left.map(|left| 100.0 - left);
        let amounts = self.amounts();
        let row = Reading::new(limit, window, scope)
            .with_name(name.cloned())
            .with_amounts(amounts)
            .with_percent(used.filter(|_| amounts.is_none()))
            .with_reset(self.end.or(self.left))
            .with_exhausted(self.exhausted())
            .with_unlimited(self.status == Some(3));
        let known = used.is_some() || amounts.is_some() || row.unlimited();
        (known || row.exhausted().is_some()).then_some(row)
    }

    fn exhausted(&self) -> Option<bool> {
        match self.status? {
            1 | 3 => Some(false),
            2 => Some(true),
            _ => None,
        }
    }

    /// The stated percentage decides whether the count is used or remaining; if it matches neither,
    /// the count is ignored. Without a percentage, the older meaning applies.
    fn amounts(&self) -> Option<Amounts> {
        let total = self.total.filter(|total| *total > 0.0)?;
        let count = self.count?;
        let left_if = |left: f64| 100.0 * left / total;
        let fits = |left: f64, stated: f64| (left_if(left) - stated).abs() <= 1.0;
        let unused = total - count;
        match self.percent_left {
            Some(stated) if fits(unused, stated) => {
                Amounts::new(Unit::Requests, Some(count), Some(total), None)
            }
            Some(stated) if !fits(count, stated) => None,
            _ => Amounts::new(Unit::Requests, None, Some(total), Some(count)),
        }
    }
}
