//! Pancake sorting: a pile of pancakes, of which a spatula turns over those above it.

use super::parameters::{Parameter, Parameters};
use super::scrambled::{each_once, entries, packed, shuffle, Rules, Scrambled};
use crate::error::Result;
use crate::rng::Rng;

const MOST_PANCAKES: usize = 32;

/// Pancake sorting. `flip(k)` turns over the `k` pancakes on top; solved when pancake `p`, the
/// smallest being 0, is at place `p` from the top. Burnt ones have a burnt side too, which must be
/// down. An entry of the state is a pancake, or twice it, plus 1 with the burnt side up.
pub type Pancake = Scrambled<Pile>;

/// The rules of [`Pancake`].
pub struct Pile {
    num_pancakes: usize,
    burnt: bool,
}

/// The entry at every place; places that are not there hold their own.
type Pancakes = [u8; MOST_PANCAKES];

impl Pile {
    /// Values of an entry.
    fn num_entries(&self) -> usize {
        self.num_pancakes << u32::from(self.burnt)
    }

    /// Turning over a single pancake changes nothing that is not burnt.
    fn fewest(&self) -> usize {
        if self.burnt {
            1
        } else {
            2
        }
    }

    fn sorted(&self) -> Pancakes {
        std::array::from_fn(|place| (place << u32::from(self.burnt)) as u8)
    }
}

impl Rules for Pile {
    type State = Pancakes;
    const NAME: &'static str = "Pancake";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("num_pancakes", 2, MOST_PANCAKES as u32, 10, "in the pile"),
        Parameter::boolean("burnt", false, "whether one side of each is burnt and must be down"),
    ];

    fn new(parameters: &Parameters) -> Result<Self> {
        let num_pancakes = parameters.integer("num_pancakes");
        Ok(Self { num_pancakes, burnt: parameters.boolean("burnt") })
    }

    fn action_names(&self) -> Vec<String> {
        (self.fewest()..=self.num_pancakes).map(|count| format!("flip({count})")).collect()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.num_pancakes + 1 - self.fewest()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.num_pancakes, self.num_entries()]
    }

    fn goal(&self, _: &mut Rng) -> Pancakes {
        self.sorted()
    }
    #[inline]
    fn is_goal(&self, pancakes: &Pancakes) -> bool {
        *pancakes == self.sorted()
    }
    #[inline]
    fn apply(&self, pancakes: &mut Pancakes, action: usize) {
        let above = &mut pancakes[..action + self.fewest()];
        above.reverse();
        if self.burnt {
            above.iter_mut().for_each(|entry| *entry ^= 1);
        }
    }
    #[inline]
    fn observe(&self, pancakes: &Pancakes, indices: &mut Vec<i32>) {
        let width = self.num_entries();
        let feature = |(place, &entry): (usize, &u8)| (place * width) as i32 + i32::from(entry);
        indices.extend(pancakes[..self.num_pancakes].iter().enumerate().map(feature));
    }
    /// The order, then one bit a place for the side.
    fn uniform(&self, rng: &mut Rng) -> Pancakes {
        let mut pancakes = self.sorted();
        shuffle(&mut pancakes[..self.num_pancakes], rng);
        if self.burnt {
            let sides = rng.next_u64();
            for (place, entry) in pancakes[..self.num_pancakes].iter_mut().enumerate() {
                *entry |= (sides >> place & 1) as u8;
            }
        }
        pancakes
    }

    fn numbers(&self, pancakes: &Pancakes) -> Vec<i64> {
        pancakes[..self.num_pancakes].iter().map(|&entry| entry.into()).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Pancakes> {
        let numbers = entries(numbers, self.num_pancakes, self.num_entries())?;
        let order: Vec<i64> = numbers.iter().map(|entry| entry >> u32::from(self.burnt)).collect();
        each_once(&order, self.num_pancakes)?;
        let mut pancakes = self.sorted();
        for (to, &entry) in pancakes.iter_mut().zip(numbers) {
            *to = entry as u8;
        }
        Ok(pancakes)
    }
    /// From the top; a burnt side that is up is a minus.
    fn render(&self, pancakes: &Pancakes) -> String {
        let shown = |&entry: &u8| {
            let side = if self.burnt && entry & 1 == 1 { "-" } else { "" };
            format!("{:>4}", format!("{side}{}", (entry >> u32::from(self.burnt)) + 1))
        };
        pancakes[..self.num_pancakes].iter().map(shown).chain(["\n".to_owned()]).collect()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some((0..self.num_actions()).collect())
    }
    fn key(&self, pancakes: &Pancakes) -> Option<u128> {
        let bits = (self.num_entries() - 1).ilog2() + 1;
        packed(&pancakes[..self.num_pancakes], bits)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::envs::find;

    #[test]
    fn a_pancake_twice_is_refused_whichever_side_is_up() {
        let parameters = json!({"num_pancakes": 3, "burnt": true});
        let mut env = find("Pancake").unwrap().make(parameters.as_object().unwrap()).unwrap();
        let error = env.try_set_state(&[0, 1, 4]).unwrap_err().to_string();
        assert_eq!(error, "state: expected each of 0..3 once, got 0 twice");
        env.try_set_state(&[3, 1, 4]).unwrap();
        assert_eq!(env.render().unwrap(), "  -2  -1   3\n");
        env.try_step(1).unwrap();
        assert!(env.success());
    }
}
