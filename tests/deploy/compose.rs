//! `docker-compose.yml` and what it mounts.

use serde_json::Value;

use crate::{read, root, texts, yaml};

fn compose() -> Value {
    yaml("docker-compose.yml")
}

fn services(of: &Value) -> Vec<(&String, &Value)> {
    let services: Vec<_> = of["services"].as_object().unwrap().iter().collect();
    assert!(services.len() >= 5);
    services
}

#[test]
fn every_service_is_locked_in_and_watched() {
    let compose = compose();
    for (name, service) in services(&compose) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(
            texts(&service["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        let user = service["user"].as_str().unwrap();
        assert!(
            !user.is_empty() && !user.starts_with('0') && !user.contains("root"),
            "{name}: {user}"
        );
        let check = texts(&service["healthcheck"]["test"]);
        assert!(check[0] == "CMD" && check.len() > 1, "{name}: {check:?}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(
            service.get("privileged").is_none() && service.get("network_mode").is_none(),
            "{name}"
        );
    }
}

#[test]
fn images_are_of_one_version() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap();
        let numbers = tag.trim_start_matches('v').split('.');
        let numbers: Vec<_> = numbers.map(|n| n.parse::<u32>().is_ok()).collect();
        assert_eq!(numbers, [true; 3], "{name}: {image}");
        if service.get("build").is_some() {
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{name}");
        }
    }
}

#[test]
fn pages_are_published_on_loopback_only() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for port in service.get("ports").map(texts).unwrap_or_default() {
            assert!(port.starts_with("${BIND:-127.0.0.1}:"), "{name}: {port}");
        }
    }
}

/// `${NAME:-default}` by its default, for a path in this checkout.
fn path(text: &str) -> &str {
    match text.strip_prefix("${") {
        Some(rest) => rest.split_once(":-").unwrap().1.trim_end_matches('}'),
        None => text,
    }
}

/// `${NAME:-default}` at its beginning by its default.
fn with_defaults(text: &str) -> String {
    match text
        .strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
    {
        Some((named, rest)) => format!("{}{rest}", named.split_once(":-").unwrap().1),
        None => text.to_owned(),
    }
}

/// A configuration with a bot's token in it is no file of the checkout.
#[test]
fn alertmanager_can_be_given_a_configuration_of_ones_own() {
    let compose = compose();
    let mounts = texts(&compose["services"]["alertmanager"]["volumes"]);
    let mount =
        "${ALERTMANAGER_CONFIG:-./alerts/alertmanager.yml}:/etc/alertmanager/alertmanager.yml:ro";
    assert_eq!(mounts[0], mount);
    let script = "--templates /etc/alertmanager/templates";
    assert!(read("docs/deployment.md").contains(script));
    assert!(mounts[1].contains(":/etc/alertmanager/templates:"));
}

/// Settings of one's own are there or not, and never in the repository.
#[test]
fn the_exporter_takes_a_file_of_settings() {
    let compose = compose();
    let file = &compose["services"]["exporter"]["env_file"][0];
    assert_eq!(file["path"], "./exporter.env");
    assert_eq!(file["required"], false);
    let ignored = read(".gitignore");
    assert!(ignored.lines().any(|line| line == "/exporter.env"));
}

#[test]
fn what_is_mounted_is_there_and_cannot_be_changed() {
    let compose = compose();
    let volumes = compose["volumes"].as_object().unwrap();
    let mut used = Vec::new();
    for (name, service) in services(&compose) {
        for mount in service.get("volumes").map(texts).unwrap_or_default() {
            let mount = with_defaults(mount);
            let parts: Vec<&str> = mount.split(':').collect();
            if !parts[0].starts_with('.') {
                assert!(
                    volumes.contains_key(parts[0]),
                    "{name}: no volume {}",
                    parts[0]
                );
                used.push(parts[0].to_owned());
                continue;
            }
            assert_eq!(parts.get(2), Some(&"ro"), "{name}: {mount}");
            assert!(root().join(parts[0]).exists(), "{name}: {mount}");
        }
    }
    used.sort();
    assert_eq!(used, volumes.keys().cloned().collect::<Vec<_>>());
}

