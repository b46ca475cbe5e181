/// The columns whose values are interned: stored once and referenced by number.
///
/// The numbers are part of the database format; append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dimension {
    Provider = 0,
    Executor = 1,
    Model = 2,
    Alias = 3,
    Endpoint = 4,
    /// `auth_index` of the credential.
    Account = 5,
    /// Stored form of the client's masked key.
    Client = 6,
    ServiceTier = 7,
    ReasoningEffort = 8,
    /// Stored form of a record's masked `source`.
    Source = 9,
    /// Start of the upstream's error text. Most texts repeat, so the first few thousand distinct
    /// ones are interned; later ones are stored in the event.
    FailureText = 10,
    /// Configured name of a reference price.
    Reference = 11,
    /// Configured name of a group of models.
    Combo = 12,
    /// HTTP status of counted failures. Events and totals store the status code itself; the number
    /// only records the order in which codes first occurred.
    Status = 13,
    /// Of a gateway: a channel's id, the model that was asked for, the HTTP status of an error, its
    /// class, and the type of a row of the log that is not read.
    GatewayChannel = 14,
    GatewayModel = 15,
    GatewayStatus = 16,
    GatewayErrorType = 17,
    GatewayLogType = 18,
}

impl Dimension {
    pub const ALL: [Self; 19] = [
        Self::Provider,
        Self::Executor,
        Self::Model,
        Self::Alias,
        Self::Endpoint,
        Self::Account,
        Self::Client,
        Self::ServiceTier,
        Self::ReasoningEffort,
        Self::Source,
        Self::FailureText,
        Self::Reference,
        Self::Combo,
        Self::Status,
        Self::GatewayChannel,
        Self::GatewayModel,
        Self::GatewayStatus,
        Self::GatewayErrorType,
        Self::GatewayLogType,
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Number of an interned value, unique within its [`Dimension`].
///
/// 0 is the absent value: empty text, no account, no client key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DimId(pub u32);

impl DimId {
    pub const NONE: Self = Self(0);
}

/// The interned fields of an event, from which labels are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    pub provider: DimId,
    pub executor: DimId,
    pub model: DimId,
    pub alias: DimId,
    pub endpoint: DimId,
    pub account: DimId,
    pub client: DimId,
    pub service_tier: DimId,
    pub response_service_tier: DimId,
    pub reasoning_effort: DimId,
    pub source: DimId,
}
