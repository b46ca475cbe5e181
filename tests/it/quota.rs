//! `cpa-exporter quota`, with a running exporter and without.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use cpa_exporter::clock::Clock;
use cpa_exporter::simulator::Simulator;
use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{Exporter, command, eventually, simulator};

/// An address without a listener.
const NOBODY: &str = "127.0.0.1:1";
const TOKEN: &str = "token-of-the-api";

struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// Runs `cpa-exporter quota …` with the exporter at `address`.
fn quota(directory: &Path, env: &[(&str, &str)], address: &str, arguments: &[&str]) -> Ended {
    let mut command = command(directory);
    command
        .arg("quota")
        .args(["--web.listen-address", address])
        .args(arguments)
        .envs(env.iter().copied())
        .stdout(Stdio::piped());
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Without an exporter, against this CPA.
fn alone(simulator: &Simulator, directory: &Path, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", simulator.addr());
    let env = [("CPA_MANAGEMENT_KEY", simulator.management_key())];
    let arguments = [&["--cpa.url", &url], arguments].concat();
    quota(directory, &env, NOBODY, &arguments)
}

fn token_file(directory: &Path, token: &str) -> String {
    let path = directory.join(format!("{token}.txt"));
    fs::write(&path, token).unwrap();
    path.to_str().unwrap().to_owned()
}

fn accounts(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

/// Accounts with limits.
fn read_accounts(json: &str) -> Vec<Value> {
    let mut all = accounts(json);
    all.retain(|account| !account["limits"].as_array().unwrap().is_empty());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quota_refreshes_a_running_exporter_once_per_cooldown() {
    let simulator = simulator(|_| {}).await;
    let (dir, files) = (tempdir().unwrap(), tempdir().unwrap());
    let token = token_file(files.path(), TOKEN);
    let flags = ["--web.api-token-file", token.as_str()];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let address = exporter.addr().to_string();
    let ask = |arguments: &[&str]| {
        let arguments = [&flags, arguments].concat();
        // Another directory, so that the exporter's is not read.
        quota(files.path(), &[], &address, &arguments)
    };
    eventually("accounts are named", async || {
        let shown = ask(&["--format", "json"]);
        (accounts(&shown.out).len() >= 16).then_some(())
    })
    .await;

    let before = Clock::system().now().as_millis() as f64 / 1000.0;
    let first = ask(&["--refresh", "--format", "json"]);
    assert_eq!(first.code, 0, "{}", first.err);
    let said = first.err.lines().next().unwrap();
    assert!(said.starts_with("asked 8, answered 8, failed 0"), "{said}");
    // The page is updated before the refresh returns.
    let read = read_accounts(&first.out);
    assert_eq!(read.len(), 8, "{}", first.out);
    let limits = read.iter().flat_map(|a| a["limits"].as_array().unwrap());
    let mut observed = limits.map(|limit| limit["observed"].as_f64().unwrap());
    assert!(observed.all(|at| at >= before), "{}", first.out);

    let second = ask(&["refresh"]);
    assert_eq!(second.code, 0, "{}", second.err);
    assert!(
        second.err.starts_with("cooling down: ")
            && (second.err.contains("again in 4m") || second.err.contains("again in 5m")),
        "{}",
        second.err
    );
    assert!(
        second.out.contains("LEFT") && second.out.contains('█'),
        "{}",
        second.out
    );
    assert!(!second.out.contains('\u{1b}'), "colours without a terminal");
    assert!(
        second.out.lines().all(|line| line.chars().count() <= 100),
        "{}",
        second.out
    );

    let name = read[0]["account"].as_str().unwrap();
    let one = ask(&["--account", name, "--format", "csv"]);
    let rows: Vec<&str> = one.out.lines().collect();
    assert!(rows[0].starts_with("provider,account,"), "{}", one.out);
    assert!(
        rows.len() > 1 && rows[1..].iter().all(|row| row.contains(name)),
        "{}",
        one.out
    );
    let none = ask(&["--account", "no such & one"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    assert_eq!(none.err, "no account matches\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quota_refresh_requires_a_token_and_never_prints_it() {
    let simulator = simulator(|_| {}).await;
    let (dir, files) = (tempdir().unwrap(), tempdir().unwrap());
    let token = token_file(files.path(), TOKEN);
    let flags = ["--web.api-token-file", token.as_str()];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let address = exporter.addr().to_string();
    let ask = |arguments: &[&str]| quota(files.path(), &[], &address, arguments);
    let without = ask(&[]);
    assert_eq!((without.code, without.out.as_str()), (1, ""));
    assert!(without.err.contains("requires a token"), "{}", without.err);
    let wrong = token_file(files.path(), "another-secret");
    let wrong = ask(&["--web.api-token-file", &wrong]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""));
    assert!(
        wrong.err.contains("does not accept the token"),
        "{}",
        wrong.err
    );
    for output in [&without.err, &wrong.err] {
        assert!(!output.contains(TOKEN), "{output}");
        assert!(
            !output
                .replace("another-secret.txt", "")
                .contains("another-secret"),
            "{output}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exporter_without_token_shows_quotas_but_refuses_a_refresh() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let address = exporter.addr().to_string();
    let shown = quota(dir.path(), &[], &address, &[]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let refused = quota(dir.path(), &[], &address, &["--refresh"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("web.api_token_file is not set"),
        "{}",
        refused.err
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_exporter_quota_polls_each_account_once_and_stores_nothing() {
    for version in ["7.2.140", "8.0.10"] {
        let simulator = simulator(|config| config.version = version.parse().unwrap()).await;
        let dir = tempdir().unwrap();
        let storage = dir.path().join("storage");
        let shown = alone(&simulator, &storage, &["--format", "json"]);
        assert_eq!(shown.code, 0, "{}", shown.err);
        assert!(
            shown
                .err
                .starts_with(&format!("no exporter runs at {NOBODY}")),
            "{}",
            shown.err
        );
        assert!(shown.err.contains("failed 0"), "{}", shown.err);
        assert!(!storage.exists());
        let all = accounts(&shown.out);
        assert!(all.len() >= 16, "{version}: {}", shown.out);
        assert!(
            read_accounts(&shown.out).len() >= 8,
            "{version}: {}",
            shown.out
        );
        for account in &all {
            // The provider and six digits of CPA's index.
            let (stem, digits) = account["account"]
                .as_str()
                .unwrap()
                .rsplit_once('-')
                .unwrap();
            assert_eq!(stem, account["provider"].as_str().unwrap());
            assert_eq!(digits.len(), 6, "{account}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quota_prints_the_same_with_and_without_an_exporter() {
    let simulator = simulator(|_| {}).await;
    let (dir, files) = (tempdir().unwrap(), tempdir().unwrap());
    let token = token_file(files.path(), TOKEN);
    let flags = ["--web.api-token-file", token.as_str()];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let address = exporter.addr().to_string();
    let figures = |json: &str| -> Vec<String> {
        let mut all = Vec::new();
        for account in accounts(json) {
            for limit in account["limits"].as_array().unwrap() {
                all.push(format!(
                    "{} {} {} {} {} {}",
                    account["account"],
                    account["plan"],
                    account["state"],
                    limit["limit"],
                    limit["window"],
                    limit["used_ratio"]
                ));
            }
        }
        all
    };
    let by_itself = figures(&alone(&simulator, files.path(), &["--format", "json"]).out);
    assert!(by_itself.len() > 20);
    eventually("the exporter has read them, too", async || {
        let arguments = [&flags[..], &["--format", "json"]].concat();
        let shown = quota(files.path(), &[], &address, &arguments);
        (figures(&shown.out) == by_itself).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_exporter_aliases_filters_and_the_time_zone_apply() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let all = accounts(&alone(&simulator, dir.path(), &["--format", "json"]).out);
    let codex: Vec<&Value> = all.iter().filter(|a| a["provider"] == "codex").collect();
    let name = codex[0]["account"].as_str().unwrap();
    let alias = format!("{name}=work");
    let arguments = [
        "--provider",
        "codex",
        "--format",
        "csv",
        "--aliases.accounts",
        &alias,
    ];
    let url = format!("http://{}", simulator.addr());
    let env = [
        ("CPA_MANAGEMENT_KEY", simulator.management_key()),
        ("CPA_EXPORTER_CPA_URL", url.as_str()),
        ("TZ", "Asia/Kathmandu"),
    ];
    let shown = quota(dir.path(), &env, NOBODY, &arguments);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let rows: Vec<&str> = shown.out.lines().skip(1).collect();
    assert!(
        rows.iter().all(|row| row.starts_with("codex,")),
        "{}",
        shown.out
    );
    assert!(
        rows.iter().any(|row| row.starts_with("codex,work,")),
        "{}",
        shown.out
    );
    assert!(rows.iter().all(|row| !row.contains(name)), "{}", shown.out);
    assert!(
        rows.iter().any(|row| row.ends_with("+05:45,,,,,")),
        "{}",
        shown.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_poll_is_listed_with_its_reason() {
    let fault = serde_json::json!({"mode": "rate_limited"});
    let fault = serde_json::from_value(fault).unwrap();
    let simulator = simulator(|config| {
        config.quota_faults.insert("claude".to_owned(), fault);
    })
    .await;
    let dir = tempdir().unwrap();
    let shown = alone(&simulator, dir.path(), &["--provider", "claude"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let failed = shown
        .err
        .lines()
        .filter(|line| line.ends_with(": throttled"));
    assert!(failed.count() >= 1, "{}", shown.err);
    assert!(shown.err.contains("answered 0"), "{}", shown.err);
    assert!(shown.out.contains("no readings"), "{}", shown.out);
    let off = alone(&simulator, dir.path(), &["--quota.enabled=false"]);
    assert!(off.err.contains("quota.enabled is false"), "{}", off.err);
    let counts = "asked 0, answered 0, failed 0, not asked 16";
    assert!(off.err.contains(counts), "{}", off.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_exporter_and_cpa_quota_fails() {
    let dir = tempdir().unwrap();
    let env = [("CPA_MANAGEMENT_KEY", "a-secret-key")];
    let url = format!("http://{NOBODY}");
    let down = quota(dir.path(), &env, NOBODY, &["--cpa.url", &url]);
    assert_eq!((down.code, down.out.as_str()), (1, ""));
    assert!(
        down.err.contains("CPA's accounts cannot be read from"),
        "{}",
        down.err
    );

    let simulator = simulator(|_| {}).await;
    let url = format!("http://{}", simulator.addr());
    let wrong = quota(dir.path(), &env, NOBODY, &["--cpa.url", &url]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""));
    assert!(
        wrong.err.contains("CPA refused the management key"),
        "{}",
        wrong.err
    );
    let missing = quota(dir.path(), &[], NOBODY, &["--cpa.url", &url]);
    assert_eq!((missing.code, missing.out.as_str()), (2, ""));
    for output in [&down.err, &wrong.err] {
        assert!(!output.contains("a-secret-key"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_reading_has_its_reason() {
    let fault = serde_json::json!({"mode": "rate_limited"});
    let fault = serde_json::from_value(fault).unwrap();
    let simulator = simulator(|config| {
        config.quota_faults.insert("claude".to_owned(), fault);
    })
    .await;
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let url = format!("http://{}/", exporter.addr());
    let ask = |arguments: &[&str]| {
        let arguments = [&["--url", &url], arguments].concat();
        quota(other.path(), &[], NOBODY, &arguments)
    };
    let why = eventually("the reason", async || {
        let shown = ask(&["--provider", "claude", "--format", "json"]);
        let mut all = accounts(&shown.out);
        all.retain(|account| account["no_reading"]["reason"] == "throttled");
        Some(all.first()?["no_reading"].clone())
    })
    .await;
    let (since, next) = (
        why["since"].as_f64().unwrap(),
        why["next_try"].as_f64().unwrap(),
    );
    assert!(next - since > 60.0, "{why}");
    let shown = ask(&["--provider", "claude"]);
    assert!(
        shown.out.contains("no readings: throttled since "),
        "{}",
        shown.out
    );
    for asked in [
        ask(&["--provider", "codx"]),
        alone(&simulator, other.path(), &["--provider", "codx"]),
    ] {
        assert_eq!(asked.code, 2, "{}", asked.err);
        assert!(
            asked.err.contains("there is no provider \"codx\""),
            "{}",
            asked.err
        );
        assert!(asked.err.contains("claude, codex"), "{}", asked.err);
    }
    let nobody = quota(other.path(), &[], NOBODY, &["--url", "http://127.0.0.1:9"]);
    assert_eq!(nobody.code, 1, "{}", nobody.err);
    assert!(!nobody.err.contains("CPA"), "{}", nobody.err);
}
