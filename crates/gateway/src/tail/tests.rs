use super::*;

fn row(id: i64) -> LogRow {
    LogRow {
        id,
        created_at: 1000 + id,
        ..LogRow::default()
    }
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<LogRow> {
    ids.into_iter().map(row).collect()
}

fn ids(rows: &[LogRow]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}

fn gaps(tail: &Tail) -> Vec<(i64, i64)> {
    tail.gaps().map(|gap| (gap.first, gap.last)).collect()
}

#[test]
fn a_late_row_is_taken_once() {
    let mut tail = Tail::default();
    assert_eq!(ids(&tail.take(rows([1, 2, 6]), 0)), [1, 2, 6]);
    assert_eq!(gaps(&tail), [(3, 5)]);
    assert_eq!(ids(&tail.take(rows([4]), 1)), [4]);
    assert_eq!(gaps(&tail), [(3, 3), (5, 5)]);
    assert_eq!(ids(&tail.take(rows([3, 4, 5, 6, 7]), 2)), [3, 5, 7]);
    assert_eq!(gaps(&tail), []);
    assert!(tail.take(rows(1..=7), 3).is_empty());
}

#[test]
fn an_id_that_never_comes_is_given_up_after_its_time_and_not_before_it_was_asked_for() {
    let mut tail = Tail::default();
    tail.take(rows([2]), 1000);
    tail.expire(1000 + DEADLINE_MS - 1, None);
    assert_eq!(gaps(&tail), [(1, 1)]);
    tail.expire(1000 + DEADLINE_MS, None);
    assert_eq!((gaps(&tail), tail.given_up()), (vec![], (1, 0)));
}

#[test]
fn a_running_transaction_keeps_the_gap_open() {
    let mut tail = Tail::default();
    tail.take(rows([2]), 0);
    let snapshot = |xmin, xmax| Some(Snapshot { xmin, xmax });
    tail.expire(1, snapshot(90, 100));
    tail.expire(DEADLINE_MS, snapshot(99, 300));
    assert_eq!(gaps(&tail), [(1, 1)], "transaction 99 may hold id 1");
    tail.expire(DEADLINE_MS, snapshot(100, 300));
    assert_eq!(gaps(&tail), []);
    tail.take(rows([4]), 0);
    tail.expire(1, snapshot(90, 100));
    tail.expire(LONGEST_MS, snapshot(90, 100));
    assert_eq!(gaps(&tail), [], "not for ever");
}

#[test]
fn the_state_is_the_sum_of_its_changes() {
    let mut tail = Tail::default();
    let mut stored = TailState::default();
    let mut order: Vec<i64> = (1..=200).filter(|id| id % 7 != 0).collect();
    // Every fifth row is late.
    order.sort_by_key(|id| if id % 5 == 0 { id + 12 } else { *id });
    let mut taken = Vec::new();
    for (at, chunk) in (0_i64..).zip(order.chunks(9)) {
        let before = tail.cursor();
        let mut chunk = rows(chunk.iter().copied());
        chunk.sort_by_key(|row| row.id);
        taken.extend(ids(&tail.take(chunk, at)));
        if let Some(change) = tail.take_change(before) {
            apply(&mut stored, change);
        }
        let found: Vec<(i64, i64)> = stored
            .gaps
            .iter()
            .map(|gap| (gap.first, gap.last))
            .collect();
        assert_eq!(found, gaps(&tail));
        // A crash here continues from the stored state.
        if at % 3 == 0 {
            tail = Tail::resume(stored.clone(), at);
        }
    }
    taken.sort_unstable();
    order.sort_unstable();
    assert_eq!(taken, order);
    assert_eq!(tail.take_change(tail.cursor()), None);
    assert!(stored.anchors.len() <= MAX_ANCHORS);
    assert_eq!(stored.anchors.last(), Some(&(200, 1200)));
}

fn apply(state: &mut TailState, change: TailChange) {
    state.cursor = change.cursor;
    state.cursor_time = change.cursor_time;
    if change.reset {
        state.gaps.clear();
        state.anchors.clear();
    }
    state.gaps.retain(|gap| !change.closed.contains(&gap.first));
    for gap in change.opened {
        state.gaps.retain(|old| old.first != gap.first);
        state.gaps.push(gap);
    }
    state.gaps.sort_by_key(|gap| gap.first);
    if let Some(anchors) = change.anchors {
        state.anchors = anchors;
    }
}

#[test]
fn an_emptied_table_is_told_from_an_older_copy() {
    let mut tail = Tail::default();
    for id in 1..=100 {
        tail.take(rows([id]), 0);
    }
    assert_eq!(tail.is_continued_by(Some(&row(100))), Some(true));
    assert_eq!(tail.is_continued_by(Some(&row(101))), None);
    let other = LogRow {
        created_at: 5,
        ..row(100)
    };
    assert_eq!(tail.is_continued_by(Some(&other)), Some(false));
    let copy: Vec<LogRow> = tail
        .anchors()
        .iter()
        .map(|(id, _)| row(*id))
        .take(3)
        .collect();
    assert_eq!(tail.reset_kind(&copy), Reset::Restored { newest: 1100 });
    let emptied: Vec<LogRow> = copy
        .into_iter()
        .map(|row| LogRow {
            created_at: 9999,
            ..row
        })
        .collect();
    assert_eq!(tail.reset_kind(&emptied), Reset::Emptied);
    tail.restart(0);
    assert_eq!(ids(&tail.take(rows([1, 2]), 0)), [1, 2]);
    assert!(tail.take_change(0).is_some_and(|change| change.reset));
}

#[test]
fn gaps_before_a_start_at_the_end_are_remembered() {
    let mut tail = Tail::default();
    tail.restart(10);
    tail.note_recent(&rows([6, 7, 10]), 0);
    assert_eq!(gaps(&tail), [(8, 9)]);
    assert_eq!(ids(&tail.take(rows([9, 10, 11]), 0)), [9, 11]);
}

#[test]
fn too_many_gaps_give_up_the_oldest() {
    let mut tail = Tail::default();
    let many = i64::try_from(MAX_GAPS).unwrap() + 5;
    tail.take(rows((1..=many).map(|id| id * 2)), 0);
    assert_eq!((tail.gaps().len(), tail.given_up()), (MAX_GAPS, (0, 5)));
}
