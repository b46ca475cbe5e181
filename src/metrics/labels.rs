//! Label values: the texts of internal ids, aliases, and the caps.

use std::collections::{HashMap, HashSet};

use crate::model::{DimId, Dimension, FailureReason, PastKey, visible};

/// Content of a label of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub(super) enum LabelKind {
    Provider,
    Model,
    Account,
    Client,
    Endpoint,
    Executor,
    Tier,
    Effort,
    /// HTTP status; the id is the status itself.
    Code,
    /// Reason of a failure; the id is its code.
    Reason,
    /// Configured name of a reference price.
    Reference,
    /// Configured name of a group of models.
    Combo,
    GatewayChannel,
    GatewayModel,
    GatewayStatus,
    GatewayErrorType,
    GatewayLogType,
}

/// Kinds of labels of CPA's records; those of a gateway come after them.
const RECORD_KINDS: usize = 12;

const KINDS: usize = LabelKind::ALL.len();
/// The label `model` of a gateway's families, which has a cap of its own.
const GATEWAY_MODEL: &str = "gateway_model";

impl LabelKind {
    pub(super) const ALL: [Self; 17] = [
        Self::Provider,
        Self::Model,
        Self::Account,
        Self::Client,
        Self::Endpoint,
        Self::Executor,
        Self::Tier,
        Self::Effort,
        Self::Code,
        Self::Reason,
        Self::Reference,
        Self::Combo,
        Self::GatewayChannel,
        Self::GatewayModel,
        Self::GatewayStatus,
        Self::GatewayErrorType,
        Self::GatewayLogType,
    ];
    /// Most labels that an item has.
    pub(super) const PLACES: usize = RECORD_KINDS;

    /// Place of the label among those of an item. No item has labels of both, so a gateway's take
    /// the places of a record's.
    pub(super) const fn place(self) -> usize {
        let kind = self as usize;
        if kind < RECORD_KINDS {
            kind
        } else {
            kind - RECORD_KINDS
        }
    }

    /// Name of the label, source of its ids, and value of the absent id 0.
    const fn declaration(self) -> (&'static str, PastKey, Option<&'static str>) {
        use PastKey::Interned;
        match self {
            Self::Provider => ("provider", Interned(Dimension::Provider), Some("unknown")),
            Self::Model => ("model", Interned(Dimension::Model), Some("unknown")),
            Self::Account => ("account", Interned(Dimension::Account), Some("none")),
            Self::Client => ("client", Interned(Dimension::Client), Some("none")),
            Self::Endpoint => ("endpoint", Interned(Dimension::Endpoint), Some("none")),
            Self::Executor => ("executor", Interned(Dimension::Executor), Some("unknown")),
            Self::Tier => (
                "service_tier",
                Interned(Dimension::ServiceTier),
                Some("none"),
            ),
            Self::Effort => (
                "reasoning_effort",
                Interned(Dimension::ReasoningEffort),
                Some("none"),
            ),
            Self::Code => ("code", PastKey::Status, None),
            Self::Reason => ("reason", PastKey::Reason, None),
            Self::Reference => ("reference", Interned(Dimension::Reference), Some("none")),
            Self::Combo => ("combo", Interned(Dimension::Combo), Some("none")),
            Self::GatewayChannel => (
                "channel_id",
                Interned(Dimension::GatewayChannel),
                Some("none"),
            ),
            Self::GatewayModel => (
                GATEWAY_MODEL,
                Interned(Dimension::GatewayModel),
                Some("none"),
            ),
            Self::GatewayStatus => (
                "status_code",
                Interned(Dimension::GatewayStatus),
                Some("none"),
            ),
            Self::GatewayErrorType => (
                "error_type",
                Interned(Dimension::GatewayErrorType),
                Some("none"),
            ),
            Self::GatewayLogType => (
                "log_type",
                Interned(Dimension::GatewayLogType),
                Some("none"),
            ),
        }
    }

    /// `None`: ids of the dimension are no label.
    pub(super) fn of(dimension: Dimension) -> Option<Self> {
        Self::of_key(PastKey::Interned(dimension))
    }

