//! The kinds of credentials in CPA, as in the captured records.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// Semantics of a provider's flat `tokens` object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counting {
    /// Input includes cached tokens, output includes reasoning.
    Subset,
    /// Claude: input excludes cache reads and writes, output includes thinking.
    Independent,
    /// Gemini: input includes cached tokens, output excludes reasoning.
    Separate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Login {
    Oauth,
    ApiKey,
    /// An OpenAI-compatible provider without any key.
    Keyless,
}

impl Login {
    pub(crate) fn auth_type(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::ApiKey => "apikey",
            Self::Keyless => "unknown",
        }
    }
}

/// The family of the upstream's response headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HeaderSet {
    Codex,
    Claude,
    Google,
    Plain,
    /// `X-Ratelimit-*` of OpenAI-compatible upstreams.
    RateLimit,
    Xai,
}

impl HeaderSet {
    /// Whether CPA 8 stores these headers to show the credential's quota.
    pub(crate) fn tells_quota(self) -> bool {
        matches!(self, Self::Codex | Self::Claude)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    pub(crate) provider: &'static str,
    pub(crate) executor: &'static str,
    pub(crate) login: Login,
    pub(crate) counting: Counting,
    pub(crate) headers: HeaderSet,
    /// Key of the management list for config keys; empty for auth files.
    #[serde(default)]
    pub(crate) list: &'static str,
    #[serde(default)]
    pub(crate) base_url: &'static str,
    #[serde(default)]
    pub(crate) key_prefix: &'static str,
    /// Upstream name and the alias clients use.
    pub(crate) models: Vec<(&'static str, &'static str)>,
    pub(crate) endpoints: Vec<&'static str>,
    /// Share of the traffic of an account of this kind.
    pub(crate) weight: u64,
}

impl Kind {
    /// Whether the credential is an auth file; otherwise it is a config entry.
    pub(crate) fn is_file(&self) -> bool {
        self.login == Login::Oauth
    }

    /// Whether an account of one kind can retry a request of the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.provider == other.provider && self.login == other.login
    }

    /// Name in the usage list of keys: the compat provider's own name, else the provider.
    pub(crate) fn short_name(&self) -> &'static str {
        let name = self.provider.strip_prefix("openai-compatible-");
        name.unwrap_or(self.provider)
    }

    fn is_called(&self, name: &str) -> bool {
        name == self.provider || name == self.short_name()
    }
}

#[derive(Debug, Deserialize)]
#[serde(bound = "'de: 'static")]
struct Kinds {
    /// The order of kinds in a pool.
    deal: Vec<&'static str>,
    /// Only in pools that name them: a plugin of CPA 8 serves them, including their quota.
    on_request: Vec<&'static str>,
    named: BTreeMap<&'static str, Kind>,
}

#[expect(
    clippy::expect_used,
    reason = "the file is part of the program, and every test of the simulator reads it"
)]
static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let text = include_str!("../../data/kinds.json");
    serde_json::from_str(text).expect("a valid data/kinds.json")
});

fn kinds(names: &'static [&'static str]) -> impl Iterator<Item = &'static Kind> {
    names.iter().filter_map(|name| KINDS.named.get(name))
}

/// Finds a kind by its provider or the compat provider's own name.
pub(crate) fn named(name: &str) -> Option<&'static Kind> {
    let mut kinds = kinds(&KINDS.deal).chain(kinds(&KINDS.on_request));
    kinds.find(|kind| kind.is_called(name))
}

/// The kinds of the first `count` accounts, of these providers only; of all if none is named.
///
/// The order repeats in pools of any size.
pub(crate) fn deal(count: usize, providers: &[String]) -> Vec<&'static Kind> {
    let dealt: Vec<&Kind> = if providers.is_empty() {
        kinds(&KINDS.deal).collect()
    } else {
        let all = kinds(&KINDS.deal).chain(kinds(&KINDS.on_request));
        all.filter(|kind| providers.iter().any(|name| kind.is_called(name)))
            .collect()
    };
    let dealt_once = dealt.len();
    let dealt = dealt.into_iter().cycle().take(count).enumerate();
    dealt
        .map(|(number, kind)| {
            // A second keyless provider with the same URL would have the same index.
            let again = number >= dealt_once && kind.login == Login::Keyless;
            let other = named("deepfake").filter(|_| again);
            other.unwrap_or(kind)
        })
        .collect()
}
