use std::{collections::BTreeSet, fs};

use secrecy::ExposeSecret as _;

use super::{raw::Raw, *};

const FIXTURES: &str = "tests/fixtures/config";

/// Placed wherever a fixture could leak a secret.
const SECRET: &str = "never-print-me";

fn fixture(name: &str) -> Flags {
    Flags {
        config_file: Some(Path::new(FIXTURES).join(name)),
        ..Flags::default()
    }
}

fn flags<const N: usize>(pairs: [(&str, &str); N]) -> Flags {
    let mut flags = Flags::default();
    for (path, value) in pairs {
        flags.set(path, value);
    }
    flags
}

fn with_key() -> Env {
    Env::from([
        ("CPA_MANAGEMENT_KEY", "from-env"),
        ("STATE_DIRECTORY", "/var/lib/cpa-exporter"),
    ])
}

fn key_of(config: &Config) -> String {
    let secret = config.cpa.management_key.read().unwrap();
    secret.expose_secret().to_owned()
}

/// All problems of a fixture, as a user sees them.
fn report(name: &str) -> String {
    let problems = load(&fixture(name), &Env::default()).unwrap_err();
    let text = problems.to_string();
    assert!(!text.contains(SECRET), "{text}");
    assert!(!format!("{problems:?}").contains(SECRET), "{problems:?}");
    text
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let mut names: Vec<String> = fs::read_dir(FIXTURES)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("bad-"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        insta::assert_snapshot!(name.trim_end_matches(".toml"), report(&name));
    }
}

#[test]
fn a_good_file_sets_every_value() {
    let config = load(&fixture("good.toml"), &Env::default()).unwrap().value;
    assert_eq!(key_of(&config), "fixture-key");
    insta::assert_debug_snapshot!("good", config);
}

#[test]
fn defaults_apply_without_a_file() {
    let loaded = load(&Flags::default(), &with_key()).unwrap();
    assert_eq!(loaded.warnings, []);
    insta::assert_debug_snapshot!("defaults", loaded.value);
}

#[test]
fn flag_overrides_environment_overrides_file_overrides_default() {
    let mut env = vec![("CPA_EXPORTER_CPA_MODE", "http")];
    let mode = |flags: &Flags, env: Env| load(flags, &env).unwrap().value.cpa.mode;
    let mut flags = fixture("good.toml");
    assert_eq!(mode(&flags, Env::default()), Mode::Subscribe);
    assert_eq!(mode(&flags, Env::from([env.remove(0)])), Mode::Http);
    flags.set("cpa.mode", "pop");
    let env = Env::from([("CPA_EXPORTER_CPA_MODE", "http")]);
    assert_eq!(mode(&flags, env), Mode::Pop);
    assert_eq!(mode(&Flags::default(), with_key()), Mode::Auto);
}

#[test]
fn the_environment_can_set_the_file_and_a_missing_file_is_an_error() {
    let named = |path| Env::from([("CPA_EXPORTER_CONFIG_FILE", path)]);
    let good = named("tests/fixtures/config/good.toml");
    assert!(load(&Flags::default(), &good).is_ok());
    let absent = load(&Flags::default(), &named("/nonexistent/config.toml")).unwrap_err();
    let text = absent.to_string();
    assert!(
        text.starts_with("/nonexistent/config.toml: cannot read the configuration file: "),
        "{text}"
    );
    assert!(!text.contains("management key"), "it may be there: {text}");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let env = Env::from([("CPA_EXPORTER_CPA_URL", ""), ("CPA_MANAGEMENT_KEY", "k")]);
    let config = load(&Flags::default(), &env).unwrap().value;
    assert_eq!(config.cpa.url.to_string(), "http://127.0.0.1:8317");
}

#[test]
fn problems_of_environment_and_flags_name_them() {
    let env = Env::from([
        ("CPA_EXPORTER_LOG_LEVEL", "loud"),
        ("CPA_MANAGEMENT_KEY_FILE", "/nonexistent/key"),
    ]);
    let problems = load(&flags([("web.max_connections", "many")]), &env).unwrap_err();
    insta::assert_snapshot!("environment_and_flags", problems.to_string());
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let env = Env::from([
        ("CPA_EXPORTER_CPA_ULR", "http://127.0.0.1:1"),
        ("CPA_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ("CPA_EXPORTER_PORT", "tcp://10.0.0.1:10317"),
        ("CPA_MANAGEMENT_KEY", "k"),
    ]);
    let warnings = load(&Flags::default(), &env).unwrap().warnings;
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let expected = "environment CPA_EXPORTER_CPA_ULR: no key has this name, it is ignored; did \
                    you mean CPA_EXPORTER_CPA_URL?";
    assert_eq!(texts, [expected]);
}

#[test]
fn the_first_layer_decides_the_management_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, "from-flag\n").unwrap();
    let given = flags([("cpa.management_key_file", path.to_str().unwrap())]);
    let config = load(&given, &with_key()).unwrap().value;
    assert_eq!(key_of(&config), "from-flag");
    // The file gives management_key_file, the environment the key: no contradiction.
    let config = load(&fixture("good.toml"), &with_key()).unwrap().value;
    assert_eq!(key_of(&config), "from-env");
}

