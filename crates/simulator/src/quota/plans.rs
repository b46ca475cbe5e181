//! The limits of each provider's plans.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::limit::LimitKind;

/// A subscription: its name in the provider's form, its limits, and models that only it has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) limits: Vec<LimitKind>,
    /// Upstream name and alias.
    #[serde(default)]
    pub(crate) models: Vec<(&'static str, &'static str)>,
}

/// An account outside CPA: its provider is requested directly, with a separate token.
#[derive(Debug, Deserialize)]
pub(crate) struct Direct {
    pub(crate) provider: &'static str,
    pub(crate) id: &'static str,
    pub(crate) token: &'static str,
    pub(crate) plan: Plan,
}

#[derive(Debug, Deserialize)]
#[serde(bound = "'de: 'static")]
struct Plans {
    /// By provider; accounts of one provider alternate. `untold` holds limits of upstreams without
    /// a quota endpoint; records of some keys contain the headers of a subscription.
    plans: BTreeMap<String, Vec<Plan>>,
    direct: Vec<Direct>,
}

#[expect(
    clippy::expect_used,
    reason = "the file is part of the program, and every test of the simulator reads it"
)]
static PLANS: LazyLock<Plans> = LazyLock::new(|| {
    let text = include_str!("../../data/plans.json");
    serde_json::from_str(text).expect("a valid data/plans.json")
});

fn plans(provider: &str, is_file: bool) -> &'static [Plan] {
    let by_key = !is_file && !provider.starts_with("openai-compatible-");
    let name = format!("{provider}{}", if by_key { " key" } else { "" });
    let found = PLANS.plans.get(&name);
    found
        .or(PLANS.plans.get("untold"))
        .map_or(&[], Vec::as_slice)
}

/// The plan of a provider's account; accounts alternate.
pub(crate) fn plan_of(provider: &str, is_file: bool, ordinal: usize) -> &'static Plan {
    static NONE: Plan = Plan {
        name: "",
        limits: Vec::new(),
        models: Vec::new(),
    };
    let plans = plans(provider, is_file);
    plans.get(ordinal % plans.len().max(1)).unwrap_or(&NONE)
}

pub(crate) fn plan_named(provider: &str, is_file: bool, name: &str) -> Option<&'static Plan> {
    plans(provider, is_file)
        .iter()
        .find(|plan| plan.name == name)
}

/// The accounts that are requested directly.
pub(crate) fn direct() -> &'static [Direct] {
    &PLANS.direct
}
