use std::fs;

use tempfile::TempDir;

use super::*;
use crate::config::load_web_file;

/// A directory with a certificate, its key, and the file that names them.
fn directory(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(dir.path().join("tls.crt"), own.cert.pem()).unwrap();
    fs::write(dir.path().join("tls.key"), own.signing_key.serialize_pem()).unwrap();
    let path = dir.path().join("web.yml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

const TLS: &str = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n";
const HASH: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

#[test]
fn a_file_with_every_key_is_valid() {
    let text = format!(
        r#"# As for node_exporter.
tls_server_config:
  cert_file: tls.crt
  key_file: "tls.key"
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: tls.crt
  client_allowed_sans: [prometheus.example, 10.0.0.1]
  min_version: TLS12
  max_version: "TLS13"
  cipher_suites:
    - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
  prefer_server_cipher_suites: true
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
    X-XSS-Protection:
basic_auth_users:
  prometheus: {HASH}
  1234: '{HASH}'
rate_limit:
  interval: 100ms
  burst: 5
"#
    );
    let (_dir, path) = directory(&text);
    let loaded = load_web_file(&path).unwrap();
    // The key's mode is the umask's.
    let warnings: Vec<_> = loaded.warnings.iter().map(|it| it.text.as_str()).collect();
    assert!(
        warnings.iter().all(|it| it.contains("chmod")),
        "{warnings:?}"
    );
    let file = loaded.value;
    assert!(file.authenticates());
    assert_eq!(file.files().count(), 4);
    let settings = &file.settings;
    assert!(settings.tls.is_some() && settings.requires_certificate);
    assert_eq!(settings.users.hash("1234"), Some(HASH));
    assert_eq!(settings.headers.len(), 2);
    let rate = settings.rate_limit.unwrap();
    assert_eq!((rate.interval, rate.burst), (Duration::from_millis(100), 5));
    assert!(!format!("{file:?}").contains(HASH));
}

#[test]
fn an_empty_file_and_empty_values_change_nothing() {
    for text in [
        "",
        "# nothing\n",
        "tls_server_config: {}\n",
        "tls_server_config:\n  cert_file: \"\"\nbasic_auth_users:\nrate_limit:\n",
        "tls_server_config: { min_version: TLS13 }\n",
    ] {
        let (_dir, path) = directory(text);
        let file = load_web_file(&path).unwrap().value;
        assert!(
            !file.authenticates() && file.settings.tls.is_none(),
            "{text}"
        );
    }
}

#[test]
fn an_old_minimum_version_is_accepted_with_a_warning() {
    let (_dir, path) = directory(&format!("{TLS}  min_version: TLS10\n"));
    let warnings = load_web_file(&path).unwrap().warnings;
    let found = warnings
        .iter()
        .any(|it| it.text.contains("TLS 1.2 and 1.3"));
    assert!(found, "{warnings:?}");
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let (_dir, path) = directory(text);
        let problems = load_web_file(&path).unwrap_err().to_string();
        assert!(problems.contains(expected), "{text}\n{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_file_line_and_key_and_without_values() {
    check(&[
        ("a: [", "web.yml:1:"),
        ("- a\n", "web.yml:1:1: not a map of keys and values"),
        (
            "rate_limit: {}\nrate_limit: {}\n",
            "web.yml:2:1: not valid YAML: the key is there twice",
        ),
        (
            "rate_limt: {}\n",
            "web.yml:1:1: rate_limt: unknown key; did you mean rate_limit?",
        ),
        (
            "rate_limit:\n  interval: 5\n",
            "web.yml:2:3: rate_limit.interval: expected a duration",
        ),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "web.yml:2:3: http_server_config.headers: expected headers among",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: maybe\n",
            "expected deny or sameorigin for X-Frame-Options",
        ),
        (
            "basic_auth_users:\n  bob: hunter2\n",
            "web.yml:1:1: basic_auth_users: expected a bcrypt hash for user \"bob\"",
        ),
        (
            "basic_auth_users:\n  bob:\n",
            "expected a bcrypt hash for user \"bob\"",
        ),
        (
            "tls_server_config:\n  cert_file: tls.crt\n",
            "web.yml: tls_server_config: key_file (or key) is required",
        ),
        (
            "tls_server_config:\n  cert_file: absent\n",
            "web.yml:2:3: tls_server_config.cert_file: ",
        ),
        (
            "tls_server_config:\n  cert_file: tls.key\n  key_file: tls.key\n",
            "web.yml:2:3: tls_server_config.cert_file: has no certificate",
        ),
        (
            "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.crt\n",
            "web.yml:3:3: tls_server_config.key_file: has no unencrypted key",
        ),
    ]);
}

#[test]
fn tls_settings_that_are_not_supported_are_refused() {
    let cases = [
        (
            "min_version: SSL30",
            "web.yml:4:3: tls_server_config.min_version: expected one of TLS10",
        ),
        (
            "client_auth_type: RequireAnyClientCert",
            "web.yml:4:3: tls_server_config.client_auth_type: expected one of",
        ),
        (
            "client_auth_type: RequireAndVerifyClientCert",
            "web.yml: tls_server_config.client_ca_file: is required",
        ),
        (
            "client_ca_file: tls.crt",
            "web.yml:4:3: tls_server_config.client_ca_file: has no use",
        ),
        (
            "client_allowed_sans: [a]",
            "tls_server_config.client_allowed_sans: needs client_auth_type",
        ),
        (
            "cipher_suites: [RC4]",
            "web.yml:4:3: tls_server_config.cipher_suites: expected a list of Go's names",
        ),
        (
            "curve_preferences: [CurveP521]",
            "web.yml:4:3: tls_server_config.curve_preferences: expected a list of",
        ),
        (
            "min_version: TLS13\n  max_version: TLS12",
            "min_version is higher",
        ),
    ];
    for (line, expected) in cases {
        check(&[(&format!("{TLS}  {line}\n"), expected)]);
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (dir, path) = directory(TLS);
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(
        dir.path().join("tls.key"),
        other.signing_key.serialize_pem(),
    )
    .unwrap();
    let problems = load_web_file(&path).unwrap_err().to_string();
    let expected = "web.yml:2:3: tls_server_config.cert_file: does not fit the key";
    assert!(problems.contains(expected), "{problems}");
}