#[cfg(unix)]
#[test]
fn a_world_readable_key_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, "k").unwrap();
    let given = flags([("cpa.management_key_file", path.to_str().unwrap())]);
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&given, &Env::default()).unwrap();
        assert_eq!(loaded.warnings.len(), warnings, "{mode:o}");
    }
}

#[test]
fn debug_output_of_a_config_has_no_secrets() {
    let env = Env::from([("CPA_MANAGEMENT_KEY", SECRET)]);
    let loaded = load(&Flags::default(), &env).unwrap();
    assert!(!format!("{loaded:?} {env:?}").contains(SECRET));
}

#[test]
fn the_default_data_directory_follows_the_platform() {
    let path = |env: Env| load_storage(&Flags::default(), &env).unwrap().value.path;
    let systemd = Env::from([("STATE_DIRECTORY", "/var/lib/a:/b"), ("HOME", "/home/x")]);
    assert_eq!(path(systemd), Path::new("/var/lib/a"));
    assert_eq!(path(Env::default()), Path::new("cpa-exporter-data"));
    if cfg!(target_os = "linux") {
        let xdg = Env::from([("XDG_DATA_HOME", "/data"), ("HOME", "/home/x")]);
        assert_eq!(path(xdg), Path::new("/data/cpa-exporter"));
        let home = Env::from([("HOME", "/home/x")]);
        assert_eq!(path(home), Path::new("/home/x/.local/share/cpa-exporter"));
    }
}

