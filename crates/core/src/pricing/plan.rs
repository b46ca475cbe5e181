//! The prices of one model in compact form, selected by time, service tier and prompt length.

use std::collections::BTreeMap;

use super::file::{Dated, Listed, LongContext, PeakList, RateList, TierList};
use super::rate::{MAX_USD_PER_MTOK, Rate, Rates};
use super::schedule::{Hours, Span, end_of, start_of};
use crate::model::UnixNanos;

/// The prices of a model on all dates, with disjoint time spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    dates: Vec<Period>,
}

#[derive(Clone, Debug, PartialEq)]
struct Period {
    span: Span,
    standard: Steps,
    tiers: Vec<(Box<str>, Steps)>,
    peak: Option<(Hours, Steps)>,
}

/// Rates by prompt length.
#[derive(Clone, Debug, PartialEq)]
struct Steps {
    short: Rates,
    /// Minimum prompt length and rates, longest first.
    longer: Vec<(u64, Rates)>,
}

/// Name of the standard tier in labels and commands.
pub const STANDARD: &str = "standard";

/// Normalizes the name of a tier; `None` is the standard tier.
pub fn normalize_tier(text: &str) -> Option<String> {
    let word = text.to_ascii_lowercase();
    match word.as_str() {
        "" | "auto" | "default" | STANDARD => None,
        // OpenAI's newer name for the same tier.
        "fast" => Some("priority".to_owned()),
        _ => Some(word),
    }
}

impl Prices {
    pub(super) fn new(listed: &Listed) -> Result<Self, String> {
        let dates = listed
            .dates()
            .map(|dated| Period::new(&dated))
            .collect::<Result<Vec<Period>, String>>()?;
        for (index, period) in dates.iter().enumerate() {
            let mut later = dates.iter().skip(index + 1);
            if later.any(|other| other.span.overlaps(&period.span)) {
                return Err("two prices apply at the same time".to_owned());
            }
        }
        Ok(Self { dates })
    }

    /// The rates at a time; `None` outside all dates. `tier` is a result of [`normalize_tier`]; a tier
    /// without rates of its own has the standard rates.
    pub fn rates(&self, at: UnixNanos, tier: Option<&str>, prompt: u64) -> Option<&Rates> {
        let period = self.dates.iter().find(|period| period.span.contains(at))?;
        Some(period.steps(at, tier).rates(prompt))
    }

    /// The tiers that have rates of their own at a time.
    pub fn tiers(&self, at: UnixNanos) -> impl Iterator<Item = &str> {
        let period = self.dates.iter().find(|period| period.span.contains(at));
        let tiers = period.map(|period| period.tiers.as_slice());
        tiers.unwrap_or_default().iter().map(|(name, _)| &**name)
    }
}

impl Period {
    fn new(dated: &Dated) -> Result<Self, String> {
        let bound = |text: &Option<String>, read: fn(&str) -> Option<UnixNanos>| {
            let Some(text) = text else { return Ok(None) };
            let at = read(text).map(Some);
            at.ok_or_else(|| format!("{text} is not a day like 2026-11-22"))
        };
        let span = Span {
            from: bound(&dated.valid_from, start_of)?,
            until: bound(&dated.valid_to, end_of)?,
        };
        if span.from.is_some_and(|from| !span.contains(from)) {
            return Err("valid_to comes before valid_from".to_owned());
        }
        let standard = Steps::new(&dated.usd_per_mtok, &dated.long_context)?;
        Ok(Self {
            span,
            tiers: tiers(&dated.tiers, &standard)?,
            peak: dated
                .peak
                .as_ref()
                .map(|peak| peak_of(peak, &standard))
                .transpose()?,
            standard,
        })
    }

    fn steps(&self, at: UnixNanos, tier: Option<&str>) -> &Steps {
        if let Some((_, steps)) = self.tiers.iter().find(|(name, _)| Some(&**name) == tier) {
            return steps;
        }
        match &self.peak {
            Some((hours, steps)) if hours.contain(at) => steps,
            _ => &self.standard,
        }
    }
}

fn tiers(
    listed: &BTreeMap<String, TierList>,
    standard: &Steps,
) -> Result<Vec<(Box<str>, Steps)>, String> {
    let mut tiers: Vec<(Box<str>, Steps)> = Vec::new();
    for (written, listed) in listed {
        let Some(name) = normalize_tier(written) else {
            return Err(format!("tier {written} is the standard one"));
        };
        if tiers.iter().any(|(other, _)| **other == *name) {
            return Err(format!("tier {written} is listed twice"));
        }
        let tier = Steps::new(&listed.rates, &listed.long_context)?;
        tiers.push((name.into(), tier.or_scaled_from(standard)));
    }
    Ok(tiers)
}

fn peak_of(peak: &PeakList, standard: &Steps) -> Result<(Hours, Steps), String> {
    let hours = Hours::parse(&peak.utc, peak.weekdays)
        .ok_or("hours of the peak are written like 01:00-04:00")?;
    let steps = Steps::new(&peak.usd_per_mtok, &[])?;
    Ok((hours, steps.or_scaled_from(standard)))
}

impl Steps {
    /// Without steps of their own, rates scale with the prompt like the standard rates.
    fn or_scaled_from(mut self, standard: &Self) -> Self {
        if self.longer.is_empty() {
            let (own, base) = (self.short.input, standard.short.input);
            let scaled = |(from, rates): &(u64, Rates)| (*from, rates.scaled(own, base));
            self.longer = standard.longer.iter().map(scaled).collect();
        }
        self
    }

    fn new(short: &RateList, long: &[LongContext]) -> Result<Self, String> {
        let mut longer = long
            .iter()
            .map(|step| Ok((step.from(), rates(&step.rates)?)))
            .collect::<Result<Vec<(u64, Rates)>, String>>()?;
        longer.sort_by_key(|(from, _)| std::cmp::Reverse(*from));
        if longer
            .windows(2)
            .any(|pair| matches!(pair, [(a, _), (b, _)] if a == b))
        {
            return Err("two long-context steps begin at the same length".to_owned());
        }
        Ok(Self {
            short: rates(short)?,
            longer,
        })
    }

    fn rates(&self, prompt: u64) -> &Rates {
        let step = self.longer.iter().find(|(from, _)| *from <= prompt);
        step.map_or(&self.short, |(_, rates)| rates)
    }
}

fn rates(list: &RateList) -> Result<Rates, String> {
    let read = |usd: f64| {
        Rate::from_usd_per_mtok(usd).ok_or_else(|| {
            format!("{usd} is not a price from 0 to {MAX_USD_PER_MTOK} per 1M tokens")
        })
    };
    let (input, output) = (read(list.input)?, read(list.output)?);
    let or = |usd: Option<f64>, other: Rate| usd.map_or(Ok(other), read);
    let cache_write = or(list.cache_write, input)?;
    Ok(Rates {
        input,
        cache_read: or(list.cache_read, input)?,
        cache_write,
        cache_write_1h: or(list.cache_write_1h, cache_write)?,
        output,
        reasoning: or(list.reasoning, output)?,
    })
}
