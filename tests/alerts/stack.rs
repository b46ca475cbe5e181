//! `scripts/stack` starts all programs and stops all of them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::support::{client, eventually, free_port, get, have, root};

/// Killed on drop, together with its children.
struct Stack(Child);

impl Stack {
    fn interrupt(&self) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &id]).status();
        assert!(sent.unwrap().success());
    }
}

impl Stack {
    /// Its output until all programs run.
    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for line in BufReader::new(self.0.stdout.take().unwrap()).lines() {
            said.push(line.unwrap());
            if said.last().unwrap().starts_with("Ctrl-C ") {
                return said;
            }
        }
        let mut why = String::new();
        let complaint = self.0.stderr.as_mut().unwrap();
        complaint.read_to_string(&mut why).unwrap();
        panic!("it ended early: {said:?}: {why}");
    }
}

/// The text after a printed name.
fn line<'a>(said: &'a [String], name: &str) -> &'a str {
    let found = said.iter().find_map(|line| line.strip_prefix(name));
    let found = found.filter(|rest| rest.starts_with("  "));
    found
        .unwrap_or_else(|| panic!("{name} is not in {said:?}"))
        .trim()
}

/// A printed line, as a user would paste it.
async fn run(line: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

impl Drop for Stack {
    fn drop(&mut self) {
        // On SIGTERM it stops its children; SIGKILL would orphan them.
        let id = self.0.id().to_string();
        Command::new("kill")
            .arg(&id)
            .stderr(Stdio::null())
            .status()
            .ok();
        self.0.wait().ok();
    }
}

fn start(flags: &[&str]) -> Stack {
    let mut command = Command::new(root().join("scripts/stack"));
    command
        .args(["--binary", env!("CARGO_BIN_EXE_cpa-exporter")])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Stack(command.spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_runs_and_cleans_up() {
    if !have(&["prometheus", "prometheus-alertmanager"]) {
        return;
    }
    let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    let mut stack = start(&["--ports", &list.join(",")]);
    let said = stack.said();
    let of = |name: &str| line(&said, name);
    assert_eq!(
        of("exporter"),
        format!("http://127.0.0.1:{}/metrics", ports[0])
    );
    for name in ["exporter", "Prometheus"] {
        let answer = client().get(of(name)).send().await.unwrap();
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
    }
    let messages = of("messages").to_owned();
    let test = of("a test alert").to_owned();
    // All alerts except the test alert are silenced: the test alert must be sent.
    for call in said
        .iter()
        .filter_map(|line| line.trim().strip_prefix("amtool "))
    {
        run(&format!("amtool {call}")).await;
    }
    run(&test).await;
    let arrived = std::fs::read_to_string(&messages).unwrap();
    assert!(arrived.contains("firing warning CPATest: "), "{arrived}");
    let prometheus = format!("http://127.0.0.1:{}", ports[1]);
    eventually("Prometheus scrapes the demo", async || {
        let answer = get(&format!(
            "{prometheus}/api/v1/query?query=up%7Bjob%3D%22cpa%22%7D"
        ))
        .await?;
        (answer.pointer("/data/result/0/value/1")? == "1").then_some(())
    })
    .await;
    let rules = get(&format!("{prometheus}/api/v1/rules")).await.unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 9, "{rules}");
    let found = eventually("Prometheus finds Alertmanager", async || {
        let answer = get(&format!("{prometheus}/api/v1/alertmanagers")).await?;
        answer.pointer("/data/activeAlertmanagers/0/url").cloned()
    })
    .await;
    assert_eq!(
        found,
        format!("http://127.0.0.1:{}/api/v2/alerts", ports[2])
    );
    stack.interrupt();
    let status = stack.0.wait().unwrap();
    assert!(status.success(), "{status}");
    let dir = of("logs").trim_end_matches("/*.log");
    assert!(!std::path::Path::new(dir).exists(), "{dir} is left behind");
    for port in &ports[..3] {
        assert!(
            TcpStream::connect(("127.0.0.1", *port)).is_err(),
            "something still serves on {port}"
        );
    }
}

/// Fails before it builds or starts anything.
#[test]
fn a_wrong_command_line_is_reported() {
    if !have(&["prometheus", "prometheus-alertmanager"]) {
        return;
    }
    for (flags, complaint) in [
        (
            ["--ports", "1,2,3"],
            "--ports wants four numbers, not 1,2,3",
        ),
        (
            ["--ports", "1,2,3,4,5"],
            "--ports wants four numbers, not 1,2,3,4,5",
        ),
        (["--ports", "1,2,3,65536"], "there is no port 65536"),
        (
            ["--exporter", "here"],
            "--exporter wants HOST:PORT, not here",
        ),
        (
            ["--binary", "/nonexistent"],
            "/nonexistent is not there, or no program",
        ),
        (
            ["--alertmanager", "/nonexistent"],
            "/nonexistent cannot be read",
        ),
        (
            ["--language", "xx"],
            "there are boards in en, vi and zh, not in xx",
        ),
    ] {
        let mut stack = start(&flags);
        assert_eq!(stack.0.wait().unwrap().code(), Some(2), "{flags:?}");
        let said = BufReader::new(stack.0.stderr.take().unwrap()).lines();
        let said: Vec<String> = said.map(Result::unwrap).collect();
        assert_eq!(said, [format!("stack: {complaint}")]);
    }
}

#[test]
fn without_prometheus_the_error_links_the_download() {
    let tools = tempfile::tempdir().unwrap();
    for name in ["bash", "dirname"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output();
        let path = String::from_utf8(found.unwrap().stdout).unwrap();
        std::os::unix::fs::symlink(path.trim(), tools.path().join(name)).unwrap();
    }
    let output = Command::new(tools.path().join("bash"))
        .arg(root().join("scripts/stack"))
        .env("PATH", tools.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "stack: prometheus is not installed (apt-get install prometheus)\n"
    );
}

#[test]
fn an_occupied_port_is_reported() {
    if !have(&["prometheus", "prometheus-alertmanager"]) {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|at| (taken, at.port())).unwrap();
    let ports = format!(
        "{},{},{},{}",
        free_port(),
        taken.1,
        free_port(),
        free_port()
    );
    let mut stack = start(&["--ports", &ports]);
    let status = stack.0.wait().unwrap();
    assert_eq!(status.code(), Some(2));
    let said = BufReader::new(stack.0.stderr.take().unwrap()).lines();
    let said: Vec<String> = said.map(Result::unwrap).collect();
    let line = format!(
        "stack: port {} for Prometheus is taken; --ports chooses others",
        taken.1
    );
    assert_eq!(said, [line]);
}