#[test]
fn secrets_are_files_and_nothing_else() {
    let compose = compose();
    let secrets = compose["secrets"].as_object().unwrap();
    for (name, secret) in secrets {
        let file = path(secret["file"].as_str().unwrap());
        assert!(file.starts_with("./secrets/"), "{name}: {file}");
    }
    assert!(read(".gitignore").lines().any(|line| line == "/secrets"));
    for (name, service) in services(&compose) {
        for secret in service.get("secrets").map(texts).unwrap_or_default() {
            assert!(secrets.contains_key(secret), "{name}: {secret}");
        }
        let environment = service.get("environment").and_then(Value::as_object);
        for (key, value) in environment.into_iter().flatten() {
            let is_secret = ["KEY", "PASSWORD", "TOKEN", "SECRET"]
                .iter()
                .any(|word| key.contains(word));
            let value = value.as_str().unwrap();
            assert!(
                !is_secret || value.starts_with("/run/secrets/"),
                "{name}: {key}={value}"
            );
        }
    }
}

#[test]
fn the_demo_needs_nothing_that_is_not_here() {
    let text = read("deploy/compose/demo.env");
    let of = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).unwrap().1.to_owned()
    };
    let compose = compose();
    let simulator = &compose["services"]["simulator"];
    assert_eq!(texts(&simulator["profiles"]), [of("COMPOSE_PROFILES")]);
    assert_eq!(of("CPA_URL"), "http://simulator:8317");
    assert!(texts(&simulator["command"]).contains(&"0.0.0.0:8317"));
    let key = read(&of("CPA_KEY_FILE"));
    assert_eq!(key.trim(), cpa_exporter::simulator::DEFAULT_KEY);
    assert!(!read(&of("GRAFANA_PASSWORD_FILE")).trim().is_empty());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split('=').next().unwrap();
        let known = name == "COMPOSE_PROFILES"
            || read("docker-compose.yml").contains(&format!("${{{name}:-"));
        assert!(known, "{name} is used nowhere");
    }
}

/// What a container is told in its environment and on its command line is understood.
#[test]
fn our_own_program_understands_what_it_is_told() {
    let compose = compose();
    let environment = compose["services"]["exporter"]["environment"]
        .as_object()
        .unwrap();
    let config = read("config.example.toml");
    for name in environment.keys() {
        let key = name
            .strip_prefix("CPA_EXPORTER_")
            .unwrap_or(name)
            .to_lowercase();
        let key = key.split_once('_').map_or(key.as_str(), |(_, key)| key);
        assert!(config.contains(&format!("{key} = ")), "{name}");
    }
    for (service, argument) in [
        ("simulator", "command"),
        ("exporter", "healthcheck"),
        ("simulator", "healthcheck"),
    ] {
        let service = &compose["services"][service];
        let mut arguments = match argument {
            "command" => texts(&service["command"]),
            _ => texts(&service["healthcheck"]["test"])[2..].to_vec(),
        };
        arguments.push("--help");
        let binary = assert_cmd::cargo::cargo_bin!("cpa-exporter");
        let output = std::process::Command::new(binary)
            .args(&arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn prometheus_asks_the_services_that_there_are() {
    let compose = compose();
    let prometheus = yaml("deploy/compose/prometheus.yml");
    let names = |config: &Value| -> Vec<String> {
        let jobs = config["scrape_configs"].as_array().unwrap();
        jobs.iter()
            .map(|job| job["job_name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&prometheus)[0], "cpa");
    let alerting = &prometheus["alerting"]["alertmanagers"];
    let scraped = prometheus["scrape_configs"].as_array().unwrap().iter();
    for config in scraped.chain(alerting.as_array().unwrap()) {
        for target in texts(&config["static_configs"][0]["targets"]) {
            let (host, port) = target.rsplit_once(':').unwrap();
            let service = if host == "127.0.0.1" {
                "prometheus"
            } else {
                host
            };
            let ports = texts(&compose["services"][service]["ports"]);
            assert!(ports[0].ends_with(&format!(":{port}")), "{target}");
        }
    }
    if let Ok(text) = std::fs::read_to_string(root().join("prometheus/prometheus.yml")) {
        let local: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(names(&prometheus), names(&local));
        assert_eq!(prometheus["global"], local["global"]);
        assert_eq!(
            prometheus["rule_files"].as_array().unwrap().len(),
            local["rule_files"].as_array().unwrap().len()
        );
    }
}

/// promtool looks for the rules where the container has them.
#[test]
fn promtool_accepts_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, read("deploy/compose/prometheus.yml")).unwrap();
    let config = config.to_str().unwrap();
    if let Some(output) = crate::ask("promtool", &["check", "config", config]) {
        crate::succeeded(&output);
    }
}