    pub(super) fn of_key(key: PastKey) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.past_key() == key)
    }

    /// The kind of the label called `name` of a family.
    pub(super) fn named(family: &str, name: &str) -> Option<Self> {
        let is_model = name == "model" && family.starts_with("newapi_");
        let name = if is_model { GATEWAY_MODEL } else { name };
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) const fn past_key(self) -> PastKey {
        self.declaration().1
    }

    const fn name(self) -> &'static str {
        self.declaration().0
    }
}

/// Maximum number of values of each label, and of series of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    pub account: usize,
    pub model: usize,
    pub client: usize,
    pub endpoint: usize,
    pub code: usize,
    /// Channels of a gateway.
    pub channel: usize,
    /// Providers, executors, tiers and efforts: CPA's own words, so few.
    pub word: usize,
    pub series: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            account: 1000,
            model: 200,
            client: 200,
            endpoint: 20,
            code: 40,
            channel: 1000,
            word: 50,
            series: 200_000,
        }
    }
}

impl Caps {
    const fn of(&self, kind: LabelKind) -> usize {
        match kind {
            LabelKind::Account => self.account,
            LabelKind::Model | LabelKind::GatewayModel => self.model,
            LabelKind::Client => self.client,
            LabelKind::Endpoint => self.endpoint,
            LabelKind::Code | LabelKind::GatewayStatus => self.code,
            LabelKind::GatewayChannel => self.channel,
            LabelKind::Provider
            | LabelKind::Executor
            | LabelKind::Tier
            | LabelKind::Effort
            | LabelKind::GatewayErrorType
            | LabelKind::GatewayLogType => self.word,
            LabelKind::Reason | LabelKind::Reference | LabelKind::Combo => usize::MAX,
        }
    }
}

/// Configured names of accounts and clients, by stored value or default name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    pub accounts: HashMap<String, String>,
    pub clients: HashMap<String, String>,
}

impl Aliases {
    fn of(&self, kind: LabelKind, value: &str, label: &str) -> Option<&str> {
        let aliases = if kind == LabelKind::Account {
            &self.accounts
        } else if kind == LabelKind::Client {
            &self.clients
        } else {
            return None;
        };
        let alias = aliases.get(value).or_else(|| aliases.get(label))?;
        Some(alias)
    }
}

/// The id of all values beyond a cap.
pub(super) const OTHER: u32 = u32::MAX;
/// Value of a label for everything beyond its cap.
pub(super) const OTHER_TEXT: &str = "other";
/// Longest label value in bytes.
const MAX_VALUE: usize = 128;

/// Label values by id, under the caps.
#[derive(Debug)]
pub(super) struct LabelTexts {
    caps: Caps,
    aliases: Aliases,
    kinds: [Values; KINDS],
    /// Order of first occurrence of codes. Other ids increase with first occurrence.
    codes: HashMap<u32, u32>,
}

#[derive(Debug, Default)]
struct Values {
    texts: HashMap<u32, Box<str>>,
    /// The id whose series has a text. Two ids with the same text share a series, because Prometheus
    /// rejects a page that contains a series twice.
    owners: HashMap<Box<str>, u32>,
    /// The id whose series an id belongs to: its text's owner, or [`OTHER`].
    shown: HashMap<u32, u32>,
    /// Accounts whose text is an alias: only these may share it.
    aliased: HashSet<u32>,
    admitted: usize,
    overflows: u64,
}

impl LabelTexts {
    pub(super) fn new(caps: Caps, aliases: Aliases) -> Self {
        let mut this = Self {
            caps,
            aliases,
            kinds: Default::default(),
            codes: HashMap::new(),
        };
        for kind in LabelKind::ALL {
            let values = this.values_mut(kind);
            values.owners.insert(OTHER_TEXT.into(), OTHER);
            values.texts.insert(OTHER, OTHER_TEXT.into());
            if let (_, _, Some(absent)) = kind.declaration() {
                values.owners.insert(absent.into(), 0);
                values.texts.insert(0, absent.into());
                values.shown.insert(0, 0);
            }
        }
        this
    }

