//! Injected faults of providers' quota responses.

use serde_json::{Number, Value, json};

use super::Reply;
use crate::faults::{QuotaFault, QuotaFaultMode};

/// A body far larger than any provider's.
const HUGE: usize = 10 * 1024 * 1024;
/// The last second of the year 9999.
const YEAR_9999: i64 = 253_402_300_799;

impl QuotaFault {
    /// Applies the fault to a response.
    pub(crate) fn apply(&self, provider: &str, reply: Reply) -> Reply {
        match self.mode {
            QuotaFaultMode::Unauthorized => Reply::unauthorized(),
            QuotaFaultMode::PaymentRequired => Reply::json(
                402,
                &json!({ "detail": { "code": "deactivated_workspace" } }),
            ),
            QuotaFaultMode::Forbidden => error(403, "Permission denied"),
            QuotaFaultMode::NotFound => Reply::not_found(),
            QuotaFaultMode::RateLimited => error(429, "Rate limited. Please try again later.")
                .with("Retry-After", self.retry_after.unwrap_or(300).to_string()),
            QuotaFaultMode::ServerError => error(500, "upstream exploded"),
            QuotaFaultMode::Html => Reply {
                content_type: "text/html",
                body: "<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"
                    .to_owned(),
                ..reply
            },
            QuotaFaultMode::Huge => {
                let padding = "x".repeat(HUGE);
                Reply::ok(&json!({ "padding": padding }))
            }
            QuotaFaultMode::Nan => changed(reply, &|_| Value::from("NaN")),
            QuotaFaultMode::BareNan => {
                let reply = changed(reply, &|_| Value::from("NaN"));
                Reply {
                    body: reply.body.replace("\"NaN\"", "NaN"),
                    ..reply
                }
            }
            QuotaFaultMode::Negative => changed(reply, &negative),
            QuotaFaultMode::FarFuture => far_future(reply),
            QuotaFaultMode::ErrorInside => Reply::ok(&error_inside(provider)),
            QuotaFaultMode::Page => Reply::ok(&self.body),
            QuotaFaultMode::Hang => Reply {
                hangs: true,
                ..reply
            },
        }
    }
}

fn error(status: u16, text: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": status, "message": text } }),
    )
}

fn error_inside(provider: &str) -> Value {
    match provider {
        "glm" => {
            json!({ "code": 1001, "msg": "Header is missing authentication", "success": false })
        }
        "minimax" => json!({ "base_resp": { "status_code": 1004, "status_msg": "login fail" } }),
        _ => json!({ "error": { "code": 500, "message": "internal error" } }),
    }
}

/// The response with every number, and every numeric text, replaced.
fn changed(reply: Reply, number: &dyn Fn(f64) -> Value) -> Reply {
    edited(reply, &|value| {
        let as_text = value.as_str().and_then(|text| text.parse::<f64>().ok());
        let new = number(value.as_f64().or(as_text)?);
        match (value.is_string(), new) {
            (true, Value::Number(new)) => Some(Value::from(new.to_string())),
            (_, new) => Some(new),
        }
    })
}

fn negative(number: f64) -> Value {
    let below = if number == 0.0 { -1.0 } else { -number.abs() };
    Number::from_f64(below).map_or(Value::Null, Value::Number)
}

fn far_future(reply: Reply) -> Reply {
    edited(reply, &|value| match value {
        Value::String(text) if is_time(text) => Some(Value::from("9999-12-31T23:59:59Z")),
        Value::Number(number) => match number.as_i64()? {
            // A time of this century in milliseconds, or in seconds.
            1_000_000_000_000.. => Some(Value::from(YEAR_9999 * 1000)),
            1_000_000_000.. => Some(Value::from(YEAR_9999)),
            _ => None,
        },
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    })
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok()
}

fn edited(reply: Reply, edit: &dyn Fn(&Value) -> Option<Value>) -> Reply {
    let Ok(mut body) = serde_json::from_str(&reply.body) else {
        return reply;
    };
    edit_leaves(&mut body, edit);
    Reply {
        body: body.to_string(),
        ..reply
    }
}

fn edit_leaves(value: &mut Value, edit: &dyn Fn(&Value) -> Option<Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| edit_leaves(value, edit)),
        Value::Object(map) => map.values_mut().for_each(|value| edit_leaves(value, edit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if let Some(new) = edit(value) {
                *value = new;
            }
        }
    }
}
