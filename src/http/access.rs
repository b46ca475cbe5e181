//! Who may use the API: bearer tokens, and requests of this machine.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header, uri::Authority};
use secrecy::{ExposeSecret as _, SecretString};

use super::listener::Peer;
use crate::config::{Secret, SecretError};

/// Headers that a proxy adds. A request with one comes from elsewhere, whatever its peer.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// Bearer tokens of the API.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// For reads and writes.
    pub admin: Option<Secret>,
    /// For reads.
    pub read: Option<Secret>,
    /// For reads and writes of commands on this machine, valid for this run of the exporter.
    pub local: SecretString,
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads and writes.
    Full,
    Read,
    /// Nothing, because it has no valid token.
    Unauthorized,
    /// Nothing: no token is configured, and the request comes from another machine.
    Remote,
}

impl Tokens {
    /// The access of a request. An error: a token file is unreadable.
    pub(super) fn access(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Access, SecretError> {
        let shown = bearer(headers);
        if is_equal(shown, self.local.expose_secret()) {
            return Ok(Access::Full);
        }
        let is_token = |token: &Option<Secret>| match token {
            Some(token) => Ok(is_equal(shown, token.read()?.expose_secret())),
            None => Ok(false),
        };
        Ok(if is_token(&self.admin)? {
            Access::Full
        } else if is_token(&self.read)? {
            Access::Read
        } else if self.admin.is_some() || self.read.is_some() {
            Access::Unauthorized
        } else if peer.is_some_and(|peer| is_local(headers, *peer)) {
            Access::Read
        } else {
            Access::Remote
        })
    }
}

/// The token of the request; empty without one.
fn bearer(headers: &HeaderMap) -> &[u8] {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked(b"Bearer ".len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map_or(&[][..], |(_, shown)| shown)
}

/// Compares in constant time, so that the duration reveals nothing about the token.
fn is_equal(shown: &[u8], token: &str) -> bool {
    let differences = shown
        .iter()
        .zip(token.as_bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    differences == 0 && shown.len() == token.len()
}

/// Whether a program on this machine sent the request for a name of this machine. The name of another
/// host in `Host` means DNS rebinding: a browser here runs a page from elsewhere.
fn is_local(headers: &HeaderMap, peer: Peer) -> bool {
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(name));
    let host = headers.get(header::HOST);
    let is_own_name = host.is_none_or(|host| host.to_str().is_ok_and(is_loopback_name));
    peer.is_local() && !is_forwarded && is_own_name
}

/// Whether a `Host` names this machine: `localhost`, or an address of the loopback interface.
fn is_loopback_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let is_localhost = name.eq_ignore_ascii_case("localhost");
    is_localhost || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(sent: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = sent.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    fn peer(address: &str) -> Peer {
        Peer::Address(address.parse().unwrap())
    }

    fn tokens(admin: Option<&str>, read: Option<&str>) -> Tokens {
        let secret = |token: &str| Secret::from_value(token).unwrap();
        Tokens {
            admin: admin.map(secret),
            read: read.map(secret),
            local: "local".into(),
        }
    }

    type Case<'a> = (&'a str, &'a [(HeaderName, &'static str)], Access);

    #[test]
    fn without_a_token_only_this_machine_reads() {
        let own = "127.0.0.1:4000";
        let table: [Case<'_>; 10] = [
            (own, &[(header::HOST, "127.0.0.1:10317")], Access::Read),
            (own, &[(header::HOST, "LOCALHOST")], Access::Read),
            ("[::1]:9", &[(header::HOST, "[::1]:10317")], Access::Read),
            ("[::ffff:127.0.0.1]:9", &[], Access::Read),
            (own, &[(header::HOST, "evil.example:10317")], Access::Remote),
            (
                own,
                &[(header::HOST, "127.0.0.1.evil.example")],
                Access::Remote,
            ),
            (own, &[(header::HOST, "localhost@evil")], Access::Remote),
            (own, &[(header::FORWARDED, "for=1.2.3.4")], Access::Remote),
            (
                "10.0.0.7:4000",
                &[(header::HOST, "127.0.0.1")],
                Access::Remote,
            ),
            (
                "10.0.0.7:4000",
                &[(header::AUTHORIZATION, "Bearer local")],
                Access::Full,
            ),
        ];
        for (from, sent, expected) in table {
            let access = tokens(None, None).access(&headers(sent), Some(&peer(from)));
            assert_eq!(access.unwrap(), expected, "{from} {sent:?}");
        }
        let unknown = tokens(None, None).access(&HeaderMap::new(), None);
        assert_eq!(unknown.unwrap(), Access::Remote);
    }

    #[test]
    fn a_configured_token_is_required_on_this_machine_too() {
        let own = peer("127.0.0.1:4000");
        let access = |admin, read, shown: &'static str| {
            let headers = headers(&[(header::AUTHORIZATION, shown)]);
            tokens(admin, read).access(&headers, Some(&own)).unwrap()
        };
        for (admin, read, shown, expected) in [
            (Some("a"), None, "Bearer a", Access::Full),
            (Some("a"), None, "bearer a", Access::Full),
            (Some("a"), None, "Bearer r", Access::Unauthorized),
            (Some("a"), Some("r"), "Bearer a", Access::Full),
            (Some("a"), Some("r"), "Bearer r", Access::Read),
            (Some("a"), Some("r"), "Bearer ", Access::Unauthorized),
            (Some("a"), Some("r"), "Basic r", Access::Unauthorized),
            (None, Some("r"), "Bearer r", Access::Read),
            (None, Some("r"), "", Access::Unauthorized),
            (None, Some("r"), "Bearer local", Access::Full),
        ] {
            assert_eq!(
                access(admin, read, shown),
                expected,
                "{admin:?} {read:?} {shown}"
            );
        }
    }
}
