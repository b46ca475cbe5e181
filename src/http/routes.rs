//! The routes of the server.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    middleware,
    response::Response,
    routing::{get, post},
};

use super::api::{self, ApiParts};
use super::web_config::{self, WebAccess};
use super::{Readiness, ReloadHandle, Routers, page, same_origin};
use crate::config::TelemetryPath;

/// Dependencies of the routes.
#[derive(Debug)]
pub struct Parts {
    /// Router of the telemetry path; its handler is at `/`.
    pub telemetry: Router,
    pub telemetry_path: TelemetryPath,
    pub readiness: Readiness,
    pub api: ApiParts,
    /// `None` unless `web.enable_lifecycle` is set.
    pub reload: Option<ReloadHandle>,
}

/// All routes, without the requirements of `web.config.file`.
pub fn routers(parts: Parts) -> Routers {
    Routers {
        reserve: health(parts.readiness.clone()).fallback(too_many_connections),
        all: router(parts),
    }
}

impl Routers {
    /// Requires what `web.config.file` requires, of every path, as exporter-toolkit does.
    #[must_use]
    pub fn restricted(self, access: &WebAccess) -> Self {
        let restrict = |router: Router| {
            let require = middleware::from_fn_with_state(access.clone(), web_config::require);
            router.layer(require)
        };
        Self {
            all: restrict(self.all),
            reserve: restrict(self.reserve),
        }
    }
}

/// Routes before the program can start: metrics, health checks, and the reason for all else.
pub fn waiting_routers(
    telemetry: Router,
    telemetry_path: &TelemetryPath,
    readiness: Readiness,
) -> Routers {
    let health = health(readiness.clone());
    Routers {
        reserve: health.clone().fallback(too_many_connections),
        all: health
            .nest(telemetry_path.as_str(), telemetry)
            .fallback(move || ready(State(readiness))),
    }
}

fn health(readiness: Readiness) -> Router {
    Router::new()
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready).with_state(readiness))
}

fn router(parts: Parts) -> Router {
    let Parts {
        telemetry,
        telemetry_path,
        readiness,
        api: api_parts,
        reload,
    } = parts;
    let landing = page::landing(telemetry_path.as_str());
    health(readiness)
        .route("/", get(async move || page::html(landing.clone())))
        .route("/-/reload", post(do_reload).with_state(reload))
        .nest("/api/v1", api::router(api_parts))
        .nest(telemetry_path.as_str(), telemetry)
        .fallback(not_found)
        .layer(middleware::from_fn(same_origin::require))
}

/// A response means that the process is alive; metrics show whether it works well.
async fn healthy() -> Response {
    page::text(StatusCode::OK, "healthy")
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.reason() {
        None => page::text(StatusCode::OK, "ready"),
        Some(reason) => {
            let text = format!("not ready: {reason}");
            page::text(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

async fn do_reload(State(reload): State<Option<ReloadHandle>>) -> Response {
    let Some(reload) = reload else {
        let text = "reload over HTTP is disabled: --web.enable-lifecycle enables it, SIGHUP always \
                    works";
        return page::text(StatusCode::FORBIDDEN, text);
    };
    match reload.reload().await {
        Ok(reloaded) if reloaded.needs_restart.is_empty() => page::text(StatusCode::OK, "reloaded"),
        Ok(reloaded) => {
            let sections = reloaded.needs_restart.join(", ");
            let text = format!("reloaded; changes in these sections need a restart: {sections}");
            page::text(StatusCode::OK, text)
        }
        Err(problem) => {
            let text = format!("not reloaded; the old configuration stays in force:\n{problem}");
            page::text(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}

async fn too_many_connections() -> Response {
    let text = "too many open connections: only /-/healthy and /-/ready are served; \
                --web.max-connections sets the limit";
    page::text(StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn not_found() -> Response {
    page::text(StatusCode::NOT_FOUND, "not found")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
