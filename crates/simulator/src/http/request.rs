//! A request, read completely and parsed.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, Request};
use serde::de::DeserializeOwned;

use crate::version::CpaVersion;

/// Far above any real management request.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// An unreadable body counts as empty.
    pub(super) async fn read(request: Request<Incoming>) -> Self {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, LARGEST_BODY).collect().await;
        Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body: body.map(Collected::to_bytes).unwrap_or_default(),
        }
    }

    pub(super) fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The key in CPA's order: `Authorization`, with or without `Bearer`, then the other header.
    pub(super) fn key(&self) -> String {
        let authorization = self.header(AUTHORIZATION.as_str());
        let key = match authorization.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            Some(_) | None => authorization,
        };
        if key.is_empty() {
            return self.header("x-management-key").to_owned();
        }
        key.to_owned()
    }

    /// The client for the failure count; before v8, the forwarding headers decide.
    pub(super) fn client(&self, peer: IpAddr, version: CpaVersion) -> String {
        let peer = peer.to_canonical().to_string();
        if version.has(8, 0, 0) {
            return peer;
        }
        let forwarded = ["x-forwarded-for", "x-real-ip"].map(|name| {
            let first = self.header(name).split(',').next().unwrap_or_default();
            first.trim().to_owned()
        });
        let named = forwarded
            .into_iter()
            .find(|ip| ip.parse::<IpAddr>().is_ok());
        named.unwrap_or(peer)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .trim()
    }
}
