//! Sockets other than a TCP port of the exporter's own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cpa_exporter::http_client::{Proxy, Timeouts, build, build_local};
use reqwest::Client;

use crate::harness::{command, eventually, simulator};
use crate::prometheus::{Process, free_port, program};

async fn text(client: &Client, url: &str) -> Option<String> {
    client.get(url).send().await.ok()?.text().await.ok()
}

async fn serves(client: &Client, url: &str) -> String {
    eventually(url, async || {
        let page = text(client, url).await?;
        page.contains("cpa_exporter_build_info").then_some(page)
    })
    .await
}

fn stop(mut process: Process) {
    let id = process.0.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(sent.unwrap().success());
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
}

fn spawn(command: &mut Command) -> Child {
    command.stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_served_replaced_and_deleted() {
    let simulator = simulator(|_| {}).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.sock");
    let data = dir.path().join("data");
    let address = format!("unix:{}", path.display());
    let url = format!("http://{}", simulator.addr());
    let start = || {
        let mut command = command(&data);
        command.args(["--cpa.url", &url, "--web.listen-address", &address]);
        Process(spawn(
            command.env("CPA_MANAGEMENT_KEY", simulator.management_key()),
        ))
    };
    let client = build_local(Timeouts::default(), &path).unwrap();
    let first = start();
    serves(&client, "http://localhost/metrics").await;
    for arguments in [&["healthcheck"][..], &["quota"]] {
        let mut command = command(&data);
        command
            .args(arguments)
            .args(["--web.listen-address", &address]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    // Another exporter does not take the place of one that runs.
    let mut second = command(&dir.path().join("other"));
    second.args(["--cpa.url", &url, "--web.listen-address", &address]);
    let output = second.env("CPA_MANAGEMENT_KEY", "key").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("another program uses it"), "{error}");
    // After kill -9 the socket is left.
    drop(first);
    assert!(path.exists());
    let third = start();
    serves(&client, "http://localhost/metrics").await;
    stop(third);
    assert!(!path.exists());
    assert!(
        fs::read_dir(&data)
            .unwrap()
            .all(|it| it.unwrap().file_name() != "api.sock")
    );
}

/// The exporter behind systemd's own tool for tests of socket activation.
fn activated(data: &Path, url: &str, key: &str, listen: &str) -> Process {
    let exporter = command(data);
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", listen]);
    for (name, value) in exporter.get_envs() {
        let (name, value) = (name.to_str().unwrap(), value.unwrap().to_str().unwrap());
        command.arg(format!("--setenv={name}={value}"));
    }
    command.arg(format!("--setenv=CPA_MANAGEMENT_KEY={key}"));
    command.arg(exporter.get_program());
    command.args(["--cpa.url", url, "--web.systemd-socket"]);
    Process(spawn(command.stdout(Stdio::null())))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_systemd_is_served() {
    if program("systemd-socket-activate").is_none() {
        return;
    }
    let simulator = simulator(|_| {}).await;
    let url = format!("http://{}", simulator.addr());
    let dir = tempfile::tempdir().unwrap();
    let key = simulator.management_key();

    let address = format!("127.0.0.1:{}", free_port());
    let tcp = activated(&dir.path().join("tcp"), &url, key, &address);
    let client = build(Timeouts::default(), Proxy::Never, None).unwrap();
    serves(&client, &format!("http://{address}/metrics")).await;
    stop(tcp);

    let path = dir.path().join("web.sock");
    let unix = activated(&dir.path().join("unix"), &url, key, path.to_str().unwrap());
    let client = build_local(Timeouts::default(), &path).unwrap();
    serves(&client, "http://localhost/metrics").await;
    stop(unix);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_socket_of_systemd_the_start_names_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command
        .arg("--web.systemd-socket")
        .env("CPA_MANAGEMENT_KEY", "key");
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("systemd passed no socket: start cpa-exporter.socket"),
        "{error}"
    );
}
