//! Which limits the plans of each provider have.

use super::limit::{Counts, Length, LimitKind, Unit};

const HOURS_5: u64 = 18_000;
const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;
/// As Codex has it: 43,800 minutes.
const CODEX_MONTH: u64 = 2_628_000;

/// A subscription: its name as the provider writes it, what it limits, and models only it has.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) limits: &'static [LimitKind],
    /// Upstream name and alias.
    pub(crate) models: &'static [(&'static str, &'static str)],
}

/// An account that no CPA knows: its provider is asked directly, with a token of its own.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) provider: &'static str,
    pub(crate) id: &'static str,
    pub(crate) token: &'static str,
    pub(crate) plan: Plan,
}

const fn limit(name: &'static str, window: &'static str, length: Length, tenths: u64) -> LimitKind {
    LimitKind {
        name,
        window,
        length,
        unit: Unit::Percent,
        counts: Counts::Tokens,
        models: &[],
        nominal: 100,
        tenths,
        binds: true,
    }
}

const fn plan(name: &'static str, limits: &'static [LimitKind]) -> Plan {
    Plan {
        name,
        limits,
        models: &[],
    }
}

const MAIN_5H: LimitKind = limit("main", "5h", Length::FromUse(HOURS_5), 10);
const MAIN_WEEKLY: LimitKind = limit("main", "weekly", Length::FromUse(WEEK), 400);
const MAIN_MONTHLY: LimitKind = limit("main", "monthly", Length::FromUse(CODEX_MONTH), 1_500);
const CODE_REVIEW: LimitKind = LimitKind {
    binds: false,
    ..limit("code_review", "weekly", Length::FromUse(WEEK), 4_000)
};
const SPARK: LimitKind = LimitKind {
    models: &["spark"],
    ..limit("codex_bengalfox", "weekly", Length::FromUse(WEEK), 100)
};

const fn money(name: &'static str, cents: u64, length: Length, tenths: u64) -> LimitKind {
    LimitKind {
        unit: Unit::Cents,
        nominal: cents,
        binds: false,
        ..limit(name, "monthly", length, tenths)
    }
}

const CODEX: &[Plan] = &[
    plan("plus", &[MAIN_5H, MAIN_WEEKLY]),
    Plan {
        models: &[("gpt-5.3-codex-spark", "gpt-5.3-codex-spark")],
        ..plan("pro", &[MAIN_5H, MAIN_WEEKLY, CODE_REVIEW, SPARK])
    },
    plan("plus", &[MAIN_5H, MAIN_WEEKLY]),
    plan(
        "team",
        &[MAIN_MONTHLY, money("spend", 10_000, Length::Month, 3_000)],
    ),
    plan("free", &[MAIN_MONTHLY]),
    plan(
        "prolite",
        &[
            MAIN_5H,
            MAIN_WEEKLY,
            money("credits", 5_000, Length::Month, 3_000),
        ],
    ),
];

const fn weekly_of(name: &'static str, models: &'static [&'static str]) -> LimitKind {
    LimitKind {
        models,
        ..limit(name, "weekly", Length::Fixed(WEEK), 200)
    }
}

/// Elsewhere the week is a fixed one, and only the session begins with use.
const FIXED_WEEKLY: LimitKind = limit("main", "weekly", Length::Fixed(WEEK), 400);

const CLAUDE: &[Plan] = &[
    plan("max_5x", &[MAIN_5H, FIXED_WEEKLY]),
    Plan {
        models: &[("claude-fable-5", "claude-fable-5")],
        ..plan(
            "max_20x",
            &[
                MAIN_5H,
                FIXED_WEEKLY,
                weekly_of("opus", &["opus"]),
                weekly_of("sonnet", &["sonnet"]),
                weekly_of("fable", &["fable"]),
                money("extra_usage", 2_000, Length::Month, 3_000),
            ],
        )
    },
    plan("pro", &[MAIN_5H, FIXED_WEEKLY]),
    plan("team", &[MAIN_5H, FIXED_WEEKLY]),
    plan("free", &[MAIN_5H]),
];

const fn pool(
    name: &'static str,
    window: &'static str,
    seconds: u64,
    models: &'static [&'static str],
    tenths: u64,
) -> LimitKind {
    LimitKind {
        models,
        ..limit(name, window, Length::Fixed(seconds), tenths)
    }
}

