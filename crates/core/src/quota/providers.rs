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

use super::built_in::BuiltIn;

pub(super) use claude::limit_of_claim;
pub(super) use codex::{has_begun, limit_of_feature};

pub(super) static BUILT_IN: [&BuiltIn; 11] = [
    &codex::PROVIDER,
    &claude::PROVIDER,
    &antigravity::PROVIDER,
    &kimi::PROVIDER,
    &xai::PROVIDER,
    &gemini_cli::PROVIDER,
    &glm::PROVIDER,
    &minimax::PROVIDER,
    &copilot::PROVIDER,
    &kiro::PROVIDER,
    // Last: used where no other provider serves the account.
    &plugin::PROVIDER,
];
