//! The binary as a shell or a service manager sees it.
#![expect(
    clippy::unwrap_used,
    reason = "test code; clippy.toml covers only test functions"
)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use assert_cmd::cargo::cargo_bin;

fn exporter(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin!("cpa-exporter"));
    command
        .args(arguments)
        .env_clear()
        .env("CPA_MANAGEMENT_KEY", "never-print-me");
    command
}

fn output(arguments: &[&str]) -> (i32, String, String) {
    let output = exporter(arguments).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_valid_configuration_is_said_to_be_valid() {
    let file = "--config.file=tests/fixtures/config/good.toml";
    let (code, stdout, _stderr) = output(&["check-config", file]);
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "The configuration is valid: tests/fixtures/config/good.toml\n"
    );
}

#[test]
fn all_problems_are_on_stderr_and_the_code_is_2() {
    let file = "--config.file=tests/fixtures/config/bad-values.toml";
    let (code, stdout, stderr) = output(&["check-config", file]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("bad-values.toml:32:1: log.format: "),
        "{stderr}"
    );
    assert!(
        stderr.ends_with("the configuration has 20 problems\n"),
        "{stderr}"
    );
    assert!(!stderr.contains("never-print-me"), "{stderr}");
}

/// Files that the configuration names are a part of it: all are read, and none hides another.
#[test]
fn a_file_that_the_configuration_names_is_checked_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("ca.pem"), "no certificate").unwrap();
    for name in ["prices.toml", "limits.toml", "quota.toml"] {
        std::fs::write(at(name), "nobody_knows = 1\n").unwrap();
    }
    let storage = at("data");
    let named = [
        ("--cpa.url", "https://127.0.0.1:1".to_owned()),
        ("--cpa.tls-ca-file", at("ca.pem")),
        ("--quota.file", at("quota.toml")),
        ("--cost.price-file", at("prices.toml")),
        ("--limits.file", at("limits.toml")),
        ("--storage.path", storage.clone()),
        ("--web.listen-address", "127.0.0.1:0".to_owned()),
    ];
    let arguments: Vec<&str> = named.iter().flat_map(|(k, v)| [*k, v.as_str()]).collect();
    let checked = output(&[&["check-config"], &arguments[..]].concat());
    let started = output(&arguments);
    for (code, stdout, stderr) in [&checked, &started] {
        assert_eq!((*code, stdout.as_str()), (2, ""), "{stderr}");
        for part in [
            "ca.pem: the CA file has no X.509 v3 certificate",
            "quota.toml",
            "prices.toml",
            "limits.toml",
            "4 problems",
        ] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
    assert!(!std::path::Path::new(&storage).exists(), "nothing began");
}

#[test]
fn a_storage_path_that_cannot_be_one_is_called_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let storage = format!("--storage.path={}", file.join("data").display());
    let (code, _stdout, stderr) = output(&[&storage]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.starts_with("storage.path: cannot read "), "{stderr}");
}

#[test]
fn an_occupied_port_names_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let storage = format!("--storage.path={}", dir.path().display());
    let (code, _stdout, stderr) = output(&[&storage, "--web.listen-address", &address]);
    assert_eq!(code, 1, "{stderr}");
    let wanted = format!("cannot listen on {address}: another program uses it; ");
    assert!(
        stderr.contains(&wanted) && stderr.contains("--web.listen-address"),
        "{stderr}"
    );
}

#[test]
fn commands_say_where_no_database_is() {
    let dir = tempfile::tempdir().unwrap();
    let storage = format!("--storage.path={}", dir.path().display());
    for command in [
        &["rejects", "list"][..],
        &["prices", "missing"],
        &["backfill"],
        &["reprice", "--from=2026-01-01", "--to=2026-01-02"],
    ] {
        let (code, _stdout, stderr) = output(&[command, &[storage.as_str()]].concat());
        assert_eq!(code, 1, "{command:?}");
        assert!(
            stderr.contains("there is no database ") && !stderr.contains("sqlite"),
            "{command:?}: {stderr}"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_wrong_command_line_is_code_2_and_help_is_0() {
    assert_eq!(output(&["--cpa.ulr=x"]).0, 2);
    assert_eq!(output(&["--help"]).0, 0);
    assert_eq!(output(&["--version"]).0, 0);
}

#[test]
fn completions_know_the_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, stdout, _stderr) = output(&["completions", shell]);
        assert_eq!(code, 0, "{shell}");
        assert!(stdout.contains("cpa.management-key-file"), "{shell}");
    }
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

/// A container with nothing in it but the binary.
#[cfg(target_os = "linux")]
#[test]
fn without_certificate_authorities_only_https_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let storage = dir.path().to_str().unwrap();
    let command = |url: &str, rest: &[&str]| {
        let mut command = exporter(rest);
        command
            .args(["--cpa.url", url, "--storage.path", storage])
            .args(["--web.listen-address", "127.0.0.1:0"])
            .env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent");
        command
    };
    let refused = command("https://127.0.0.1:1", &["check-config"]).output();
    let refused = refused.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    let wanted = "cpa.tls_ca_file: this system has no trusted certificate authorities";
    assert!(said.starts_with(wanted), "{said}");

    let mut child = command("http://127.0.0.1:1", &[])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut before = Vec::new();
    let ready = lines.find(|line| {
        before.push(line.as_ref().unwrap().clone());
        before.last().unwrap().contains("ready: counters")
    });
    assert!(ready.is_some(), "{before:?}");
    let warnings = before
        .iter()
        .filter(|line| line.contains("no trusted certificate authorities"));
    assert_eq!(warnings.count(), 1, "{before:?}");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn sigterm_ends_a_running_exporter_with_code_0() {
    let dir = tempfile::tempdir().unwrap();
    let storage = dir.path().to_str().unwrap();
    let mut child = exporter(&[
        "--web.listen-address=127.0.0.1:0",
        "--storage.path",
        storage,
    ])
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let serving = lines.find(|line| line.as_ref().unwrap().contains("\"serving\""));
    let serving = serving.unwrap().unwrap();
    let address = serving.split("\"address\":\"").nth(1).unwrap();
    let address = address.split('"').next().unwrap();
    let (code, stdout, _stderr) = output(&["healthcheck", "--web.listen-address", address]);
    assert_eq!((code, stdout.as_str()), (0, "healthy\n"));
    signal(&child, "-HUP");
    assert!(lines.any(|line| line.unwrap().contains("configuration reloaded")));
    signal(&child, "-TERM");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    assert!(
        rest.iter()
            .any(|line| line.contains("all received records are committed")),
        "{rest:?}"
    );
}
