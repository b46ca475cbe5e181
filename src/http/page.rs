//! Pages for people, and headers that restrict what browsers do with them.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};

use crate::version;

/// No script, no foreign asset, no frame: our pages have only inline styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A line of text for people and scripts.
pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Response {
    let mut body = body.into();
    body.push('\n');
    with_security_headers((status, [(CONTENT_TYPE, TEXT)], body).into_response())
}

pub(super) fn html(body: String) -> Response {
    with_security_headers(([(CONTENT_TYPE, HTML)], body).into_response())
}

/// Keeps responses out of frames, and out of caches unless they say otherwise.
pub(super) fn with_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2128;--dim:#59636e;--paper:#fff;--line:#d1d9e0;--link:#0b62c4}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--paper:#0d1117;--line:#3d444d;--link:#58a6ff}}
body{margin:0;padding:3rem 1.25rem;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:40rem;margin:auto}
h1{margin:0;font-size:1.6rem}
p{margin:.25rem 0 1.5rem;color:var(--dim)}
ul{margin:0;padding:0;list-style:none;border-top:1px solid var(--line)}
li{padding:.7rem 0;border-bottom:1px solid var(--line)}
a{color:var(--link);font-weight:600}
a:focus-visible{outline:2px solid var(--link);outline-offset:3px}
span{display:block;color:var(--dim);font-size:.9rem}";

/// The page at `/`. Links are relative, so that it works behind a proxy below some path.
pub(super) fn landing(telemetry_path: &str) -> String {
    let telemetry = telemetry_path.trim_start_matches('/');
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>cpa-exporter</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>\n\
         <h1>cpa-exporter</h1>\n\
         <p>Prometheus exporter for CLIProxyAPI, version {version}, revision {revision}</p>\n\
         <ul>\n\
         <li><a href=\"{telemetry}\">Metrics</a> <span>endpoint for Prometheus</span></li>\n\
         <li><a href=\"-/healthy\">Health</a> <span>200 while the exporter runs</span></li>\n\
         <li><a href=\"-/ready\">Readiness</a> <span>200 once all counters are restored</span></li>\n\
         </ul>\n</main>\n</body>\n</html>\n",
        version = version::VERSION,
        revision = version::REVISION,
    )
}
