//! From the board to the page.

use super::board::{AccountBoard, Board};
use super::local::Locals;
use super::row::Row;
use super::view::seconds;
use crate::metrics::catalogue::{Family, accounts as families};
use crate::metrics::{AccountLabel, AccountNames, Sheet};

/// All samples of the quota families.
pub(super) fn sheet(
    board: &Board,
    locals: &Locals,
    names: &AccountNames,
    provider: impl Fn(&str) -> Option<Box<str>>,
) -> Sheet {
    let mut sheet = Sheet::default();
    for (auth_index, account) in board.accounts() {
        // Without a name yet, the account shows at the next publication.
        if let Some(AccountLabel::Named(name)) = names.get(auth_index) {
            let mut page = AccountPage {
                sheet: &mut sheet,
                provider: &account.provider,
                account: &name,
            };
            page.facts(account);
            page.rows(board, account);
        }
    }
    locals.write(&mut sheet, board, names, provider);
    sheet
}

struct AccountPage<'a> {
    sheet: &'a mut Sheet,
    provider: &'a str,
    account: &'a str,
}

impl AccountPage<'_> {
    fn facts(&mut self, account: &AccountBoard) {
        let facts = &account.facts;
        self.add(&families::LAST_SUCCESS, &[], account.polled.map(seconds));
        self.add(&families::RESET_CREDITS, &[], facts.reset_credits);
        for (unit, balance) in &facts.credits {
            self.add(&families::CREDITS, &[unit.as_str()], Some(*balance));
        }
        for spend in &facts.spend {
            let limit = [spend.limit.as_str()];
            self.add(&families::SPEND, &limit, spend.used_usd());
            self.add(&families::SPEND_LIMIT, &limit, spend.limit_usd());
        }
    }

    fn rows(&mut self, board: &Board, account: &AccountBoard) {
        let mut described = "";
        for ((limit, window), row) in &account.rows {
            if !board.shows(limit) {
                self.sheet.leave_out();
                continue;
            }
            // Rows are sorted by limit, and a limit is described once.
            if described != &**limit {
                described = limit;
                let reading = row.reading();
                let name = reading.name().map_or("", |name| name.as_str());
                let labels = [limit, reading.scope().as_str(), name];
                self.add(&families::LIMIT_INFO, &labels, Some(1.0));
            }
            self.row(&[limit, window], row);
        }
    }

    fn row(&mut self, place: &[&str; 2], row: &Row) {
        let reading = row.reading();
        let length = reading.window().seconds().map(f64::from);
        self.add(&families::WINDOW_SECONDS, place, length);
        #[expect(clippy::cast_precision_loss, reason = "nobody sees 2^53 resets")]
        self.add(&families::RESETS, place, Some(row.resets() as f64));
        if !row.is_current() {
            return;
        }
        let [limit, window] = *place;
        self.add(&families::USED_RATIO, place, reading.used_ratio());
        if let Some(amounts) = reading.amounts() {
            let labels = [limit, window, amounts.unit().as_str()];
            self.add(&families::USED, &labels, amounts.used());
            self.add(&families::LIMIT, &labels, amounts.limit());
            self.add(&families::REMAINING, &labels, amounts.remaining());
        }
        self.add(&families::RESET, place, reading.reset_at().map(seconds));
        let exhausted = reading.exhausted().map(|yes| f64::from(u8::from(yes)));
        self.add(&families::EXHAUSTED, place, exhausted);
        self.add(&families::EXHAUSTION, place, row.exhaustion().map(seconds));
        self.add(&families::OBSERVED, place, Some(seconds(row.observed())));
        let labels = [limit, window, row.source().as_str()];
        self.add(&families::SOURCE_INFO, &labels, Some(1.0));
    }

    fn add(&mut self, family: &'static Family, labels: &[&str], value: Option<f64>) {
        let Some(value) = value else {
            return;
        };
        let mut all = vec![self.provider, self.account];
        all.extend_from_slice(labels);
        self.sheet.add(family, &all, value);
    }
}
