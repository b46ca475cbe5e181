//! Samples for the web servers in front.

use std::fs;

use crate::{ask, read, succeeded};

#[test]
fn nginx_accepts_the_sample() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let certified = rcgen::generate_simple_self_signed(vec!["metrics.example".to_owned()]).unwrap();
    fs::write(at("tls.crt"), certified.cert.pem()).unwrap();
    fs::write(at("tls.key"), certified.signing_key.serialize_pem()).unwrap();
    fs::write(at("passwords"), "").unwrap();
    let site = read("deploy/nginx/cpa-exporter.conf")
        .replace("/etc/nginx/metrics.example.crt", &at("tls.crt"))
        .replace("/etc/nginx/metrics.example.key", &at("tls.key"))
        .replace("/etc/nginx/cpa-exporter.htpasswd", &at("passwords"));
    assert!(!site.contains(" /etc/nginx"), "a path was not replaced");
    fs::write(at("site.conf"), site).unwrap();
    let main = format!(
        "error_log stderr; pid {}; events {{}} http {{ access_log off; include {}; }}",
        at("pid"),
        at("site.conf")
    );
    fs::write(at("nginx.conf"), main).unwrap();
    let folder = dir.path().to_str().unwrap();
    if let Some(output) = ask("nginx", &["-t", "-p", folder, "-c", &at("nginx.conf")]) {
        assert!(succeeded(&output).contains("test is successful"));
    }
}

#[test]
fn caddy_accepts_the_sample() {
    let Some(version) = ask("caddy", &["version"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut text = read("deploy/caddy/Caddyfile").replace(
        "{$CPA_EXPORTER_PASSWORD_HASH}",
        "$2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG",
    );
    // Debian 12 has 2.6, in which the directive had its older name.
    if succeeded(&version).starts_with("2.6") {
        text = text.replace("basic_auth", "basicauth");
    }
    let file = dir.path().join("Caddyfile");
    fs::write(&file, text).unwrap();
    let output = ask("caddy", &["adapt", "--config", file.to_str().unwrap()]).unwrap();
    let adapted = succeeded(&output);
    for dial in ["127.0.0.1:10317", "127.0.0.1:3000"] {
        assert!(
            adapted.contains(&format!("\"dial\":\"{dial}\"")),
            "{adapted}"
        );
    }
}

/// Both take `/cpa` off the path, as the exporter's own links want it.
#[test]
fn the_exporter_is_below_a_path_of_its_own() {
    assert!(
        read("deploy/nginx/cpa-exporter.conf")
            .contains("proxy_pass           http://127.0.0.1:10317/;")
    );
    assert!(read("deploy/caddy/Caddyfile").contains("handle_path /cpa/*"));
}
