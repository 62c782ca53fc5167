//! What an environment from outside says about itself, checked once, and the checks of what it
//! returns later. Messages name the environment, the method and the value.

use std::fmt::Display;

use crate::error::{Error, Result};
use crate::rl::spec::EnvSpec;
use crate::spaces::{ActSpace, Dtype, ObsSpace};

/// The constants of an environment, the same for all its copies.
pub struct Described {
    pub spec: EnvSpec,
    /// The choices `A` that masks tell of.
    pub num_actions: usize,
    pub num_features: i64,
}

impl Described {
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

    /// An active feature.
    #[inline]
    pub fn feature(&self, method: &str, index: i64) -> Result<i32> {
        if (0..self.num_features).contains(&index) {
            return Ok(index as i32);
        }
        let expected = format!("indices in 0..{}", self.num_features);
        Err(Error::invalid(self.name(method), expected, index))
    }

    /// The words of an observation that another library told.
    pub fn check_row(&self, method: &str, words: &[i32]) -> Result<()> {
        if let ObsSpace::Dense { dtype, .. } = self.spec.obs {
            return self.check_words(method, dtype, words);
        }
        words.iter().try_for_each(|&index| self.feature(method, index.into()).map(drop))?;
        self.sparse(method, words)
    }

    fn check_words(&self, method: &str, dtype: Dtype, words: &[i32]) -> Result<()> {
        let expected = dtype.num_words(self.num_features as usize);
        if words.len() != expected {
            let expected = format!("{expected} words of {}", dtype.name());
            return Err(Error::invalid(self.name(method), expected, words.len()));
        }
        let is_finite = |&word: &i32| f32::from_bits(word as u32).is_finite();
        if dtype == Dtype::Float32 && !words.iter().all(is_finite) {
            return Err(Error::invalid(self.name(method), "finite numbers", "others"));
        }
        Ok(())
    }

    /// Refuses a row of features that is a dense observation: as many numbers as there are
    /// features, each 0 or 1. Both features of two, or the only one, may be active.
    #[inline]
    pub fn sparse(&self, method: &str, row: &[i32]) -> Result<()> {
        let is_full = row.len() as i64 == self.num_features;
        if !is_full || row.iter().any(|index| *index > 1) || matches!(row, [_] | [0, 1] | [1, 0]) {
            return Ok(());
        }
        Err(self.dense(method, format!("{} numbers that are 0 or 1", row.len())))
    }

    /// The error for an observation of `got`, a value for each feature.
    pub fn dense(&self, method: &str, got: impl Display) -> Error {
        let expected = "the indices of the active features";
        let got = format!(
            "{got}, a dense observation; return its indices, numpy.flatnonzero(x), or have obs_dtype()"
        );
        Error::invalid(self.name(method), expected, got)
    }

    /// A finite reward.
    #[inline]
    pub fn reward(&self, method: &str, reward: f64) -> Result<f32> {
        if (reward as f32).is_finite() {
            return Ok(reward as f32);
        }
        Err(Error::invalid(self.name(method), "a finite number", reward))
    }
}
