//! A chunk of samples in Prometheus' XOR encoding, after Facebook's Gorilla.

/// Samples that Prometheus itself puts into a chunk.
pub(super) const MAX_SAMPLES: u16 = 120;

/// A chunk under way.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bits: Bits,
    count: u16,
    first: i64,
    last: i64,
    delta: i64,
    value: u64,
    /// Zero bits around the last difference that named them.
    window: Option<(u32, u32)>,
}

impl Chunk {
    /// Times must rise.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        let value = value.to_bits();
        match self.count {
            0 => {
                self.first = time;
                self.bits.varint(time);
                self.bits.write(value, 64);
            }
            1 => {
                self.delta = time - self.last;
                self.bits.uvarint(self.delta.cast_unsigned());
                self.push_value(value);
            }
            _ => {
                let delta = time - self.last;
                self.push_change(delta - self.delta);
                self.delta = delta;
                self.push_value(value);
            }
        }
        self.last = time;
        self.value = value;
        self.count += 1;
    }

    fn push_change(&mut self, change: i64) {
        let fits = |bits: u32| {
            let half = 1_i64 << (bits - 1);
            (1 - half..=half).contains(&change)
        };
        let (code, code_bits, bits) = match change {
            0 => (0, 1, 0),
            _ if fits(14) => (0b10, 2, 14),
            _ if fits(17) => (0b110, 3, 17),
            _ if fits(20) => (0b1110, 4, 20),
            _ => (0b1111, 4, 64),
        };
        self.bits.write(code, code_bits);
        self.bits.write(change.cast_unsigned(), bits);
    }

    fn push_value(&mut self, value: u64) {
        let change = value ^ self.value;
        if change == 0 {
            self.bits.write(0, 1);
            return;
        }
        // Five bits hold the number of leading zeros.
        let (leading, trailing) = (change.leading_zeros().min(31), change.trailing_zeros());
        match self.window {
            Some((l, t)) if leading >= l && trailing >= t => {
                self.bits.write(0b10, 2);
                self.bits.write(change >> t, 64 - l - t);
            }
            _ => {
                let bits = 64 - leading - trailing;
                self.bits.write(0b11, 2);
                self.bits.write(leading.into(), 5);
                // Six bits hold 1 to 64; 64 becomes 0.
                self.bits.write(bits.into(), 6);
                self.bits.write(change >> trailing, bits);
                self.window = Some((leading, trailing));
            }
        }
    }

    pub(super) const fn count(&self) -> u16 {
        self.count
    }

    /// First and last time.
    pub(super) const fn times(&self) -> (i64, i64) {
        (self.first, self.last)
    }

    /// The chunk's data: the number of samples, then their bits.
    pub(super) fn into_data(self) -> Vec<u8> {
        let mut data = self.count.to_be_bytes().to_vec();
        data.extend_from_slice(&self.bits.bytes);
        data
    }
}

/// Bits, the highest one of each byte first.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Free bits in the last byte.
    free: u32,
}

impl Bits {
    /// The lowest `count` bits of `value`.
    fn write(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let part = (value >> (left - take)) & ((1 << take) - 1);
            if let Some(last) = self.bytes.last_mut() {
                // At most 8 bits.
                *last |= u8::try_from(part << (self.free - take)).unwrap_or_default();
            }
            self.free -= take;
            left -= take;
        }
    }

    fn uvarint(&mut self, value: u64) {
        let mut bytes = Vec::new();
        super::bytes::uvarint(&mut bytes, value);
        for byte in bytes {
            self.write(byte.into(), 8);
        }
    }

    fn varint(&mut self, value: i64) {
        self.uvarint(super::bytes::zigzag(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the bits back, as Prometheus' iterator does.
    struct Reader<'a> {
        data: &'a [u8],
        at: usize,
    }

    impl Reader<'_> {
        fn bits(&mut self, count: u32) -> u64 {
            (0..count).fold(0, |value, _| {
                let bit = self.data[self.at / 8] >> (7 - self.at % 8) & 1;
                self.at += 1;
                value << 1 | u64::from(bit)
            })
        }

        fn uvarint(&mut self) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = self.bits(8);
                value |= (byte & 0x7f) << shift;
                if byte < 0x80 {
                    return value;
                }
            }
            unreachable!()
        }

        fn change(&mut self) -> i64 {
            let ones = (0..4).take_while(|_| self.bits(1) == 1).count();
            let count = [0, 14, 17, 20, 64][ones];
            let bits = self.bits(count);
            // As Prometheus: a number above half of the range is negative.
            if count < 64 && bits > 1 << count >> 1 {
                bits.cast_signed() - (1 << count)
            } else {
                bits.cast_signed()
            }
        }
    }

    fn decode(data: &[u8]) -> Vec<(i64, f64)> {
        let mut r = Reader { data, at: 16 };
        let count = u16::from_be_bytes([data[0], data[1]]);
        let first = r.uvarint();
        let mut time = (first >> 1).cast_signed() ^ -(first & 1).cast_signed();
        let mut value = r.bits(64);
        let mut samples = vec![(time, f64::from_bits(value))];
        let (mut delta, mut window) = (0, (0, 0));
        for n in 1..count {
            delta = if n == 1 {
                r.uvarint().cast_signed()
            } else {
                delta + r.change()
            };
            time += delta;
            if r.bits(1) == 1 {
                if r.bits(1) == 1 {
                    let leading = u32::try_from(r.bits(5)).unwrap();
                    let bits = match u32::try_from(r.bits(6)).unwrap() {
                        0 => 64,
                        bits => bits,
                    };
                    window = (leading, 64 - leading - bits);
                }
                value ^= r.bits(64 - window.0 - window.1) << window.1;
            }
            samples.push((time, f64::from_bits(value)));
        }
        samples
    }

    #[test]
    fn a_chunk_decodes_to_the_written_samples() {
        let deltas = [
            60_000, 60_000, 1, 59_999, 8192, 1, 65_537, 1, 524_289, 1, 600_000, 9, 86_400_000, 5,
        ];
        let values = [
            0.0,
            1.0,
            1.0,
            3.0,
            0.1,
            0.000_000_001,
            1e9,
            1234.567,
            12.0,
            12.0,
            13.0,
            -1.5,
            9e15,
            0.0,
        ];
        let mut time = -5_000;
        let mut written = Vec::new();
        let mut chunk = Chunk::default();
        for (delta, value) in deltas.into_iter().zip(values) {
            time += delta;
            written.push((time, value));
            chunk.push(time, value);
        }
        assert_eq!(chunk.times(), (written[0].0, time));
        assert_eq!(usize::from(chunk.count()), written.len());
        assert_eq!(decode(&chunk.into_data()), written);
    }

    #[test]
    fn a_series_that_does_not_change_takes_two_bits_a_sample() {
        let mut chunk = Chunk::default();
        for n in 0..i64::from(MAX_SAMPLES) {
            chunk.push(n * 60_000, 7.0);
        }
        assert_eq!(chunk.into_data().len(), 44);
    }
}
