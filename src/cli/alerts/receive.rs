//! `alerts receive`: a webhook receiver that prints the alerts it gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::Json;
use axum::http::StatusCode;
use axum::{Router, routing::post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::{Exit, note, print};
use crate::http::{self, Routers};
use crate::platform::{Signal, Signals};

/// Maximum connections; Alertmanager uses one or two.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(16).expect("16 is not 0");

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9095")]
    listen: SocketAddr,
}

/// A message of Alertmanager's webhook.
#[derive(Debug, Deserialize)]
struct Message {
    alerts: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
struct Alert {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

pub(super) async fn execute(args: &Args) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| {
        format!(
            "cannot listen on {}; choose another address with --listen",
            args.listen
        )
    })?;
    print(format!("receiving alerts on http://{}/\n", listener.local_addr()?).as_bytes())?;
    let stop = CancellationToken::new();
    let router = Router::new().route("/", post(receive));
    let routers = Routers {
        reserve: router.clone(),
        all: router,
    };
    let asked_to_stop = async {
        while signals.next().await != Signal::Stop {}
        stop.cancel();
    };
    tokio::join!(
        http::serve(
            Arc::new(listener.into()),
            routers,
            None,
            CONNECTIONS,
            stop.clone()
        ),
        asked_to_stop
    );
    Ok(Exit::Success)
}

/// Alertmanager repeats a message that gets status 500.
async fn receive(Json(message): Json<Message>) -> StatusCode {
    let text: String = message.alerts.iter().map(line).collect();
    match print(text.as_bytes()) {
        Ok(()) => StatusCode::OK,
        Err(error) => {
            note(&format!("an alert cannot be printed: {error}"));
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// Status, severity, name, summary and labels.
fn line(alert: &Alert) -> String {
    let of = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned();
    let severity = of(&alert.labels, "severity").unwrap_or_default();
    let name = of(&alert.labels, "alertname").unwrap_or_default();
    let mut text = format!("{} {severity} {name}", alert.status);
    if let Some(summary) = of(&alert.annotations, "summary") {
        // Writing to a string cannot fail.
        write!(text, ": {summary}").ok();
    }
    let others = alert.labels.iter();
    let others = others.filter(|(name, _)| !["alertname", "severity"].contains(&name.as_str()));
    let labels: Vec<String> = others
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !labels.is_empty() {
        write!(text, " ({})", labels.join(", ")).ok();
    }
    // An alert must not send escape sequences to the terminal.
    text.retain(|c| !c.is_control());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(text: &str) -> Alert {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_alert_is_one_line() {
        let firing = r#"{"status":"firing","labels":{"alertname":"CPATest","severity":"info",
            "test":"1"},"annotations":{"summary":"A test.\u001b[2J"}}"#;
        assert_eq!(
            line(&alert(firing)),
            "firing info CPATest: A test.[2J (test=1)\n"
        );
        let bare = r#"{"status":"resolved","labels":{"alertname":"X","severity":"info"}}"#;
        assert_eq!(line(&alert(bare)), "resolved info X\n");
    }
}
