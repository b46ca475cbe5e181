//! Refuses state-changing requests that a browser sends for another site.
//!
//! A page that the operator visits could otherwise send a POST to an exporter on loopback. Programs
//! such as `curl` send neither header and are not affected.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::page;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

pub(super) async fn require(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_same_origin(request.headers()) {
        return next.run(request).await;
    }
    let text = "requests that change state are refused when a browser sends them for another site";
    page::text(StatusCode::FORBIDDEN, text)
}

/// The browser's own verdict if it sends one, else whether `Origin` names this server.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok());
    let origin = origin.to_str().ok().and_then(|v| v.parse::<Uri>().ok());
    let origin = origin.as_ref().and_then(Uri::authority);
    matches!((origin, host), (Some(origin), Some(host)) if origin.as_str().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_requests_of_another_site_are_refused() {
        let table: [(&[(HeaderName, &str)], bool); 9] = [
            (&[], true),
            (&[(SEC_FETCH_SITE, "same-origin")], true),
            (&[(SEC_FETCH_SITE, "none")], true),
            (&[(SEC_FETCH_SITE, "same-site")], false),
            (&[(SEC_FETCH_SITE, "cross-site")], false),
            (&[(header::ORIGIN, "http://localhost:10317")], true),
            (&[(header::ORIGIN, "http://localhost:80")], false),
            (&[(header::ORIGIN, "https://evil.example")], false),
            (&[(header::ORIGIN, "null")], false),
        ];
        for (sent, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("LOCALHOST:10317"));
            for (name, value) in sent {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(is_same_origin(&headers), expected, "{sent:?}");
        }
    }
}
