use std::borrow::Cow;
use std::num::NonZeroU32;

use super::{figure, whole};
use crate::model::UnixNanos;

const MINUTE: u32 = 60;
const HOUR: u32 = 3600;
const DAY: u32 = 86_400;
/// Longest plausible window: three years.
const LONGEST: f64 = 3.0 * 366.0 * 86_400.0;

/// The time span of a limit. Readings are matched by [`Self::label`], not by the exact length,
/// because months differ in length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Seconds.
    Length(NonZeroU32),
    /// The provider names the window without its length.
    Role(WindowRole),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowRole {
    Primary,
    Secondary,
    Daily,
    Weekly,
    /// A calendar or billing month.
    Monthly,
    Unknown,
}

impl WindowRole {
    pub const ALL: [Self; 6] = [
        Self::Primary,
        Self::Secondary,
        Self::Daily,
        Self::Weekly,
        Self::Monthly,
        Self::Unknown,
    ];
}

impl Window {
    pub const UNKNOWN: Self = Self::Role(WindowRole::Unknown);
    pub const MONTH: Self = Self::Role(WindowRole::Monthly);

    /// A window of this many seconds; `role` without a length, which 0 and more than three years
    /// stand for, too. `None` for a number that is no [`figure`]: it is unknown which window is
    /// meant, and `role` would make a new one.
    pub fn of_seconds(seconds: Option<f64>, role: WindowRole) -> Option<Self> {
        let seconds = match seconds {
            Some(stated) => Some(figure(Some(stated))?),
            None => None,
        };
        let seconds = seconds.filter(|s| (1.0..=LONGEST).contains(s));
        let length = seconds.and_then(|seconds| {
            let length = u32::try_from(whole(seconds)?).ok()?;
            NonZeroU32::new(length)
        });
        Some(length.map_or(Self::Role(role), Self::Length))
    }

    /// The window between two times; `role` if one is missing or the end is not after the start.
    pub fn between(start: Option<UnixNanos>, end: Option<UnixNanos>, role: WindowRole) -> Self {
        let length = start.zip(end).map(|(start, end)| end.since(start));
        let window = Self::of_seconds(length.map(|length| length.as_secs_f64()), role);
        window.unwrap_or(Self::Role(role))
    }

    pub const fn hours(hours: u16) -> Self {
        match NonZeroU32::new(hours as u32 * HOUR) {
            Some(length) => Self::Length(length),
            None => Self::UNKNOWN,
        }
    }

    pub const fn days(days: u8) -> Self {
        Self::hours(days as u16 * 24)
    }

    pub const fn seconds(self) -> Option<u32> {
        match self {
            Self::Length(length) => Some(length.get()),
            Self::Role(_) => None,
        }
    }

    /// The value of the label `window`: derived from the length, never from the position.
    pub fn label(self) -> Cow<'static, str> {
        match self {
            Self::Length(length) => of_length(length.get()),
            Self::Role(role) => Cow::Borrowed(match role {
                WindowRole::Primary => "primary",
                WindowRole::Secondary => "secondary",
                WindowRole::Daily => "daily",
                WindowRole::Weekly => "weekly",
                WindowRole::Monthly => "monthly",
                WindowRole::Unknown => "unknown",
            }),
        }
    }
}

fn of_length(seconds: u32) -> Cow<'static, str> {
    // Some providers round a window down by a minute.
    let near = |known: u32| seconds.abs_diff(known) <= MINUTE;
    if near(5 * HOUR) {
        "5h".into()
    } else if near(DAY) {
        "daily".into()
    } else if near(7 * DAY) {
        "weekly".into()
    } else if (28 * DAY - MINUTE..=31 * DAY + HOUR).contains(&seconds) {
        // A month with the end of daylight saving time is an hour longer.
        "monthly".into()
    } else {
        duration(seconds).into()
    }
}

/// `30m`, `3h`, `1d12h`.
fn duration(seconds: u32) -> String {
    let parts = [
        (seconds / DAY, 'd'),
        (seconds % DAY / HOUR, 'h'),
        (seconds % HOUR / MINUTE, 'm'),
        (seconds % MINUTE, 's'),
    ];
    let mut text = String::new();
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&count.to_string());
        text.push(unit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_label_follows_the_length() {
        let table = [
            (18_000, "5h"),
            (17_940, "5h"),
            (86_400, "daily"),
            (604_800, "weekly"),
            (2_419_200, "monthly"),
            (2_592_000, "monthly"),
            (2_628_000, "monthly"),
            (2_678_400, "monthly"),
            (10_800, "3h"),
            (1800, "30m"),
            (90, "1m30s"),
            (129_600, "1d12h"),
            (1_209_600, "14d"),
        ];
        for (seconds, label) in table {
            let window = Window::of_seconds(Some(f64::from(seconds)), WindowRole::Primary).unwrap();
            assert_eq!(window.label(), label);
            assert_eq!(window.seconds(), u32::try_from(seconds).ok());
        }
    }

    #[test]
    fn what_is_no_length_keeps_its_role() {
        for wrong in [None, Some(0.0), Some(1e12)] {
            let window = Window::of_seconds(wrong, WindowRole::Secondary).unwrap();
            assert_eq!(
                (window.label().as_ref(), window.seconds()),
                ("secondary", None)
            );
        }
        for wrong in [-5.0, -18_000.0, f64::NAN, f64::INFINITY] {
            let window = Window::of_seconds(Some(wrong), WindowRole::Secondary);
            assert_eq!(window, None, "{wrong}");
        }
        assert_eq!(Window::MONTH.label(), "monthly");
        assert_eq!(Window::days(7).label(), "weekly");
    }
}
