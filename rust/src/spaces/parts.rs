//! Observations of several parts with names: a camera beside a position.
//!
//! A dict within a dict is kept by the names of its parts, `arm.angle`, and a tuple by their places,
//! `0` and `1`.
//!
//! ```
//! use twisterl::spaces::{push_bytes, push_floats, Dtype, ObsSpace, Part, Parts};
//! let part = |name: &str, dtype, shape: &[usize]| Part {
//!     name: name.into(), dtype, shape: shape.into()
//! };
//! let parts = Parts::new(vec![
//!     part("camera", Some(Dtype::Uint8), &[2, 3]),
//!     part("position", Some(Dtype::Float32), &[1]),
//!     part("keys", None, &[4]),
//! ]).unwrap();
//! let mut words = Vec::new();
//! push_bytes(&mut words, &[255, 0, 0, 0, 0, 255]);
//! push_floats(&mut words, &[0.5]);
//! words.extend([2, 0, 3]); // two keys
//! let mut numbers = [0.0; 11];
//! ObsSpace::Dict(parts).write(&words, &mut numbers);
//! assert_eq!(numbers, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.0, 1.0]);
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{numbers, Dtype, ObsSpace, SPARSE};
use crate::error::{Error, Result};

/// A part of an observation: sparse where it has no `dtype`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: String,
    #[serde(with = "named")]
    pub dtype: Option<Dtype>,
    pub shape: Vec<usize>,
}

/// The parts of an observation in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Part>", into = "Vec<Part>")]
pub struct Parts {
    all: Vec<Part>,
    /// `[F]`
    shape: [usize; 1],
}

impl Part {
    /// Its number of features, the product of the shape.
    pub fn num_features(&self) -> usize {
        self.shape.iter().product()
    }

    /// What its numbers are called: one of [`ObsSpace::DTYPES`].
    pub fn dtype_name(&self) -> &'static str {
        self.dtype.map_or(SPARSE, Dtype::name)
    }

    fn size(&self) -> Option<usize> {
        let size = self.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        size.filter(|&size| size > 0 && !self.shape.is_empty())
    }

    /// Cuts what this part has of `words` off from them; `None` if there are too few.
    fn take<'w>(&self, words: &mut &'w [i32]) -> Option<&'w [i32]> {
        let count = match self.dtype {
            Some(dtype) => dtype.num_words(self.num_features()),
            None => {
                let (&count, rest) = words.split_first()?;
                *words = rest;
                usize::try_from(count).ok()?
            }
        };
        let (own, rest) = words.split_at_checked(count)?;
        *words = rest;
        Some(own)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.name, self.dtype_name(), self.shape)
    }
}

impl Parts {
    /// # Errors
    /// If there are none, two have one name, a shape is none, or they have more than 2^31 features.
    pub fn new(all: Vec<Part>) -> Result<Self> {
        let refused = |name: &str, expected: &str, got: String| {
            Err(Error::invalid(format!("part {name}"), expected, got))
        };
        let mut sum = 0usize;
        for (i, part) in all.iter().enumerate() {
            if part.name.is_empty() || all[..i].iter().any(|other| other.name == part.name) {
                return refused(&part.name, "a name of its own", format!("{:?}", part.name));
            }
            sum = sum.saturating_add(part.size().unwrap_or(usize::MAX));
            if sum > i32::MAX as usize {
                let expected = "a shape of positive integers, below 2^31 features in all";
                return refused(&part.name, expected, format!("{:?}", part.shape));
            }
        }
        match all.is_empty() {
            true => Err(Error::invalid("parts", "at least one", 0)),
            false => Ok(Self { all, shape: [sum] }),
        }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Part> {
        self.all.iter()
    }

    /// `[F]`, the features of all parts.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn num_features(&self) -> usize {
        self.shape[0]
    }

