//! CPA behind TLS: RESP without ALPN and HTTP on the same port.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::tempdir;

use crate::harness::{Exporter, simulator};

/// A TLS server configuration like CPA's, and its certificate for clients to trust. It is marked as
/// an authority, as certificates of `openssl req -x509` are.
fn certificate(name: &str) -> (Arc<ServerConfig>, String) {
    let signing_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = params.self_signed(&signing_key).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    // The simulator serves no HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (Arc::new(config), cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn resp_and_http_work_over_tls() {
    let (tls, pem) = certificate("localhost");
    let simulator = simulator(|config| config.tls = Some(tls)).await;
    let dir = tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let url = format!("https://localhost:{}", simulator.addr().port());
    let env = [("CPA_MANAGEMENT_KEY", simulator.management_key())];
    for mode in ["pop", "subscribe", "http"] {
        let data = dir.path().join(mode);
        let flags = [
            "--cpa.mode",
            mode,
            "--cpa.tls-ca-file",
            file.to_str().unwrap(),
        ];
        simulator.generate(50);
        let exporter = Exporter::start_at(&url, &env, &data, &flags).await;
        exporter
            .when(mode, |s| s.get("cpa_store_events") == Some(&50.0))
            .await;
        // The management API too.
        exporter
            .when("version", |s| s.keys().any(|k| k.starts_with("cpa_info{")))
            .await;
        exporter.terminate().await;
    }
}

/// The log line with the cause of the failure.
async fn refusal(url: &str, key: &str, flags: &[&str]) -> serde_json::Value {
    let dir = tempdir().unwrap();
    let env = [("CPA_MANAGEMENT_KEY", key)];
    let exporter = Exporter::start_at(url, &env, dir.path(), flags).await;
    let line = exporter.logged("CPA is unreachable").await;
    let (_, log) = exporter.terminate().await;
    let foreign = log
        .lines()
        .find(|line| line.contains(r#""target":"rustls"#));
    assert_eq!(foreign, None, "rustls logs what we log");
    serde_json::from_str(&line).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_certificate_is_logged_with_advice() {
    let (tls, _pem) = certificate("localhost");
    let trusted = simulator(|config| config.tls = Some(tls)).await;
    let (tls, pem) = certificate("other.example");
    let named = simulator(|config| config.tls = Some(tls)).await;
    let dir = tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let ca = ["--cpa.tls-ca-file", file.to_str().unwrap()];
    for mode in ["pop", "http"] {
        let url = format!("https://localhost:{}", trusted.addr().port());
        for flags in [
            vec!["--cpa.mode", mode],
            ["--cpa.mode", mode, ca[0], ca[1]].to_vec(),
        ] {
            let line = refusal(&url, trusted.management_key(), &flags).await;
            let remedy = line["remedy"].as_str().unwrap();
            assert!(remedy.contains("cpa.tls_ca_file"), "{line}");
        }
        let url = format!("https://localhost:{}", named.addr().port());
        let flags = ["--cpa.mode", mode, ca[0], ca[1]];
        let line = refusal(&url, named.management_key(), &flags).await;
        let remedy = line["remedy"].as_str().unwrap();
        assert!(
            remedy.contains("valid for other.example, not for localhost"),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_scheme_is_logged_with_advice() {
    let (tls, _pem) = certificate("localhost");
    let https = simulator(|config| config.tls = Some(tls)).await;
    let http = simulator(|_| {}).await;
    for mode in ["auto", "pop", "http"] {
        let flags = ["--cpa.mode", mode];
        let url = format!("https://localhost:{}", http.addr().port());
        let line = refusal(&url, http.management_key(), &flags).await;
        let remedy = line["remedy"].as_str().unwrap();
        assert!(remedy.contains("write http:// in cpa.url"), "{mode} {line}");
        let url = format!("http://localhost:{}", https.addr().port());
        let line = refusal(&url, https.management_key(), &flags).await;
        let remedy = line["remedy"].as_str().unwrap();
        assert!(
            remedy.contains("write https:// in cpa.url"),
            "{mode} {line}"
        );
    }
}
