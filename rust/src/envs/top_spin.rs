//! TopSpin: numbered tokens on a ring, and a turnstile that turns some of them over.

use super::parameters::{Parameter, Parameters};
use super::scrambled::{each_once, is_odd, packed_order, shuffle, Rules, Scrambled};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rng::Rng;

const MOST_TOKENS: usize = 32;
const LEFT: usize = 0;
const RIGHT: usize = 1;

/// TopSpin. `left` and `right` move every token one place along the ring, `flip` reverses the order
/// of the tokens in the turnstile, which are those at the places `0..turnstile`; solved when token
/// `p` is at place `p`. Feature `place * num_tokens + token` for every place.
pub type TopSpin = Scrambled<Turnstile>;

/// The rules of [`TopSpin`].
pub struct Turnstile {
    num_tokens: usize,
    turnstile: usize,
}

/// The token at every place; places that are not there hold their own.
type Tokens = [u8; MOST_TOKENS];

fn home() -> Tokens {
    std::array::from_fn(|place| place as u8)
}

impl Turnstile {
    /// Whether no action changes the parity of the tokens' order: each moves an even number of pairs.
    /// All other orders can be reached where the turnstile is even and leaves two tokens or more.
    fn keeps_parity(&self) -> bool {
        self.num_tokens % 2 == 1 && self.turnstile.is_multiple_of(4)
    }

    /// Whether `tokens` are in an order that no action leads to.
    fn is_out_of_reach(&self, tokens: &Tokens) -> bool {
        self.keeps_parity() && is_odd(self.num_tokens, |place| tokens[place].into())
    }
}

impl Rules for Turnstile {
    type State = Tokens;
    const NAME: &'static str = "TopSpin";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("num_tokens", 4, MOST_TOKENS as u32, 20, "tokens, places"),
        Parameter::integer(
            "turnstile",
            2,
            MOST_TOKENS as u32 - 2,
            4,
            "places that flip turns over: even, at most num_tokens - 2",
        ),
    ];

    fn new(parameters: &Parameters) -> Result<Self> {
        let num_tokens = parameters.integer("num_tokens");
        let turnstile = parameters.integer("turnstile");
        if turnstile % 2 == 1 || turnstile > num_tokens - 2 {
            let expected = format!("an even number, at most {}: num_tokens - 2", num_tokens - 2);
            return Err(Error::invalid("turnstile", expected, turnstile));
        }
        Ok(Self { num_tokens, turnstile })
    }

    fn action_names(&self) -> Vec<String> {
        ["left", "right", "flip"].map(str::to_owned).to_vec()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        3
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.num_tokens; 2]
    }

    fn goal(&self, _: &mut Rng) -> Tokens {
        home()
    }
    #[inline]
    fn is_goal(&self, tokens: &Tokens) -> bool {
        *tokens == home()
    }
    #[inline]
    fn apply(&self, tokens: &mut Tokens, action: usize) {
        match action {
            LEFT => tokens[..self.num_tokens].rotate_left(1),
            RIGHT => tokens[..self.num_tokens].rotate_right(1),
            _ => tokens[..self.turnstile].reverse(),
        }
    }
    #[inline]
    fn observe(&self, tokens: &Tokens, indices: &mut Vec<i32>) {
        let n = self.num_tokens;
        let feature = |(place, &token): (usize, &u8)| (place * n) as i32 + i32::from(token);
        indices.extend(tokens[..n].iter().enumerate().map(feature));
    }
    fn uniform(&self, rng: &mut Rng) -> Tokens {
        let mut tokens = home();
        shuffle(&mut tokens[..self.num_tokens], rng);
        if self.is_out_of_reach(&tokens) {
            tokens.swap(0, 1);
        }
        tokens
    }

    fn numbers(&self, tokens: &Tokens) -> Vec<i64> {
        tokens[..self.num_tokens].iter().map(|&token| token.into()).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Tokens> {
        let mut tokens = home();
        for (to, &token) in tokens.iter_mut().zip(each_once(numbers, self.num_tokens)?) {
            *to = token as u8;
        }
        Ok(tokens)
    }
    fn check_solvable(&self, tokens: &Tokens) -> Result<()> {
        if self.is_out_of_reach(tokens) {
            let expected = "an even order of the tokens, which the actions cannot leave";
            return Err(Error::invalid("state", expected, "an odd one"));
        }
        Ok(())
    }
    /// The turnstile in brackets, then the rest of the ring.
    fn render(&self, tokens: &Tokens) -> String {
        let row =
            |tokens: &[u8]| tokens.iter().map(|token| format!("{token:>3}")).collect::<String>();
        let (inside, outside) = tokens[..self.num_tokens].split_at(self.turnstile);
        format!("[{} ]{}\n", row(inside), row(outside))
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some(vec![RIGHT, LEFT, 2])
    }
    /// The tokens in as many bits as each needs, up to 25 tokens.
    fn key(&self, tokens: &Tokens) -> Option<u128> {
        packed_order(&tokens[..self.num_tokens])
    }
    /// The ring read the other way round from the middle of the turnstile.
    fn twists(&self) -> Twists {
        let n = self.num_tokens;
        let mirror = |place: usize| (self.turnstile + n - 1 - place) % n;
        let features = |at: &dyn Fn(usize) -> usize| {
            (0..n * n).map(|feature| at(feature / n) * n + at(feature % n)).collect()
        };
        let obs_perms = vec![features(&|place| place), features(&mirror)];
        (obs_perms, vec![vec![LEFT, RIGHT, 2], vec![RIGHT, LEFT, 2]])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::envs::find;

    #[test]
    fn a_turnstile_that_cannot_sort_is_refused() {
        let made = |parameters: serde_json::Value| {
            find("TopSpin").unwrap().make(parameters.as_object().unwrap())
        };
        for turnstile in [3, 6] {
            let error = made(json!({"num_tokens": 6, "turnstile": turnstile})).err().unwrap();
            let said = format!(
                "turnstile: expected an even number, at most 4: num_tokens - 2, got {turnstile}"
            );
            assert_eq!(error.to_string(), said);
        }
        let mut env = made(json!({"num_tokens": 7})).unwrap();
        env.try_set_state(&[1, 0, 2, 3, 4, 5, 6]).unwrap();
        assert!(env.check_solvable().unwrap_err().to_string().contains("an odd one"));
    }
}
