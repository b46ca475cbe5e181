//! Starts the task that reads a gateway.

use super::account_tasks::AccountTasks;
use crate::config::{Config, GatewayDsn, Secret, read_gateway_dsn};
use crate::gateway::{Gateway, Parts, Source};
use crate::ingest::JobHandle;
use crate::lifecycle::Lifecycle;
use crate::metrics::Handles;

/// Starts the task if a gateway is configured.
pub(super) fn watch(
    config: &Config,
    handles: &Handles,
    jobs: JobHandle,
    others: &AccountTasks,
    life: &Lifecycle,
) {
    let gateway = &config.gateway;
    let Some(main) = source(gateway.dsn.as_ref(), gateway.dsn_secret.as_ref()) else {
        return;
    };
    let task = Gateway::new(Parts {
        main,
        log: source(gateway.log_dsn.as_ref(), gateway.log_dsn_secret.as_ref()),
        log_table: gateway.log_table.clone(),
        start: gateway.start,
        poll_interval: gateway.poll_interval,
        objects_interval: gateway.objects_interval,
        max_tokens: gateway.max_tokens as usize,
        max_channels: config.metrics.caps.channel.get() as usize,
        directory: config.storage.path.clone(),
        ready: others.restored.clone(),
        jobs,
        gauges: handles.gateway.clone(),
        object_gauges: handles.gateway_objects.clone(),
        clock: others.clock.clone(),
        stop: life.soft(),
    });
    life.spawn("gateway", task.run());
}

fn source(dsn: Option<&GatewayDsn>, secret: Option<&Secret>) -> Option<Source> {
    if let Some(dsn) = dsn.cloned() {
        return Some(Box::new(move || Ok((*dsn).clone())));
    }
    let secret = secret?.clone();
    Some(Box::new(move || read_gateway_dsn(&secret)))
}
