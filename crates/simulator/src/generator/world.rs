//! The synthetic pool of the records: accounts, models and clients.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::kinds::{Kind, Login, deal};
use super::prng::Prng;
use crate::config::TrafficConfig;
use crate::quota::{Plan, plan_of};

const PEOPLE: [&str; 8] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
];
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];
const AGENTS: [&str; 4] = [
    "codex_cli_rs/0.76.0 (Debian 13.0.0; x86_64)",
    "claude-cli/2.1.0 (external, cli)",
    "OpenAI/Python 1.99.0",
    "curl/8.5.0",
];

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) alias: String,
}

/// A credential of the pool.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) kind: &'static Kind,
    pub(crate) auth_index: String,
    /// File name of an auth file; empty for a config key.
    pub(crate) file: String,
    pub(crate) email: Option<String>,
    /// Raw key of a config entry; empty for an auth file.
    pub(crate) key: String,
    pub(crate) plan: &'static Plan,
    pub(crate) token_sha256: Option<String>,
    /// Number of the first series; each model has one.
    pub(crate) first_series: u32,
    pub(crate) models: Vec<Model>,
}

impl Account {
    /// The record's `source`; `None` where CPA falls back to the client's key.
    pub(crate) fn source(&self) -> Option<&str> {
        match self.kind.login {
            Login::Oauth if self.kind.provider == "vertex" => Some("vproj-fake"),
            Login::Oauth => self.email.as_deref(),
            Login::ApiKey => Some(&self.key),
            Login::Keyless => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) key: String,
    pub(crate) agent: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) accounts: Vec<Account>,
    pub(crate) clients: Vec<Client>,
    pub(crate) series: u32,
    /// Models per account; 0 means each provider's own list.
    models: usize,
    account_weights: Vec<u64>,
    client_weights: Vec<u64>,
}

impl World {
    pub(crate) fn new(config: &TrafficConfig) -> Self {
        let clients: Vec<Client> = (0..config.clients.max(1)).map(client).collect();
        let mut world = Self {
            accounts: Vec::new(),
            client_weights: cumulate((0..clients.len()).map(|n| 4 + 96 / (1 + n as u64))),
            clients,
            series: 0,
            models: config.models,
            account_weights: Vec::new(),
        };
        for kind in deal(config.accounts.max(1), &config.providers) {
            world.push(kind);
        }
        world.account_weights = weights(&world.accounts);
        world
    }

    /// This world with an additional account, which gets the highest number.
    pub(crate) fn with(&self, kind: &'static Kind, plan: Option<&'static Plan>) -> Self {
        let mut world = self.clone();
        world.push(kind);
        if let (Some(plan), Some(account)) = (plan, world.accounts.last_mut()) {
            account.plan = plan;
        }
        world.account_weights = weights(&world.accounts);
        world
    }

    /// This world with a different plan of one account; its models and series stay.
    pub(crate) fn with_plan(&self, number: usize, plan: &'static Plan) -> Self {
        let mut world = self.clone();
        if let Some(account) = world.accounts.get_mut(number) {
            account.plan = plan;
        }
        world
    }

    fn push(&mut self, kind: &'static Kind) {
        let ordinal = self
            .accounts
            .iter()
            .filter(|a| a.kind.is_like(kind))
            .count();
        let plan = plan_of(kind.provider, kind.is_file(), ordinal);
        let account = account(kind, self.accounts.len(), self.models, self.series, plan);
        self.series += u32::try_from(account.models.len()).unwrap_or(0);
        self.accounts.push(account);
    }

    pub(crate) fn by_index(&self, auth_index: &str) -> Option<(usize, &Account)> {
        let mut accounts = self.accounts.iter().enumerate();
        accounts.find(|(_, account)| account.auth_index == auth_index)
    }

    pub(crate) fn draw_account(&self, prng: &mut Prng) -> usize {
        draw(&self.account_weights, prng)
    }

    pub(crate) fn draw_client(&self, prng: &mut Prng) -> usize {
        draw(&self.client_weights, prng)
    }

    /// An account's share of all traffic, in millionths.
    pub(crate) fn share(&self, number: usize) -> u64 {
        let upto = |n: usize| self.account_weights.get(n).copied().unwrap_or(0);
        let before = number.checked_sub(1).map_or(0, upto);
        let total = self.account_weights.last().copied().unwrap_or(1);
        (upto(number) - before) * 1_000_000 / total.max(1)
    }

