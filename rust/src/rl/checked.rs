//! What an environment from outside says about itself, checked once, and the checks of what it
//! returns later. Messages name the environment, the method and the value.

use std::fmt::Display;

use super::spec::EnvSpec;
use crate::error::{Error, Result};
use crate::spaces::{not_finite, ActSpace, Dtype, Features, ObsSpace};

/// The constants of an environment, the same for all its copies.
pub struct CheckedSpec {
    pub spec: EnvSpec,
    /// The choices `A` that masks tell of.
    pub num_actions: usize,
    pub num_features: i64,
}

impl CheckedSpec {
    /// Action permutations need not be bijective, since real environments have some that are not.
    pub fn new(spec: EnvSpec) -> Result<Self> {
        let EnvSpec { name: class, obs: space, acts, twists, .. } = &spec;
        let name = |method: &str| format!("{method}() of {class}");
        acts.check(&name(match acts {
            ActSpace::Discrete { .. } => "num_actions",
            _ => "act_space",
        }))?;
        let product = space.shape().iter().try_fold(1usize, |product, &side| {
            product.checked_mul(side).filter(|product| (1..=i32::MAX as usize).contains(product))
        });
        let Some(num_features) = product.filter(|_| !space.shape().is_empty()) else {
            let expected = "positive integers whose product is below 2^31";
            return Err(Error::invalid(
                name("obs_shape"),
                expected,
                format!("{:?}", space.shape()),
            ));
        };
        let (obs_perms, act_perms) = twists;
        if obs_perms.len() != act_perms.len() {
            let expected = format!("{} act_perms, one for each obs_perm", obs_perms.len());
            return Err(Error::invalid(name("twists"), expected, act_perms.len()));
        }
        for (part, perms, size) in
            [("obs_perms", obs_perms, num_features), ("act_perms", act_perms, acts.num_outputs())]
        {
            // No bijection is asked for: some compiled environments of 0.5.1 have none. `check_env` tells.
            let fits = |perm: &&Vec<usize>| perm.len() == size && perm.iter().all(|&i| i < size);
            if let Some(perm) = perms.iter().find(|perm| !fits(perm)) {
                let expected = format!("{part} with {size} entries in 0..{size}");
                return Err(Error::invalid(name("twists"), expected, format!("{perm:?}")));
            }
        }
        Ok(Self { num_actions: acts.num_choices(), num_features: num_features as i64, spec })
    }

    /// `method` of this environment, as messages call it.
    pub fn name(&self, method: impl Display) -> String {
        format!("{method}() of {}", self.spec.name)
    }

    /// What `method` tells of sparse observations.
    pub fn features<'a>(&'a self, method: &'a str) -> Features<impl Fn() -> String + 'a> {
        Features { source: move || self.name(method), count: self.num_features as usize }
    }

    /// The words of an observation that another library told.
    pub fn check_row(&self, method: &str, words: &[i32]) -> Result<()> {
        match &self.spec.obs {
            &ObsSpace::Dense { dtype, .. } => {
                check_dense(&|| self.name(method), dtype, self.num_features as usize, words)
            }
            ObsSpace::Sparse { .. } => check_sparse(&self.features(method), words),
            ObsSpace::Dict(parts) => {
                let mut rest = words.len();
                for (part, own) in parts.split(words) {
                    let source = || format!("{}: {}", self.name(method), part.name);
                    let Some(own) = own else {
                        let expected = format!("words of {}", part.dtype_name());
                        return Err(Error::invalid(source(), expected, format!("{rest} words")));
                    };
                    rest -= own.len() + usize::from(part.dtype.is_none());
                    let count = part.num_features();
                    match part.dtype {
                        Some(dtype) => check_dense(&source, dtype, count, own)?,
                        None => check_sparse(&Features { source: &source, count }, own)?,
                    }
                }
                match rest {
                    0 => Ok(()),
                    more => {
                        let expected = format!("{} words", words.len() - more);
                        Err(Error::invalid(self.name(method), expected, words.len()))
                    }
                }
            }
        }
    }

    /// A finite reward.
    #[inline]
    pub fn reward(&self, method: &str, reward: f64) -> Result<f32> {
        if (reward as f32).is_finite() {
            return Ok(reward as f32);
        }
        Err(Error::invalid(self.name(method), "a finite number", format!("{reward:e}")))
    }
}

fn check_sparse(features: &Features<impl Fn() -> String>, words: &[i32]) -> Result<()> {
    words.iter().try_for_each(|&index| features.index(index.into()).map(drop))?;
    features.check(words)
}

fn check_dense(
    source: &dyn Fn() -> String,
    dtype: Dtype,
    num_features: usize,
    words: &[i32],
) -> Result<()> {
    let expected = dtype.num_words(num_features);
    if words.len() != expected {
        let expected = format!("{expected} words of {}", dtype.name());
        return Err(Error::invalid(source(), expected, words.len()));
    }
    let is_finite = |&word: &i32| f32::from_bits(word as u32).is_finite();
    if dtype == Dtype::Float32 && !words.iter().all(is_finite) {
        return Err(not_finite(source, words.iter().map(|&word| word as u32), &[words.len()]));
    }
    Ok(())
}

/// Refuses an action that the environment does not have.
#[inline]
pub fn check_action(
    action: impl TryInto<usize> + Display + Copy,
    num_actions: usize,
) -> Result<usize> {
    match action.try_into() {
        Ok(known) if known < num_actions => Ok(known),
        _ => Err(Error::invalid("action", format!("an integer in 0..{num_actions}"), action)),
    }
}
