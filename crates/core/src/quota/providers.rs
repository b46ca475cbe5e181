//! The supported providers, one file each.

mod antigravity;
mod claude;
mod codex;
mod copilot;
mod gemini_cli;
mod generic;
mod glm;
mod google;
mod kimi;
mod kiro;
mod minimax;
mod plugin;
mod xai;

pub use generic::{Generic, GenericLimit, ResetForm, Serves, ShareForm};

use super::{AccountRef, Provider};
use antigravity::Antigravity;
use claude::Claude;
use codex::Codex;
use copilot::Copilot;
use gemini_cli::GeminiCli;
use glm::Glm;
use kimi::Kimi;
use kiro::Kiro;
use minimax::MiniMax;
use plugin::Plugin;
use xai::Xai;

pub(super) use claude::limit_of_claim;
pub(super) use codex::{has_begun, limit_of_feature};

static BUILT_IN: [&dyn Provider; 11] = [
    &Codex,
    &Claude,
    &Antigravity,
    &Kimi,
    &Xai,
    &GeminiCli,
    &Glm,
    &MiniMax,
    &Copilot,
    &Kiro,
    // Last: used where no other provider serves the account.
    &Plugin,
];

/// The providers that need no configuration.
pub fn built_in() -> &'static [&'static dyn Provider] {
    &BUILT_IN
}

/// The provider that serves this account.
pub fn find(account: &AccountRef) -> Option<&'static dyn Provider> {
    BUILT_IN
        .into_iter()
        .find(|provider| provider.serves(account))
}