const GEMINI_WEEKLY: LimitKind = pool("gemini", "weekly", WEEK, &["gemini"], 400);
const GEMINI_5H: LimitKind = pool("gemini", "5h", HOURS_5, &["gemini"], 10);
const THIRD_WEEKLY: LimitKind = pool("3p", "weekly", WEEK, &["claude", "gpt"], 200);
const THIRD_MODELS: &[(&str, &str)] = &[("claude-sonnet-4-6", "ag-sonnet-4-6")];

const ANTIGRAVITY: &[Plan] = &[
    Plan {
        models: THIRD_MODELS,
        ..plan("g1-pro-tier", &[GEMINI_5H, GEMINI_WEEKLY, THIRD_WEEKLY])
    },
    Plan {
        models: THIRD_MODELS,
        ..plan("free-tier", &[GEMINI_WEEKLY, THIRD_WEEKLY])
    },
    Plan {
        models: THIRD_MODELS,
        ..plan("g1-ultra-tier", &[GEMINI_5H, GEMINI_WEEKLY, THIRD_WEEKLY])
    },
];

const KIMI_LIMITS: &[LimitKind] = &[
    FIXED_WEEKLY,
    limit("main", "5h", Length::Fixed(HOURS_5), 10),
];
const KIMI: &[Plan] = &[
    plan("LEVEL_INTERMEDIATE", KIMI_LIMITS),
    plan("LEVEL_BASIC", KIMI_LIMITS),
    plan("LEVEL_ADVANCED", KIMI_LIMITS),
];

const XAI_MONTHLY: LimitKind = money("spend", 20_000, Length::Fixed(30 * DAY), 1_600);
const XAI: &[Plan] = &[
    plan("SuperGrok", &[FIXED_WEEKLY, XAI_MONTHLY]),
    plan(
        "SuperGrok Heavy",
        &[
            FIXED_WEEKLY,
            XAI_MONTHLY,
            money("on_demand", 5_000, Length::Fixed(30 * DAY), 3_000),
        ],
    ),
];

const fn requests(base: &LimitKind, nominal: u64) -> LimitKind {
    LimitKind {
        unit: Unit::Requests,
        counts: Counts::Requests,
        nominal,
        ..*base
    }
}

