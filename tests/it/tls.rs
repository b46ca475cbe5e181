//! CPA behind TLS: RESP without ALPN and HTTP on the same port.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::tempdir;

use crate::harness::{Exporter, simulator};

/// A server configuration as CPA's, and its certificate for those who shall trust it.
fn certificate() -> (Arc<ServerConfig>, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
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
async fn both_protocols_are_spoken_over_tls() {
    let (tls, pem) = certificate();
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
        // The management API as well.
        exporter
            .when("version", |s| s.keys().any(|k| k.starts_with("cpa_info{")))
            .await;
        exporter.terminate().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_certificate_is_said_and_nothing_is_sent() {
    let (tls, _pem) = certificate();
    let simulator = simulator(|config| config.tls = Some(tls)).await;
    let dir = tempdir().unwrap();
    let url = format!("https://localhost:{}", simulator.addr().port());
    let env = [("CPA_MANAGEMENT_KEY", simulator.management_key())];
    let exporter = Exporter::start_at(&url, &env, dir.path(), &["--cpa.mode", "pop"]).await;
    let line = exporter.logged("CPA gives no answer").await;
    assert!(line.contains("certificate"), "{line}");
}
