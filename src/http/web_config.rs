//! Access by the file of `web.config.file`: passwords, response headers, rate limit, and the
//! task that applies a changed file.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::time::sleep;

use super::access::{Access, Tokens};
use super::page;
use crate::config::{self, RateLimit, Users, Web, WebFile, WebSettings};

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// A hash that no password has, with its cost as a placeholder.
const NOBODY: &str = "$2y$COST$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Settings of access that may change while the server runs. Clones share them.
#[derive(Clone, Debug)]
pub struct WebAccess(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ArcSwap<WebSettings>,
    /// A bearer token of the API counts as a password, because one header cannot show both.
    tokens: Option<Tokens>,
    /// Digests of the passwords that were right, by user.
    right: Mutex<HashMap<String, [u8; 32]>>,
    /// bcrypt is slow on purpose: one at a time leaves the other cores to the exporter.
    bcrypt: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
}

impl WebAccess {
    pub fn new(web: &Web, tokens: Option<Tokens>) -> Self {
        let file = web.config.file.as_ref();
        let settings = file.map(|file| Arc::clone(&file.settings));
        Self(Arc::new(Shared {
            settings: ArcSwap::new(settings.unwrap_or_default()),
            tokens,
            right: Mutex::default(),
            bcrypt: tokio::sync::Mutex::default(),
            bucket: Mutex::default(),
        }))
    }

    /// For the next connection; `None` without TLS.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.0.settings.load().tls.clone()
    }

    /// Applies changes of the file, and of those that it names, for ever. An invalid file changes
    /// nothing.
    pub async fn follow(self, mut file: WebFile) {
        let mut seen = None;
        loop {
            let (looked, earlier) = (file.clone(), seen.take());
            let look = move || {
                // Before the read, so that a change during it is seen by the next look.
                let now = versions(&looked);
                let is_new = earlier.as_ref() != Some(&now);
                let read = is_new.then(|| config::load_web_file(&looked.path));
                (earlier.is_none(), now, read)
            };
            if let Ok((is_first, now, read)) = tokio::task::spawn_blocking(look).await {
                seen = Some(now);
                match read {
                    Some(Ok(loaded)) => {
                        file = loaded.value;
                        self.0.settings.store(Arc::clone(&file.settings));
                        // The start has read the same content.
                        if !is_first {
                            tracing::info!(file = %file.path.display(), "web configuration reloaded");
                        }
                    }
                    Some(Err(problems)) => tracing::error!(
                        %problems,
                        "web configuration not reloaded; the old one stays in use"
                    ),
                    None => {}
                }
            }
            sleep(INTERVAL).await;
        }
    }

    async fn allows(&self, settings: &WebSettings, headers: &HeaderMap) -> bool {
        if let Some((user, password)) = credentials(headers) {
            return self.is_password(&settings.users, user, password).await;
        }
        let has_token = |tokens: &Tokens| {
            let access = tokens.access(headers, None);
            access.is_ok_and(|access| matches!(access, Access::Full | Access::Read))
        };
        self.0.tokens.as_ref().is_some_and(has_token)
    }

    /// An unknown user takes as long as a wrong password.
    async fn is_password(&self, users: &Users, user: String, password: Vec<u8>) -> bool {
        let known = users.hash(&user).map(str::to_owned);
        let is_known = known.is_some();
        let hash = known.unwrap_or_else(|| nobody(users));
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(hash.as_bytes());
        context.update(&password);
        let digest = context.finish();
        let shared = &self.0;
        let is_right = |right: &[u8; 32]| verify_slices_are_equal(right, digest.as_ref()).is_ok();
        if shared.right.lock().get(&user).is_some_and(is_right) {
            return true;
        }
        let _one = shared.bcrypt.lock().await;
        let verified =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).is_ok_and(|it| it));
        let is_right = verified.await.is_ok_and(|it| it) && is_known;
        if is_right && let Ok(digest) = digest.as_ref().try_into() {
            // At most one entry for each user of the file.
            shared.right.lock().insert(user, digest);
        }
        is_right
    }
}

/// Target of links, length and time of each file.
type Versions = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

fn versions(file: &WebFile) -> Versions {
    let version = |path: &Path| {
        let target = fs::canonicalize(path).unwrap_or_else(|_missing| path.to_path_buf());
        let metadata = fs::metadata(path).ok();
        let version = metadata.and_then(|it| Some((it.len(), it.modified().ok()?)));
        (target, version)
    };
    file.files().map(version).collect()
}

/// A hash at the highest cost of the file.
fn nobody(users: &Users) -> String {
    let cost = |hash: &str| hash.split('$').nth(2)?.parse().ok();
    let cost: u32 = users.hashes().filter_map(cost).max().unwrap_or(10);
    NOBODY.replace("COST", &format!("{cost:02}"))
}

/// User and password of HTTP basic authentication.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at_checked(colon)?;
    Some((
        String::from_utf8(user.to_vec()).ok()?,
        password.get(1..)?.to_vec(),
    ))
}

/// The request shows a password of the file, or a token of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authenticated;

/// In exporter-toolkit's order: rate, password, handler; the headers are those of every response.
pub(super) async fn require(
    State(access): State<WebAccess>,
    mut request: Request,
    next: Next,
) -> Response {
    let settings = access.0.settings.load_full();
    let is_too_fast = |rate| !access.0.bucket.lock().take(rate, Instant::now());
    let mut response = if settings.rate_limit.is_some_and(is_too_fast) {
        page::text(StatusCode::TOO_MANY_REQUESTS, "too many requests")
    } else if settings.users.is_empty() {
        next.run(request).await
    } else if access.allows(&settings, request.headers()).await {
        request.extensions_mut().insert(Authenticated);
        next.run(request).await
    } else {
        let mut refused = page::text(
            StatusCode::UNAUTHORIZED,
            "a user and a password are required",
        );
        let ask = HeaderValue::from_static("Basic");
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        refused
    };
    for (name, value) in &settings.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// Requests that are allowed now.
#[derive(Debug, Default)]
struct Bucket {
    filled: Option<(f64, Instant)>,
}

impl Bucket {
    fn take(&mut self, rate: RateLimit, now: Instant) -> bool {
        let burst = f64::from(rate.burst);
        let (there, at) = self.filled.unwrap_or((burst, now));
        let earned = now.duration_since(at).as_secs_f64() / rate.interval.as_secs_f64();
        let there = (there + earned).min(burst);
        let is_allowed = there >= 1.0;
        self.filled = Some((there - f64::from(u8::from(is_allowed)), now));
        is_allowed
    }
}

#[cfg(test)]
#[path = "tests/web_config.rs"]
mod tests;
