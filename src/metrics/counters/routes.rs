//! Where the totals of a route are, so that a known route costs one look-up.

use super::super::restored::at;
use super::Counters;
use crate::model::Route;

/// Routes whose slots are remembered; a hostile variety of them must not fill memory.
const MAX_ROUTES: usize = 65_536;

/// The parts of a route that labels are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteKey([u32; 8]);

/// Where the totals of a route are; those that not every record touches are found later.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteSlots {
    pub(super) requests: u32,
    pub(super) tokens: u32,
    pub(super) endpoint: u32,
    pub(super) tier: u32,
    pub(super) client_requests: u32,
    pub(super) client_tokens: u32,
    pub(super) quality: u32,
    pub(super) last_request: Option<u32>,
    pub(super) durations: Option<Durations>,
    pub(super) first_token: Option<u32>,
    pub(super) output_token: Option<u32>,
}

/// Where the times of a route's successful requests are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durations {
    pub(super) model: u32,
    pub(super) account: u32,
}

impl Counters {
    pub(super) fn route_slots(&mut self, route: &Route) -> RouteSlots {
        let key = RouteKey::new(route);
        if let Some(slots) = self.routes.get(&key) {
            return *slots;
        }
        let [
            provider,
            executor,
            model,
            endpoint,
            account,
            client,
            tier,
            effort,
        ] = key.0;
        let slots = RouteSlots {
            requests: self.slot(at::REQUESTS, [provider, model, account, 0, 0]),
            tokens: self.slot(at::TOKENS, [provider, model, account, 0, 0]),
            endpoint: self.slot(at::ENDPOINT, [provider, endpoint, executor, 0, 0]),
            tier: self.slot(at::TIER, [provider, tier, effort, 0, 0]),
            client_requests: self.slot(at::CLIENT_REQUESTS, [client, model, 0, 0, 0]),
            client_tokens: self.slot(at::CLIENT_TOKENS, [client, model, 0, 0, 0]),
            quality: self.slot(at::QUALITY, [provider, 0, 0, 0, 0]),
            last_request: match account {
                0 => None,
                account => Some(self.slot(at::LAST_REQUEST, [account, 0, 0, 0, 0])),
            },
            durations: None,
            first_token: None,
            output_token: None,
        };
        if self.routes.len() >= MAX_ROUTES {
            self.routes.clear();
        }
        self.routes.insert(key, slots);
        slots
    }
}

impl RouteKey {
    pub(super) fn new(route: &Route) -> Self {
        Self([
            route.provider.0,
            route.executor.0,
            route.model.0,
            route.endpoint.0,
            route.account.0,
            route.client.0,
            route.service_tier.0,
            route.reasoning_effort.0,
        ])
    }
}
