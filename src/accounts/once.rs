//! One look without watching: for a program that shows what is there and ends.

use std::sync::Arc;

use reqwest::Client;
use secrecy::SecretString;
use url::Url;

use super::inquiry::{Inquiry, LookFailure};
use super::roster::Roster;
use super::{Account, Decoding};
use crate::clock::Clock;
use crate::cpa::{Management, Tally};
use crate::decode::Secrets;

/// What a look is made of.
#[derive(Debug)]
pub(crate) struct LookParts {
    pub(crate) url: Url,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) secrets: Secrets,
}

/// All accounts that CPA lists, sorted by index.
pub(crate) async fn look_once(
    parts: LookParts,
    key: &SecretString,
) -> Result<Vec<Account>, LookFailure> {
    let management = Management::new(parts.client, parts.url, parts.clock.clone());
    let decoding = Decoding {
        secrets: parts.secrets,
        keep_email: false,
    };
    let mut inquiry = Inquiry::new(management, decoding, Tally::new(Arc::default()));
    let look = inquiry.look(key).await?;
    let mut roster = Roster::default();
    roster.take(look, parts.clock.now());
    Ok(roster.list())
}
