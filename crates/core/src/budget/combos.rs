use std::collections::HashMap;
use std::sync::Arc;

use super::rules::Rules;
use crate::model::{DimId, Dimension, Route};

/// Routes that are remembered; a hostile variety of models must not fill memory.
const MAX_ROUTES: usize = 65_536;

/// Which combos a record belongs to, found once for each model and name that clients gave it.
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

    /// Other rules are in force.
    pub fn forget(&mut self) {
        self.routes.clear();
    }

    /// Places of the combos among the rules.
    pub fn of(&mut self, rules: &Rules, route: &Route) -> Arc<[usize]> {
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
            .filter(|(_, combo)| combo.models.name_one(&model) || combo.aliases.name_one(&alias))
            .map(|(at, _)| at)
            .collect();
        if self.routes.len() >= MAX_ROUTES {
            self.routes.clear();
        }
        self.routes.insert(key, Arc::clone(&combos));
        combos
    }
}
