//! The kinds of credential a CPA pool holds, as the captured records show them.

/// How a provider counts tokens in the flat `tokens` object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Input includes what came from the cache, output includes reasoning.
    Subset,
    /// Claude: input excludes cache reads and writes, output includes thinking.
    Independent,
    /// Gemini: input includes the cache, reasoning stands beside output.
    Separate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Which family of response headers the upstream sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderSet {
    Codex,
    Claude,
    Google,
    Plain,
    /// `X-Ratelimit-*` of OpenAI-like upstreams.
    RateLimit,
    Xai,
}

impl HeaderSet {
    /// Whether CPA 8 keeps these headers to show the credential's quota.
    pub(crate) fn tells_quota(self) -> bool {
        matches!(self, Self::Codex | Self::Claude)
    }
}

#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) provider: &'static str,
    pub(crate) executor: &'static str,
    pub(crate) login: Login,
    pub(crate) counting: Counting,
    pub(crate) headers: HeaderSet,
    /// Key of the management list for config keys; empty for auth files.
    pub(crate) list: &'static str,
    pub(crate) base_url: &'static str,
    pub(crate) key_prefix: &'static str,
    /// Upstream name and the alias clients use.
    pub(crate) models: &'static [(&'static str, &'static str)],
    pub(crate) endpoints: &'static [&'static str],
    /// Share of traffic an account of this kind gets.
    pub(crate) weight: u64,
}

impl Kind {
    /// Whether the credential is an auth file rather than a config entry.
    pub(crate) fn is_file(&self) -> bool {
        self.login == Login::Oauth
    }

    /// Whether one account can take over a request of the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.provider == other.provider && self.login == other.login
    }

    /// Name under which usage of keys is listed: the compat provider's own name, else the provider.
    pub(crate) fn short_name(&self) -> &'static str {
        let name = self.provider.strip_prefix("openai-compatible-");
        name.unwrap_or(self.provider)
    }
}

const RESPONSES: &[&str] = &["POST /v1/responses", "POST /v1/chat/completions"];
const MESSAGES: &[&str] = &["POST /v1/messages"];
const GEMINI: &[&str] = &["POST /v1beta/models/*action", "POST /v1/chat/completions"];
const CHAT: &[&str] = &["POST /v1/chat/completions"];

const fn oauth(
    provider: &'static str,
    executor: &'static str,
    counting: Counting,
    headers: HeaderSet,
    models: &'static [(&'static str, &'static str)],
    endpoints: &'static [&'static str],
    weight: u64,
) -> Kind {
    Kind {
        provider,
        executor,
        login: Login::Oauth,
        counting,
        headers,
        list: "",
        base_url: "",
        key_prefix: "",
        models,
        endpoints,
        weight,
    }
}

const CODEX: Kind = oauth(
    "codex",
    "CodexExecutor",
    Counting::Subset,
    HeaderSet::Codex,
    &[
        ("gpt-5.3-codex", "gpt-5.3-codex"),
        ("gpt-5.4", "gpt-5.4"),
        ("gpt-5.4-mini", "gpt-5.4-mini"),
    ],
    RESPONSES,
    30,
);

const CLAUDE: Kind = oauth(
    "claude",
    "ClaudeExecutor",
    Counting::Independent,
    HeaderSet::Claude,
    &[
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    ],
    MESSAGES,
    25,
);

const ANTIGRAVITY: Kind = oauth(
    "antigravity",
    "AntigravityExecutor",
    Counting::Separate,
    HeaderSet::Plain,
    &[
        ("gemini-3-flash-agent", "gemini-3-flash-agent"),
        ("gemini-3-pro-high", "gemini-3-pro"),
    ],
    GEMINI,
    8,
);

const KIMI: Kind = oauth(
    "kimi",
    "KimiExecutor",
    Counting::Subset,
    HeaderSet::RateLimit,
    &[("kimi-k2.5", "kimi-k2.5")],
    CHAT,
    5,
);

const XAI: Kind = oauth(
    "xai",
    "XAIExecutor",
    Counting::Subset,
    HeaderSet::Xai,
    &[
        ("grok-4.5", "grok-4.5"),
        ("grok-code-fast-1", "grok-code-fast-1"),
    ],
    CHAT,
    6,
);

const VERTEX: Kind = oauth(
    "vertex",
    "GeminiVertexExecutor",
    Counting::Separate,
    HeaderSet::Google,
    &[
        ("gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini-2.5-flash", "gemini-2.5-flash"),
    ],
    GEMINI,
    5,
);

const CODEX_KEY: Kind = Kind {
    login: Login::ApiKey,
    list: "codex-api-key",
    base_url: "http://upstream.invalid/codex",
    key_prefix: "sk-fake-codex-",
    models: &[("gpt-5.2-codex", "cdx"), ("gpt-5.2", "cdx-plain")],
    weight: 8,
    ..CODEX
};

const CLAUDE_KEY: Kind = Kind {
    login: Login::ApiKey,
    list: "claude-api-key",
    base_url: "http://upstream.invalid/claude",
    key_prefix: "sk-ant-fake-",
    models: &[("claude-sonnet-4-5-20250929", "csonnet")],
    weight: 6,
    ..CLAUDE
};