    /// Registers the text of an interned value. `value` is its stored form, `label` its name.
    pub(super) fn name(&mut self, dimension: Dimension, id: DimId, value: &str, label: &str) {
        let Some(kind) = LabelKind::of(dimension) else {
            if let (Dimension::Status, Ok(code)) = (dimension, value.parse()) {
                self.codes.insert(code, id.0);
            }
            return;
        };
        let alias = self.aliases.of(kind, value, label).map(clean);
        let values = self.values_mut(kind);
        let owner = |text: &str| values.owners.get(text).filter(|owner| **owner != id.0);
        let taken = |text: &str| owner(text).is_some();
        let is_default_name = |text| owner(text).is_some_and(|id| !values.aliased.contains(id));
        let is_aliased = alias.is_some();
        let text = match alias {
            // Who share an alias share their series. Nobody gets into an account that has none.
            Some(alias) if kind == LabelKind::Account && is_default_name(&alias) => {
                tracing::warn!(
                    alias,
                    name = label,
                    "alias is already the name of another account or client; ignored"
                );
                clean(label)
            }
            Some(alias) => alias,
            // An alias can be what a later account would be called; that one stays another one.
            None if kind == LabelKind::Account && taken(&clean(label)) => {
                clean(&format!("{label}-{}", id.0))
            }
            None => clean(label),
        };
        if is_aliased && text != clean(label) {
            values.aliased.insert(id.0);
        }
        values.owners.entry(text.as_str().into()).or_insert(id.0);
        values.texts.insert(id.0, text.into());
    }

    /// The id whose text `id` has in labels, or [`OTHER`] beyond the cap. The first ids are admitted.
    pub(super) fn shown(&mut self, kind: LabelKind, id: u32) -> u32 {
        let cap = self.caps.of(kind);
        let values = self.values_mut(kind);
        if let Some(shown) = values.shown.get(&id) {
            return *shown;
        }
        let text = match kind.past_key() {
            PastKey::Status => id.to_string().into(),
            PastKey::Reason => failure_reason(id).into(),
            PastKey::Interned(_) => values
                .texts
                .get(&id)
                .cloned()
                .unwrap_or_else(|| format!("id-{id}").into()),
        };
        let owner = *values.owners.entry(text.clone()).or_insert(id);
        values.texts.entry(id).or_insert(text);
        let is_new = owner == id && owner != OTHER;
        let shown = if is_new && values.admitted >= cap {
            values.overflows += 1;
            OTHER
        } else if is_new {
            values.admitted += 1;
            id
        } else if owner == OTHER {
            OTHER
        } else {
            self.shown(kind, owner)
        };
        self.values_mut(kind).shown.insert(id, shown);
        shown
    }

    /// Admits values under the caps in the order of their first occurrence.
    pub(super) fn admit(&mut self, values: impl Iterator<Item = (LabelKind, u32)>) {
        let mut ids = Vec::new();
        for (kind, id) in values {
            let first_seen = if kind == LabelKind::Code {
                self.codes.get(&id).copied().unwrap_or(u32::MAX)
            } else {
                id
            };
            ids.push((first_seen, id, kind));
        }
        ids.sort_unstable_by_key(|(first_seen, id, kind)| (*first_seen, *id, *kind as usize));
        ids.dedup();
        for (_, id, kind) in ids {
            self.shown(kind, id);
        }
    }

    /// The text of an id that [`Self::shown`] gave.
    pub(super) fn text(&self, kind: LabelKind, shown: u32) -> &str {
        #[expect(clippy::indexing_slicing, reason = "one entry for each kind")]
        let values = &self.kinds[kind as usize];
        values.texts.get(&shown).map_or(OTHER_TEXT, |text| text)
    }

    /// Values beyond their cap, by label.
    pub(super) fn overflows(&self) -> Vec<(&'static str, u64)> {
        LabelKind::ALL
            .into_iter()
            .zip(&self.kinds)
            .filter(|(kind, _)| self.caps.of(*kind) != usize::MAX)
            .map(|(kind, values)| (kind.name(), values.overflows))
            .collect()
    }

    fn values_mut(&mut self, kind: LabelKind) -> &mut Values {
        #[expect(clippy::indexing_slicing, reason = "one entry for each kind")]
        &mut self.kinds[kind as usize]
    }
}

/// Removes invisible characters and truncates to the maximum length.
fn clean(text: &str) -> String {
    let mut clean = visible(text);
    clean.truncate(clean.floor_char_boundary(MAX_VALUE));
    clean
}

/// The values of the label `reason` of failures, by their code.
fn failure_reason(code: u32) -> &'static str {
    let reason = u8::try_from(code).ok().and_then(FailureReason::from_code);
    reason.unwrap_or(FailureReason::Other).as_str()
}
