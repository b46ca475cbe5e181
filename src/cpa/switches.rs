//! CPA's switches that decide whether and how long records can be read.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::client::{Client, HttpFailure, parse};
use super::generation::Api;

/// CPA's default retention.
pub(crate) const DEFAULT_RETENTION: Duration = Duration::from_mins(1);

impl Client {
    /// Whether CPA produces usage records. `None` when this release has no such switch.
    pub(crate) async fn statistics_enabled(&self) -> Result<Option<bool>, HttpFailure> {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(rename = "usage-statistics-enabled")]
            enabled: bool,
        }
        let session = self.session().await?;
        let api = session.api;
        let answer = session
            .required(Method::GET, api.statistics(), None)
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            // v8 returns 404 for a switch with its default value, which is off.
            return Ok((api == Api::V8).then_some(false));
        }
        let enabled = match api {
            Api::V0 => parse::<Envelope>(&answer.body)?.enabled,
            Api::V8 => parse::<bool>(&answer.body)?,
        };
        Ok(Some(enabled))
    }

    pub(crate) async fn enable_statistics(&self) -> Result<(), HttpFailure> {
        let session = self.session().await?;
        let body = match session.api {
            Api::V0 => r#"{"value":true}"#,
            Api::V8 => "true",
        };
        let path = session.api.statistics();
        let answer = session
            .required(Method::PUT, path, Some(body.to_owned()))
            .await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            status => Err(HttpFailure::Status(status)),
        }
    }

    /// How long CPA keeps a record in the queue.
    pub(crate) async fn retention(&self) -> Result<Duration, HttpFailure> {
        // The v0 response is the whole configuration with raw keys; only this field is parsed.
        #[derive(Deserialize)]
        struct Config {
            #[serde(rename = "redis-usage-queue-retention-seconds", default)]
            retention: u64,
        }
        let session = self.session().await?;
        let api = session.api;
        let answer = session.required(Method::GET, api.retention(), None).await?;
        let seconds = match (answer.status, api) {
            (StatusCode::NOT_FOUND, _) => 0,
            (_, Api::V0) => parse::<Config>(&answer.body)?.retention,
            (_, Api::V8) => parse::<u64>(&answer.body)?,
        };
        Ok(match seconds {
            0 => DEFAULT_RETENTION,
            seconds => Duration::from_secs(seconds.min(3600)),
        })
    }
}