const fn daily(model: &'static str, models: &'static [&'static str]) -> LimitKind {
    requests(&pool(model, "daily", DAY, models, 30), 1_000)
}

const GEMINI_CLI_LIMITS: &[LimitKind] = &[
    daily("gemini-2.5-pro", &["gemini-2.5-pro"]),
    daily("gemini-2.5-flash", &["gemini-2.5-flash"]),
];
const GEMINI_CLI: &[Plan] = &[
    plan("standard-tier", GEMINI_CLI_LIMITS),
    plan("legacy-tier", GEMINI_CLI_LIMITS),
];

const fn credits(base: &LimitKind, nominal: u64) -> LimitKind {
    LimitKind {
        unit: Unit::Credits,
        nominal,
        ..*base
    }
}

/// The allowance of web tools, which other requests do not need.
const GLM_TOOLS: LimitKind = LimitKind {
    binds: false,
    ..requests(&limit("tools", "monthly", Length::Month, 3_000), 1_000)
};
const GLM: &[Plan] = &[
    plan("pro", &[MAIN_5H, FIXED_WEEKLY, GLM_TOOLS]),
    plan("lite", &[MAIN_5H, FIXED_WEEKLY, GLM_TOOLS]),
    plan(
        "max",
        &[
            credits(&MAIN_5H, 28_000),
            credits(&FIXED_WEEKLY, 140_000),
            GLM_TOOLS,
        ],
    ),
];

const MINIMAX: &[Plan] = &[plan(
    "Plus",
    &[
        requests(&limit("general", "5h", Length::Fixed(HOURS_5), 10), 1_500),
        requests(
            &limit("general", "weekly", Length::Fixed(WEEK), 400),
            15_000,
        ),
    ],
)];

/// As a plugin's page names them.
const DEVIN: &[Plan] = &[
    plan(
        "team",
        &[
            limit("agent_compute", "5h", Length::FromUse(HOURS_5), 10),
            limit("agent_compute", "weekly", Length::Fixed(WEEK), 400),
            limit("reviews", "daily", Length::Fixed(DAY), 50),
        ],
    ),
    plan(
        "core",
        &[limit("agent_compute", "monthly", Length::Month, 1_500)],
    ),
];

/// What an upstream limits that tells nobody.
const UNTOLD: &[Plan] = &[plan("", &[MAIN_5H, MAIN_WEEKLY])];

fn plans(provider: &str, is_file: bool) -> &'static [Plan] {
    match provider {
        "codex" if is_file => CODEX,
        "claude" if is_file => CLAUDE,
        "antigravity" => ANTIGRAVITY,
        "kimi" => KIMI,
        "xai" if is_file => XAI,
        "gemini-cli" => GEMINI_CLI,
        "devin" => DEVIN,
        "openai-compatible-glm" => GLM,
        "openai-compatible-minimax" => MINIMAX,
        // Their records show the headers of a subscription.
        "codex" => CODEX.get(..1).unwrap_or(UNTOLD),
        "claude" => CLAUDE.get(..1).unwrap_or(UNTOLD),
        _ => UNTOLD,
    }
}

/// The plan of a provider's account; accounts take turns.
pub(crate) fn plan_of(provider: &str, is_file: bool, ordinal: usize) -> &'static Plan {
    const NONE: &Plan = &plan("", &[]);
    let plans = plans(provider, is_file);
    plans.get(ordinal % plans.len().max(1)).unwrap_or(NONE)
}

pub(crate) fn plan_named(provider: &str, is_file: bool, name: &str) -> Option<&'static Plan> {
    plans(provider, is_file)
        .iter()
        .find(|plan| plan.name == name)
}

const fn monthly(name: &'static str, nominal: u64, tenths: u64, unit: Unit) -> LimitKind {
    LimitKind {
        unit,
        ..requests(&limit(name, "monthly", Length::Month, tenths), nominal)
    }
}

pub(crate) static DIRECT: [Direct; 5] = [
    Direct {
        provider: "copilot",
        id: "copilot-0",
        token: "gho-fake-copilot-0",
        plan: plan(
            "individual",
            &[monthly("premium_interactions", 300, 1_500, Unit::Requests)],
        ),
    },
    Direct {
        provider: "copilot",
        id: "copilot-1",
        token: "gho-fake-copilot-1",
        plan: plan(
            "free",
            &[
                monthly("chat", 50, 1_500, Unit::Requests),
                monthly("completions", 2_000, 1_500, Unit::Requests),
            ],
        ),
    },
    Direct {
        provider: "kiro",
        id: "kiro-0",
        token: "kiro-fake-0",
        plan: plan(
            "KIRO PRO",
            &[monthly("credits", 1_000, 1_500, Unit::Credits)],
        ),
    },
    Direct {
        provider: "kiro",
        id: "kiro-1",
        token: "kiro-fake-1",
        plan: plan(
            "KIRO FREE",
            &[
                monthly("credits", 50, 1_500, Unit::Credits),
                LimitKind {
                    window: "once",
                    length: Length::Fixed(30 * DAY),
                    ..monthly("free_trial", 500, 3_000, Unit::Credits)
                },
            ],
        ),
    },
    Direct {
        provider: "generic",
        id: "generic-0",
        token: "generic-fake-0",
        plan: plan(
            "standard",
            &[
                requests(&limit("requests", "daily", Length::Fixed(DAY), 50), 1_000),
                LimitKind {
                    unit: Unit::Tokens,
                    nominal: 10_000_000,
                    ..limit("tokens", "monthly", Length::Month, 1_500)
                },
            ],
        ),
    },
];
