//! The sections of the configuration. Each reads all its keys before it returns, so that all
//! problems are found.

use std::path::{Path, PathBuf};

use super::{
    Accounts, Aliases, Caps, Cpa, Env, Limits, Log, Metrics, Quota, Secret, Storage, Web, keys,
    resolve::Resolver,
};

pub(super) fn cpa(resolver: &mut Resolver<'_>) -> Option<Cpa> {
    let url = resolver.cpa_url();
    let management_key = resolver.management_key();
    let mode = resolver.value(&keys::CPA_MODE);
    let poll_interval = resolver.value(&keys::CPA_POLL_INTERVAL);
    let http_poll_interval = resolver.value(&keys::CPA_HTTP_POLL_INTERVAL);
    let check_interval = resolver.value(&keys::CPA_CHECK_INTERVAL);
    let pop_bytes = resolver.value(&keys::CPA_POP_BYTES);
    let manage_usage_statistics = resolver.value(&keys::CPA_MANAGE_USAGE_STATISTICS);
    let tls_ca_file = resolver.readable_file(&keys::CPA_TLS_CA_FILE);
    Some(Cpa {
        url: url?,
        management_key: management_key?,
        mode: mode?,
        poll_interval: poll_interval?,
        http_poll_interval: http_poll_interval?,
        check_interval: check_interval?,
        pop_bytes: pop_bytes?,
        manage_usage_statistics: manage_usage_statistics?,
        tls_ca_file: tls_ca_file.ok()?,
    })
}

pub(super) fn accounts(resolver: &mut Resolver<'_>) -> Option<Accounts> {
    let interval = resolver.value(&keys::ACCOUNTS_INTERVAL);
    let show_email = resolver.value(&keys::ACCOUNTS_SHOW_EMAIL);
    Some(Accounts {
        interval: interval?,
        show_email: show_email?,
    })
}

pub(super) fn quota(resolver: &mut Resolver<'_>) -> Option<Quota> {
    let enabled = resolver.value(&keys::QUOTA_ENABLED);
    let interval = resolver.value(&keys::QUOTA_INTERVAL);
    let concurrency = resolver.value(&keys::QUOTA_CONCURRENCY);
    let timeout = resolver.value(&keys::QUOTA_TIMEOUT);
    let file = resolver.readable_file(&keys::QUOTA_FILE);
    Some(Quota {
        enabled: enabled?,
        interval: interval?,
        concurrency: concurrency?,
        timeout: timeout?,
        file: file.ok()?,
    })
}

pub(super) fn storage(resolver: &mut Resolver<'_>) -> Option<Storage> {
    let path = if resolver.given(&keys::STORAGE_PATH).is_some() {
        resolver.path(&keys::STORAGE_PATH)
    } else {
        Some(default_directory(resolver.env))
    };
    let spool_limit = resolver.value(&keys::STORAGE_SPOOL_LIMIT);
    let commit_interval = resolver.value(&keys::STORAGE_COMMIT_INTERVAL);
    Some(Storage {
        path: path?,
        spool_limit: spool_limit?,
        commit_interval: commit_interval?,
    })
}

/// Under systemd the unit's state directory; else the platform's directory of user data; else a
/// directory below the working directory.
fn default_directory(env: &Env) -> PathBuf {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    if let Some(listed) = set("STATE_DIRECTORY") {
        // systemd separates several directories by colons.
        let first = listed.to_str().and_then(|all| all.split(':').next());
        return first.map_or_else(|| PathBuf::from(listed), PathBuf::from);
    }
    let (base, below) = if cfg!(windows) {
        (set("LOCALAPPDATA"), "cpa-exporter")
    } else if cfg!(target_os = "macos") {
        (set("HOME"), "Library/Application Support/cpa-exporter")
    } else if let Some(data) = set("XDG_DATA_HOME") {
        (Some(data), "cpa-exporter")
    } else {
        (set("HOME"), ".local/share/cpa-exporter")
    };
    base.map_or_else(
        || PathBuf::from("cpa-exporter-data"),
        |base| Path::new(base).join(below),
    )
}

pub(super) fn web(resolver: &mut Resolver<'_>) -> Option<Web> {
    let listen_address = resolver.value(&keys::WEB_LISTEN_ADDRESS);
    let telemetry_path = resolver.value(&keys::WEB_TELEMETRY_PATH);
    let enable_lifecycle = resolver.value(&keys::WEB_ENABLE_LIFECYCLE);
    let api_token = resolver.readable_file(&keys::WEB_API_TOKEN_FILE);
    let max_connections = resolver.value(&keys::WEB_MAX_CONNECTIONS);
    let scrape_in_flight = resolver.value(&keys::WEB_SCRAPE_IN_FLIGHT);
    Some(Web {
        listen_address: listen_address?,
        telemetry_path: telemetry_path?,
        enable_lifecycle: enable_lifecycle?,
        api_token: api_token.ok()?.map(Secret::from_file),
        max_connections: max_connections?,
        scrape_in_flight: scrape_in_flight?,
    })
}

pub(super) fn metrics(resolver: &mut Resolver<'_>) -> Option<Metrics> {
    let zero_hold = resolver.value(&keys::METRICS_ZERO_HOLD);
    let exemplars = resolver.value(&keys::METRICS_EXEMPLARS);
    let caps = caps(resolver);
    Some(Metrics {
        zero_hold: zero_hold?,
        exemplars: exemplars?,
        caps: caps?,
    })
}

fn caps(resolver: &mut Resolver<'_>) -> Option<Caps> {
    let account = resolver.value(&keys::CAPS_ACCOUNT);
    let model = resolver.value(&keys::CAPS_MODEL);
    let client = resolver.value(&keys::CAPS_CLIENT);
    let endpoint = resolver.value(&keys::CAPS_ENDPOINT);
    let code = resolver.value(&keys::CAPS_CODE);
    let limit = resolver.value(&keys::CAPS_LIMIT);
    let series = resolver.value(&keys::CAPS_SERIES);
    Some(Caps {
        account: account?,
        model: model?,
        client: client?,
        endpoint: endpoint?,
        code: code?,
        limit: limit?,
        series: series?,
    })
}

pub(super) fn aliases(resolver: &mut Resolver<'_>) -> Option<Aliases> {
    let accounts = resolver.names(&keys::ALIASES_ACCOUNTS);
    let clients = resolver.names(&keys::ALIASES_CLIENTS);
    Some(Aliases {
        accounts: accounts?,
        clients: clients?,
    })
}

pub(super) fn limits(resolver: &mut Resolver<'_>) -> Option<Limits> {
    let file = resolver.readable_file(&keys::LIMITS_FILE);
    Some(Limits { file: file.ok()? })
}

pub(super) fn log(resolver: &mut Resolver<'_>) -> Option<Log> {
    let level = resolver.value(&keys::LOG_LEVEL);
    let format = resolver.value(&keys::LOG_FORMAT);
    Some(Log {
        level: level?,
        format: format?,
    })
}