const GEMINI_KEY: Kind = Kind {
    provider: "gemini",
    executor: "GeminiExecutor",
    login: Login::ApiKey,
    list: "gemini-api-key",
    base_url: "http://upstream.invalid/gemini",
    key_prefix: "AIza-fake-",
    models: &[("gemini-2.5-pro", "gpro"), ("gemini-2.5-flash", "gflash")],
    weight: 10,
    ..VERTEX
};

const VERTEX_KEY: Kind = Kind {
    login: Login::ApiKey,
    list: "vertex-api-key",
    base_url: "http://upstream.invalid/vertex",
    key_prefix: "vk-fake-",
    models: &[("gemini-2.5-pro", "vpro")],
    weight: 3,
    ..VERTEX
};

const XAI_KEY: Kind = Kind {
    login: Login::ApiKey,
    list: "xai-api-key",
    base_url: "http://upstream.invalid/xai",
    key_prefix: "xai-fake-",
    models: &[("grok-4.5", "grokf")],
    weight: 3,
    ..XAI
};

const COMPAT_KIND: Kind = Kind {
    provider: "openai-compatible-deepfake",
    executor: "OpenAICompatExecutor",
    login: Login::ApiKey,
    counting: Counting::Subset,
    headers: HeaderSet::RateLimit,
    list: "openai-compatibility",
    base_url: "http://upstream.invalid/deep/v1",
    key_prefix: "sk-fake-deep-",
    models: &[
        ("deep-chat-v3", "dchat"),
        ("deep-reasoner-v3", "\u{63a8}\u{7406}-\u{3b2}"),
    ],
    endpoints: CHAT,
    weight: 8,
};

const KEYLESS: Kind = Kind {
    provider: "openai-compatible-localkeyless",
    login: Login::Keyless,
    base_url: "http://upstream.invalid/local/v1",
    key_prefix: "",
    models: &[("tiny-local", "tiny")],
    weight: 3,
    ..COMPAT_KIND
};

/// Comes with a plugin.
const GEMINI_CLI: Kind = Kind {
    provider: "gemini-cli",
    executor: "GeminiCLIExecutor",
    weight: 4,
    ..VERTEX
};

/// Only a plugin of CPA 8 knows it, its quota included.
const DEVIN: Kind = Kind {
    provider: "devin",
    executor: "DevinExecutor",
    models: &[("devin-2", "devin-2")],
    endpoints: CHAT,
    weight: 3,
    ..ANTIGRAVITY
};

const GLM: Kind = Kind {
    provider: "openai-compatible-glm",
    base_url: "https://api.z.ai/api/coding/paas/v4",
    key_prefix: "fake-glm-",
    models: &[("glm-4.7", "glm-4.7"), ("glm-4.5-air", "glm-air")],
    weight: 5,
    ..COMPAT_KIND
};

const MINIMAX: Kind = Kind {
    provider: "openai-compatible-minimax",
    base_url: "https://api.minimax.io/v1",
    key_prefix: "sk-cp-fake-",
    models: &[("MiniMax-M2.1", "minimax-m2")],
    weight: 5,
    ..COMPAT_KIND
};

/// The kind of a provider's accounts, by its name or a compat provider's own.
pub(crate) fn named(name: &str) -> Option<&'static Kind> {
    let mut kinds = DEAL.into_iter().chain(ON_REQUEST);
    kinds.find(|kind| name == kind.provider || name == kind.short_name())
}

/// The kinds of the first `count` accounts, of these providers only or of all if none is named.
///
/// A pool of any size repeats the same order.
pub(crate) fn deal(count: usize, providers: &[String]) -> Vec<&'static Kind> {
    let wanted = |kind: &&Kind| {
        let mut names = providers.iter();
        providers.is_empty() || names.any(|name| name == kind.provider || name == kind.short_name())
    };
    let on_request = ON_REQUEST.into_iter().filter(|_| !providers.is_empty());
    let kinds: Vec<&Kind> = DEAL.into_iter().chain(on_request).filter(wanted).collect();
    let dealt = kinds.iter().copied().cycle().take(count).enumerate();
    dealt
        .map(|(number, kind)| {
            // A second keyless provider at the same address would have the same index.
            let again = number >= kinds.len();
            if kind.login == Login::Keyless && again {
                &COMPAT
            } else {
                kind
            }
        })
        .collect()
}

static COMPAT: Kind = COMPAT_KIND;

static DEAL: [&Kind; 19] = [
    &CODEX,
    &CLAUDE,
    &CODEX,
    &GEMINI_KEY,
    &CLAUDE,
    &COMPAT,
    &CODEX,
    &ANTIGRAVITY,
    &KIMI,
    &XAI,
    &VERTEX,
    &CODEX_KEY,
    &CLAUDE_KEY,
    &VERTEX_KEY,
    &XAI_KEY,
    &KEYLESS,
    &GEMINI_CLI,
    &GLM,
    &MINIMAX,
];

/// Dealt only to those who name them.
static ON_REQUEST: [&Kind; 1] = [&DEVIN];
