//! A small seeded random generator: equal seeds give equal records on every platform.

/// xoshiro256++, seeded through `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Prng {
    state: [u64; 4],
}

impl Prng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut seed = seed;
        let state = [0; 4].map(|_: u64| split_mix(&mut seed));
        Self { state }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias is negligible.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True in `permille` of 1000 cases.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// Log-uniform between `low` and `high`, both at least 1.
    pub(crate) fn log_between(&mut self, low: u64, high: u64) -> u64 {
        let low_bits = low.max(1).ilog2();
        let high_bits = high.max(1).ilog2().max(low_bits);
        let bits = u64::from(low_bits) + self.below(u64::from(high_bits - low_bits) + 1);
        let base = 1_u64 << bits;
        (base + self.below(base)).clamp(low, high)
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = self.below(of.len() as u64);
        of.get(usize::try_from(index).unwrap_or(0))
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
