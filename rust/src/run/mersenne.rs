//! torch's generator of the CPU, so that first weights are those that Python draws: the twin of
//! `python/twisterl/nn/drawn.py`.
//!
//! It is the Mersenne Twister (Matsumoto, Nishimura 1998). Of each 32-bit number `uniform_` takes the
//! lower 24 bits as x in [0, 1), and gives x (high - low) + low, rounded once.

use super::tensors::Stored;

const WORDS: usize = 624;
const AHEAD: usize = 397;
/// What torch keeps of normal numbers, none here.
const KEPT: usize = 40;

/// The generator after `torch.manual_seed(seed)`.
pub(super) struct Mersenne {
    seed: u64,
    words: [u32; WORDS],
    place: usize,
}

impl Mersenne {
    pub(super) fn new(seed: u64) -> Self {
        let mut words = [seed as u32; WORDS];
        for i in 1..WORDS {
            let last = words[i - 1] ^ (words[i - 1] >> 30);
            words[i] = last.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { seed, words, place: WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.place == WORDS {
            self.twist();
        }
        let mut word = self.words[self.place];
        self.place += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9D2C_5680;
        word ^= (word << 15) & 0xEFC6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let joined =
                (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % WORDS] & 0x7FFF_FFFF);
            let odd = if joined & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.words[i] = self.words[(i + AHEAD) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.place = 0;
    }

    /// The weights `[outputs, inputs, ..]` or the bias `[outputs]` of a layer of torch: uniform within
    /// 1 / sqrt(inputs), by slightly different roundings of the bound ("Delving deep into
    /// rectifiers", He et al. 2015, with a = sqrt(5)).
    pub(super) fn uniform(&mut self, shape: &[usize], num_inputs: usize) -> Vec<f32> {
        let inputs = (num_inputs as f64).sqrt();
        let bound = match shape.len() {
            0 | 1 => 1.0 / inputs,
            _ => {
                let five = 5.0_f64.sqrt();
                3.0_f64.sqrt() * ((2.0 / (1.0 + five * five)).sqrt() / inputs)
            }
        };
        let low = -bound as f32;
        let width = f64::from(bound as f32 - low);
        let mut draw = || {
            let x = f64::from(self.next() & 0xFF_FFFF) * (1.0 / f64::from(1 << 24));
            (x * width + f64::from(low)) as f32
        };
        (0..shape.iter().product()).map(|_| draw()).collect()
    }

    /// What `torch.get_rng_state()` gives: the seed, words left and a flag, the place, the words.
    pub(super) fn torch_state(&self) -> Stored {
        let left = (WORDS + 1 - self.place) as u64;
        let head = [self.seed, left | 1 << 32, self.place as u64];
        let words = self.words.iter().map(|word| u64::from(*word));
        let mut data: Vec<u8> = head.into_iter().chain(words).flat_map(u64::to_le_bytes).collect();
        data.resize(data.len() + KEPT, 0);
        Stored { kind: "U8".to_owned(), shape: vec![data.len()], data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_sequence() {
        let mut twister = Mersenne::new(5489);
        assert_eq!([twister.next(), twister.next()], [3_499_211_612, 581_869_302]);
        assert_eq!((0..9998).map(|_| twister.next()).last(), Some(4_123_659_995));
    }
}