#[test]
fn tables_can_be_set_as_text() {
    let given = flags([
        ("aliases.accounts", "a=one, b=two words"),
        ("cpa.mode", "pop"),
    ]);
    let accounts = load(&given, &with_key()).unwrap().value.aliases.accounts;
    let expected = [("a", "one"), ("b", "two words")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let texts = accounts
        .into_iter()
        .map(|(name, alias)| (name, alias.to_string()));
    assert_eq!(texts.collect::<BTreeMap<_, _>>(), BTreeMap::from(expected));
}

#[test]
fn a_section_can_be_read_without_the_management_key() {
    let env = Env::default();
    let web = load_web(&fixture("good.toml"), &env).unwrap().value;
    assert_eq!(web.listen_address.reach_at(), "[::1]:9999");
    assert!(load_web(&Flags::default(), &env).is_ok());
    assert!(load(&Flags::default(), &env).is_err());
}

#[test]
fn listen_addresses_are_parsed() {
    let listen = |text: &str| {
        let given = flags([("web.listen_address", text)]);
        load_web(&given, &Env::default()).map(|loaded| loaded.value.listen_address)
    };
    for (text, bind, reach) in [
        ("127.0.0.1:1", vec!["127.0.0.1:1"], "127.0.0.1:1"),
        (":1", vec!["[::]:1", "0.0.0.0:1"], "127.0.0.1:1"),
        ("0.0.0.0:1", vec!["0.0.0.0:1"], "127.0.0.1:1"),
        ("[::]:1", vec!["[::]:1"], "[::1]:1"),
        ("localhost:1", vec!["localhost:1"], "localhost:1"),
        ("unix:/run/a:b.sock", vec![], "unix:/run/a:b.sock"),
    ] {
        let address = listen(text).unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(address.bind_to(), bind, "{text}");
        assert_eq!(address.reach_at(), reach, "{text}");
    }
    for wrong in [
        "localhost",
        "unix:relative",
        "http://localhost:1",
        "1.2.3.4:x",
        "a b:1",
        "::1:70000",
    ] {
        assert!(listen(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn cpa_urls_are_parsed() {
    let url = |text: &str| {
        let mut given = flags([("cpa.url", text)]);
        given.set("cpa.mode", "pop");
        load(&given, &with_key()).map(|loaded| loaded.value.cpa.url)
    };
    let plain = url("http://127.0.0.1:8317").unwrap();
    assert_eq!((plain.host(), plain.port()), ("127.0.0.1", 8317));
    assert!(plain.is_loopback() && !plain.is_tls());
    let endpoint = plain.endpoint("v0/management/usage-queue");
    assert_eq!(
        endpoint.as_str(),
        "http://127.0.0.1:8317/v0/management/usage-queue"
    );
    let deep = url("https://[2001:db8::1]/cpa").unwrap();
    assert_eq!((deep.host(), deep.port()), ("2001:db8::1", 443));
    assert!(deep.is_tls() && !deep.is_loopback());
    assert_eq!(deep.endpoint("v8").as_str(), "https://[2001:db8::1]/cpa/v8");
    for wrong in [
        "127.0.0.1:8317",
        "redis://h:1",
        "http://u@h",
        "http://h?q=1",
        "http://h#f",
        "http://",
    ] {
        assert!(url(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_paths_of_cpas_pages_are_removed_from_its_url() {
    let load = |text: &str| load(&flags([("cpa.url", text)]), &with_key()).unwrap();
    for (given, base) in [
        ("http://h:8317/v0/management", "http://h:8317"),
        ("http://h:8317/v0/management/", "http://h:8317"),
        ("http://h:8317//v8/management//", "http://h:8317"),
        ("http://h:8317/management.html", "http://h:8317"),
        ("http://h:8317/Management.html#/login", "http://h:8317"),
        (
            "http://h:8317/management.html?lang=en#/quota",
            "http://h:8317",
        ),
        ("http://h:8317/v1", "http://h:8317"),
        ("https://h/cpa/v0/management", "https://h/cpa"),
        ("https://h/cpa/management.html/", "https://h/cpa"),
        ("https://h/v1/v0/management", "https://h"),
    ] {
        let loaded = load(given);
        assert_eq!(loaded.value.cpa.url.to_string(), base, "{given}");
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let expected = format!(
            "flag --cpa.url: the base URL of CPA ends before its own paths; {base} is used"
        );
        assert_eq!(warnings, [expected], "{given}");
    }
    for (given, base) in [
        ("http://h:8317", "http://h:8317"),
        ("http://h:8317///", "http://h:8317"),
        ("https://h/cpa/", "https://h/cpa"),
        ("https://h/cpav1", "https://h/cpav1"),
        ("https://h/xmanagement.html", "https://h/xmanagement.html"),
    ] {
        let loaded = load(given);
        assert_eq!(loaded.value.cpa.url.to_string(), base, "{given}");
        assert_eq!(loaded.warnings, [], "{given}");
    }
}

#[test]
fn sizes_print_as_they_are_written() {
    for (bytes, text) in [
        (0, "0B"),
        (1000, "1000B"),
        (1 << 18, "256KiB"),
        (3 << 30, "3GiB"),
    ] {
        assert_eq!(ByteSize::new(bytes).to_string(), text);
    }
}

/// `#key = value` and `#[table]` without the sign; `# prose` stays.
fn uncommented(example: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    example.lines().map(line).collect()
}

#[test]
fn the_example_lists_every_key_with_its_default() {
    let example = fs::read_to_string("config.example.toml").unwrap();
    let as_it_is = raw::file(&ALL, Path::new("config.example.toml"), &example);
    assert!(as_it_is.problems.is_empty(), "{:?}", as_it_is.problems);
    assert!(as_it_is.values.is_empty(), "only the user sets something");

    let text = uncommented(&example);
    let layer = raw::file(&ALL, Path::new("config.example.toml"), &text);
    assert_eq!(layer.problems, []);
    let listed: BTreeSet<&str> = layer.values.keys().copied().collect();
    let known: BTreeSet<&str> = ALL.iter().map(|key| key.path).collect();
    let missing: Vec<&&str> = known.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "config.example.toml lists no {missing:?}: add `#key = default` with a comment to its section"
    );
    assert_eq!(listed, known);
    for key in ALL.iter() {
        let shown = match &layer.values[key.path].raw {
            Raw::Text(text) => text.clone(),
            Raw::Integer(number) => number.to_string(),
            Raw::Boolean(value) => value.to_string(),
            Raw::Table(_) => String::new(),
            unexpected @ (Raw::Untyped(_) | Raw::Float(_) | Raw::List(_) | Raw::Other(_)) => {
                panic!("{unexpected:?}")
            }
        };
        if let Some(default) = key.default {
            assert_eq!(shown, default, "{}", key.path);
        }
        if let Some((low, high)) = key.bounds {
            assert!(
                example.contains(&format!("{low} to {high}")),
                "{}: the example does not say {low} to {high}",
                key.path
            );
        }
    }
}

#[test]
fn the_example_uncommented_is_a_valid_configuration_with_the_defaults() {
    let example = fs::read_to_string("config.example.toml").unwrap();
    let text: String = uncommented(&example)
        .lines()
        .filter(|line| {
            // Files and databases that are not there.
            let names =
                "management_key tls_ca price_file file config.file api_token_file read_token_file dsn log_dsn";
            !names.split(' ').any(|name| line.starts_with(name))
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, text).unwrap();
    let given = Flags {
        config_file: Some(path),
        ..Flags::default()
    };
    let mut config = load(&given, &with_key()).unwrap().value;
    let defaults = load(&Flags::default(), &with_key()).unwrap().value;
    assert_eq!(config.aliases.accounts.len(), 2);
    config.aliases = Aliases::default();
    assert_eq!(config.cost.fees.len(), 2);
    config.cost.clone_from(&defaults.cost);
    config.storage.path.clone_from(&defaults.storage.path);
    assert_eq!(config, defaults);
}