    /// What each part has of `words`; `None` from where they end too early.
    pub fn split<'w>(
        &self,
        mut words: &'w [i32],
    ) -> impl Iterator<Item = (&Part, Option<&'w [i32]>)> + use<'_, 'w> {
        self.iter().map(move |part| (part, part.take(&mut words)))
    }

    /// Refuses row `row` of a batch if its `words` are no observation, naming the part.
    pub fn check(&self, row: usize, words: &[i32]) -> Result<()> {
        let refused = |part: &Part, expected: String, got: String| {
            Err(Error::invalid(format!("observation {row}: {}", part.name), expected, got))
        };
        let mut rest = words;
        for part in self.iter() {
            let left = rest.len();
            let Some(own) = part.take(&mut rest) else {
                return refused(part, format!("words of {part}"), format!("{left} words"));
            };
            let known = 0..part.num_features() as i32;
            let is_other = |word: &&i32| part.dtype.is_none() && !known.contains(word);
            if let Some(feature) = own.iter().find(is_other) {
                return refused(part, format!("features in {known:?}"), feature.to_string());
            }
        }
        match rest.len() {
            0 => Ok(()),
            more => {
                let (expected, got) = (words.len() - more, words.len());
                Err(Error::invalid(format!("observation {row}"), format!("{expected} words"), got))
            }
        }
    }

    /// Tells `put` every number of a checked row that may not be 0: of which feature, and how large, as a
    /// network takes it.
    #[inline]
    pub fn write(&self, words: &[i32], mut put: impl FnMut(usize, f32)) {
        let mut first = 0;
        for (part, own) in self.split(words) {
            let (own, count) = (own.unwrap_or_default(), part.num_features());
            match part.dtype {
                None => own.iter().for_each(|&feature| put(first + feature as usize, 1.0)),
                Some(dtype) => {
                    let found = numbers(own, dtype).take(count).enumerate();
                    found.for_each(|(i, number)| put(first + i, number));
                }
            }
            first += count;
        }
    }

    /// Refuses other parts, naming the first; `who` is what messages call them.
    pub fn require_equal(&self, who: &str, other: &Self) -> Result<()> {
        let none = || "none".to_owned();
        for i in 0..self.all.len().max(other.all.len()) {
            let [expected, got] =
                [self, other].map(|parts| parts.all.get(i).map_or_else(none, Part::to_string));
            if expected != got {
                let name = format!("{who}: part {i}");
                return Err(Error::invalid(
                    name,
                    format!("{expected} as the environment has"),
                    got,
                ));
            }
        }
        Ok(())
    }
}

impl TryFrom<Vec<Part>> for Parts {
    type Error = Error;

    fn try_from(all: Vec<Part>) -> Result<Self> {
        Self::new(all)
    }
}

impl From<Parts> for Vec<Part> {
    fn from(parts: Parts) -> Self {
        parts.all
    }
}

/// A part's dtype as text.
mod named {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Dtype, ObsSpace, SPARSE};

    pub(super) fn serialize<S: Serializer>(
        dtype: &Option<Dtype>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(dtype.map_or(SPARSE, Dtype::name))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Dtype>, D::Error> {
        let name = String::deserialize(from)?;
        match Dtype::of(&name) {
            None if name != SPARSE => {
                let known = ObsSpace::DTYPES.join(", ");
                Err(D::Error::custom(format!("dtype: expected one of {known}, got {name}")))
            }
            dtype => Ok(dtype),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, dtype: Option<Dtype>, shape: &[usize]) -> Part {
        Part { name: name.into(), dtype, shape: shape.into() }
    }

    fn parts() -> Parts {
        let all = vec![part("keys", None, &[3]), part("arm.angle", Some(Dtype::Float32), &[2])];
        Parts::new(all).unwrap()
    }

    #[test]
    fn parts_are_json() {
        let text = serde_json::to_string(&parts()).unwrap();
        assert!(text.starts_with(r#"[{"name":"keys","dtype":"sparse","shape":[3]},"#), "{text}");
        assert_eq!(serde_json::from_str::<Parts>(&text).unwrap(), parts());
        for wrong in ["[]", &text.replace("sparse", "f64"), &text.replace("arm.angle", "keys")] {
            assert!(serde_json::from_str::<Parts>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_space_of_nothing_is_refused() {
        let huge = part("b", None, &[1 << 31]);
        for other in [part("", None, &[1]), part("a", None, &[1]), part("b", None, &[]), huge] {
            assert!(Parts::new(vec![part("a", None, &[2]), other]).is_err());
        }
    }

    #[test]
    fn a_row_that_is_none_is_refused() {
        let half = 0.5f32.to_bits() as i32;
        parts().check(0, &[2, 0, 2, half, half]).unwrap();
        parts().check(0, &[0, half, half]).unwrap();
        for (words, problem) in [
            (&[] as &[i32], "observation 4: keys: expected words of keys sparse [3], got 0 words"),
            (&[-1, half, half], "observation 4: keys: expected words"),
            (&[1, 3, half, half], "observation 4: keys: expected features in 0..3, got 3"),
            (&[1, 0, half], "observation 4: arm.angle: expected words of arm.angle float32 [2]"),
            (&[1, 0, half, half, 0], "observation 4: expected 4 words, got 5"),
        ] {
            let told = parts().check(4, words).unwrap_err().to_string();
            assert!(told.starts_with(problem), "{told}");
        }
    }
}