    /// The next account of the same kind, for a retry; the same one if there is no other.
    pub(crate) fn sibling(&self, number: usize) -> usize {
        let Some(account) = self.accounts.get(number) else {
            return number;
        };
        let later = self.accounts.iter().enumerate().skip(number + 1);
        later
            .chain(self.accounts.iter().enumerate().take(number))
            .find(|(_, other)| other.kind.is_like(account.kind))
            .map_or(number, |(other, _)| other)
    }
}

fn weights(accounts: &[Account]) -> Vec<u64> {
    let accounts = accounts.iter().enumerate();
    cumulate(accounts.map(|(number, a)| a.kind.weight * 16 / (1 + number as u64 / 16).min(8)))
}

fn cumulate(weights: impl Iterator<Item = u64>) -> Vec<u64> {
    weights
        .scan(0, |sum, weight| {
            *sum += weight.max(1);
            Some(*sum)
        })
        .collect()
}

fn draw(cumulated: &[u64], prng: &mut Prng) -> usize {
    let total = cumulated.last().copied().unwrap_or(0);
    let ticket = prng.below(total);
    cumulated.partition_point(|&upto| upto <= ticket)
}

fn account(
    kind: &'static Kind,
    number: usize,
    models: usize,
    first_series: u32,
    plan: &'static Plan,
) -> Account {
    let email = email(number);
    let file = if kind.is_file() {
        file_name(kind, number, &email, plan.name)
    } else {
        String::new()
    };
    let key = match kind.login {
        Login::ApiKey => format!("{}{number:04}", kind.key_prefix),
        Login::Oauth | Login::Keyless => String::new(),
    };
    let seed = if kind.is_file() {
        format!("{}:/sim/auths/{file}", kind.provider)
    } else {
        format!("{}:{}+{key}", kind.list, kind.base_url)
    };
    Account {
        kind,
        auth_index: format!("{:016x}", digest(&seed, 0)),
        email: (kind.is_file() && kind.provider != "kimi").then_some(email),
        token_sha256: kind.is_file().then(|| {
            let part = |part| digest(&seed, part);
            let (a, b, c, d) = (part(1), part(2), part(3), part(4));
            format!("{a:016x}{b:016x}{c:016x}{d:016x}")
        }),
        file,
        key,
        plan,
        first_series,
        models: model_list(kind, models, plan),
    }
}

fn email(number: usize) -> String {
    let name = PEOPLE.get(number % PEOPLE.len()).unwrap_or(&"alice");
    let domain = DOMAINS
        .get(number % DOMAINS.len())
        .unwrap_or(&"example.com");
    match number / PEOPLE.len() {
        0 => format!("{name}@{domain}"),
        round => format!("{name}{round}@{domain}"),
    }
}

fn file_name(kind: &Kind, number: usize, email: &str, plan: &str) -> String {
    match kind.provider {
        "codex" => format!("codex-{email}-{plan}.json"),
        "kimi" => format!("kimi-{}.json", 1_760_000_000_000 + number),
        "vertex" => format!("vertex-vproj-fake-{number}.json"),
        provider => format!("{provider}-{email}.json"),
    }
}

fn model_list(kind: &Kind, wanted: usize, plan: &Plan) -> Vec<Model> {
    let (count, more) = if wanted == 0 {
        (
            kind.models.len() + plan.models.len(),
            plan.models.as_slice(),
        )
    } else {
        (wanted, &[][..])
    };
    kind.models
        .iter()
        .chain(more)
        .cycle()
        .take(count)
        .enumerate()
        .map(
            |(number, (name, alias))| match number / (kind.models.len() + more.len()) {
                0 => Model {
                    name: (*name).to_owned(),
                    alias: (*alias).to_owned(),
                },
                round => Model {
                    name: format!("{name}-r{round}"),
                    alias: format!("{alias}-r{round}"),
                },
            },
        )
        .collect()
}

fn client(number: usize) -> Client {
    let key = match number {
        0 => "ck-alice-01".to_owned(),
        1 => "ck-bob-02".to_owned(),
        2 => "ck-ci-\u{3b2}-03".to_owned(),
        3 => "ck-dashboard-04".to_owned(),
        more => format!("ck-fake-{more:05}"),
    };
    Client {
        key,
        agent: AGENTS.get(number % AGENTS.len()).copied().unwrap_or(""),
    }
}

/// Replaces CPA's SHA-256, which cannot be verified from outside.
fn digest(seed: &str, part: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6370_615f_7369_6d00, part);
    hasher.write(seed.as_bytes());
    hasher.finish()
}
