//! Groups of models under one name, and names for what others count.

use super::super::labels::{LabelKind, OTHER};
use super::super::restored::at;
use super::Counters;
use crate::model::{DimId, Dimension, Event, Money, Route};

impl Counters {
    /// Counts a new event for the combos it belongs to. Call next to [`Counters::count`].
    pub fn count_combos(
        &mut self,
        event: &Event<'_>,
        route: &Route,
        money: &Money,
        combos: impl IntoIterator<Item = DimId>,
    ) {
        for combo in combos {
            let key = [combo.0, route.model.0, 0, 0, 0];
            let slot = self.slot(at::COMBO_REQUESTS, key);
            self.add(at::COMBO_REQUESTS, slot, 0, u64::from(event.generate));
            let slot = self.slot(at::COMBO_TOKENS, key);
            self.add(at::COMBO_TOKENS, slot, 0, event.tokens.total());
            let value = money.value.map_or(0, |value| value.total());
            let slot = self.slot(at::COMBO_LIST_VALUE, key);
            self.add(at::COMBO_LIST_VALUE, slot, 0, value);
        }
    }

    /// What an interned value is called in labels, its alias included, whatever the caps.
    pub fn text(&self, dimension: Dimension, id: DimId) -> Option<&str> {
        LabelKind::of(dimension).map(|kind| self.texts.text(kind, id.0))
    }

    /// What a gauge of an interned value is labelled with; `None` beyond the label's cap.
    pub fn label(&mut self, dimension: Dimension, id: DimId) -> Option<&str> {
        let kind = LabelKind::of(dimension)?;
        let shown = self.texts.shown(kind, id.0);
        (shown != OTHER).then(|| self.texts.text(kind, shown))
    }
}
