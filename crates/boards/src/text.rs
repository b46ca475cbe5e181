//! The string table: one file per board, one for words that several boards share. Each text has
//! the three languages side by side, so that none can be forgotten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lang {
    En,
    Vi,
    Zh,
}

impl Lang {
    pub(crate) const ALL: [Self; 3] = [Self::En, Self::Vi, Self::Zh];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Vi => "vi",
            Self::Zh => "zh",
        }
    }

    /// English keeps the plain identifier: links from elsewhere point there.
    pub(crate) const fn uid_suffix(self) -> &'static str {
        match self {
            Self::En => "",
            Self::Vi => "-vi",
            Self::Zh => "-zh",
        }
    }
}

/// English, Vietnamese, Chinese.
type Text = [String; 3];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Option<Text>,
    question: Option<Text>,
    #[serde(default)]
    words: BTreeMap<String, Text>,
    #[serde(default)]
    panel: BTreeMap<String, PanelText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PanelText {
    title: Text,
    about: Text,
    /// What the panel says when there is nothing to show.
    empty: Option<Text>,
}

/// The texts of one board in one language.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) lang: Lang,
    board: File,
    common: File,
    used: RefCell<BTreeSet<String>>,
}

impl Texts {
    pub(crate) fn new(lang: Lang, board: &str) -> Self {
        let parse = |text| toml::from_str(text).expect("a string table");
        Self {
            lang,
            board: parse(board),
            common: parse(include_str!("text/common.toml")),
            used: RefCell::default(),
        }
    }

    fn pick<'a>(&self, text: &'a Text) -> &'a str {
        &text[self.lang as usize]
    }

    pub(crate) fn title(&self) -> &str {
        self.pick(self.board.title.as_ref().expect("title"))
    }

    pub(crate) fn question(&self) -> &str {
        self.pick(self.board.question.as_ref().expect("question"))
    }

    /// A word of the board, else one that all boards share.
    pub(crate) fn word(&self, key: &str) -> &str {
        self.used.borrow_mut().insert(format!("words.{key}"));
        let text = self.board.words.get(key).or(self.common.words.get(key));
        self.pick(text.unwrap_or_else(|| panic!("no word {key}")))
    }

    fn panel(&self, key: &str) -> &PanelText {
        self.used.borrow_mut().insert(format!("panel.{key}"));
        let text = self.board.panel.get(key).or(self.common.panel.get(key));
        text.unwrap_or_else(|| panic!("no text for the panel {key}"))
    }

    pub(crate) fn panel_title(&self, key: &str) -> &str {
        self.pick(&self.panel(key).title)
    }

    pub(crate) fn panel_about(&self, key: &str) -> &str {
        self.pick(&self.panel(key).about)
    }

    pub(crate) fn panel_empty(&self, key: &str) -> Option<&str> {
        self.panel(key).empty.as_ref().map(|text| self.pick(text))
    }

    /// Keys of the board's own file that nothing asked for.
    pub(crate) fn unused(&self) -> Vec<String> {
        let words = self.board.words.keys().map(|k| format!("words.{k}"));
        let panels = self.board.panel.keys().map(|k| format!("panel.{k}"));
        let used = self.used.borrow();
        words.chain(panels).filter(|k| !used.contains(k)).collect()
    }

    pub(crate) fn used(&self) -> Vec<String> {
        self.used.borrow().iter().cloned().collect()
    }

    /// Every text of the board's file, with its key.
    #[cfg(test)]
    pub(crate) fn every(&self) -> Vec<(String, &[String; 3])> {
        let mut all = Vec::new();
        all.extend(self.board.title.as_ref().map(|t| ("title".to_owned(), t)));
        all.extend(
            self.board
                .question
                .as_ref()
                .map(|t| ("question".to_owned(), t)),
        );
        for (key, text) in self.board.words.iter().chain(&self.common.words) {
            all.push((key.clone(), text));
        }
        for (key, text) in self.board.panel.iter().chain(&self.common.panel) {
            all.push((format!("{key}.title"), &text.title));
            all.push((format!("{key}.about"), &text.about));
            all.extend(text.empty.as_ref().map(|t| (format!("{key}.empty"), t)));
        }
        all
    }
}
