use std::collections::HashMap;
use std::sync::Arc;

use super::rules::Rules;
use crate::model::{DimId, Dimension, Route};

/// Maximum number of cached routes, so that a hostile variety of models cannot fill memory.
const MAX_ROUTES: usize = 65_536;

/// Caches the combos of a record, by upstream model and requested model.
#[derive(Debug, Default)]
pub struct Combos {
    texts: HashMap<(Dimension, DimId), Box<str>>,
    routes: HashMap<(DimId, DimId), Arc<[usize]>>,
}

impl Combos {
    pub fn name(&mut self, dimension: Dimension, id: DimId, value: &str) {
        if matches!(dimension, Dimension::Model | Dimension::Alias) {
            self.texts.insert((dimension, id), value.into());
        }
    }

    /// Clears the cache after the rules have changed.
    pub fn forget(&mut self) {
        self.routes.clear();
    }

    /// Indexes of the route's combos in the rules.
    pub fn resolve(&mut self, rules: &Rules, route: &Route) -> Arc<[usize]> {
        let key = (route.model, route.alias);
        if let Some(combos) = self.routes.get(&key) {
            return Arc::clone(combos);
        }
        let text = |dimension, id| {
            let text = self.texts.get(&(dimension, id)).cloned();
            text.into_iter().collect::<Vec<Box<str>>>()
        };
        let model = text(Dimension::Model, route.model);
        let alias = text(Dimension::Alias, route.alias);
        let combos: Arc<[usize]> = rules
            .combos
            .iter()
            .enumerate()
            .filter(|(_, combo)| {
                combo.models.matches_any(&model) || combo.aliases.matches_any(&alias)
            })
            .map(|(at, _)| at)
            .collect();
        if self.routes.len() >= MAX_ROUTES {
            self.routes.clear();
        }
        self.routes.insert(key, Arc::clone(&combos));
        combos
    }
}
