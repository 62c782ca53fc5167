//! Requests of the parity check, as far as they need no files: what every build of the core answers.
//!
//! docs/parity.md says what they are.
//!
//! ```
//! use serde_json::json;
//! use twisterl::testing::requests::{answer, Request};
//! let asked = json!({ "task": "words", "seed": 3, "lanes": 2, "steps": 3 });
//! let answer = answer(&Request(&asked)).unwrap().unwrap();
//! assert_eq!(answer["digests"].as_array().unwrap().len(), 1);
//! ```

use serde_json::{json, Value};

use super::signature::{self, streams};
use super::trace::{digests, records, Record, Workload};
use crate::envs;
use crate::error::{Error, Result};
use crate::rl::env::Env;

/// A request: a JSON object.
pub struct Request<'a>(pub &'a Value);

/// The answer to `request`; none if its task is another one than random play, streams or the
/// signature.
///
/// # Errors
/// A field that is missing or wrong, which is named, or an environment that fails.
pub fn answer(request: &Request<'_>) -> Result<Option<Value>> {
    Ok(Some(match request.text("task")? {
        "digests" => {
            let block = request.number("block")?;
            let found = digests(&*request.env()?, &request.workload()?, block)?;
            json!({ "digests": found.into_iter().map(hex).collect::<Vec<_>>() })
        }
        "records" => {
            let found = records(&*request.env()?, &request.workload()?)?;
            json!({ "records": found.iter().map(record).collect::<Vec<_>>() })
        }
        "words" => {
            let (lanes, steps) = (request.number("lanes")?, request.number("steps")?);
            let digest = streams(request.word("seed")?, lanes, steps);
            json!({ "digests": [hex(digest)] })
        }
        "signature" => json!({ "lines": signature::text()?.lines().collect::<Vec<_>>() }),
        _ => return Ok(None),
    }))
}

/// A digest as it is written: 16 hexadecimal digits.
pub fn hex(word: u64) -> String {
    format!("{word:016x}")
}

fn record(record: &Record) -> Value {
    let Record { made, status, masks, observation } = record;
    let masks: String = masks.iter().map(|&mask| if mask { '1' } else { '0' }).collect();
    json!({
        "move": made,
        "reward": status.reward,
        "final": status.is_final,
        "success": status.success,
        "truncated": status.truncated,
        "masks": masks,
        "observation": observation,
    })
}

impl Request<'_> {
    /// # Errors
    /// If there is no field of this name; so for all of these, if it is of another kind.
    pub fn get(&self, name: &str) -> Result<&Value> {
        self.0.get(name).ok_or_else(|| Error::invalid(name, "a value", "nothing"))
    }

    pub fn word(&self, name: &str) -> Result<u64> {
        let value = self.get(name)?;
        value.as_u64().ok_or_else(|| Error::invalid(name, "a natural number", value))
    }

    pub fn number(&self, name: &str) -> Result<usize> {
        let word = self.word(name)?;
        usize::try_from(word).map_err(|_| Error::invalid(name, "a smaller number", word))
    }

    pub fn float(&self, name: &str) -> Result<f32> {
        let value = self.get(name)?;
        value.as_f64().map(|x| x as f32).ok_or_else(|| Error::invalid(name, "a number", value))
    }

    pub fn text(&self, name: &str) -> Result<&str> {
        let value = self.get(name)?;
        value.as_str().ok_or_else(|| Error::invalid(name, "a text", value))
    }

    pub fn env(&self) -> Result<Box<dyn Env>> {
        let parameters = self.get("parameters")?;
        let parameters = parameters
            .as_object()
            .ok_or_else(|| Error::invalid("parameters", "an object", parameters))?;
        envs::find(self.text("environment")?)?.make(parameters)
    }

    pub fn workload(&self) -> Result<Workload> {
        Ok(Workload {
            seed: self.word("seed")?,
            first_lane: self.number("first_lane")?,
            lanes: self.number("lanes")?,
            steps: self.number("steps")?,
            uniform: self.get("uniform")? == &Value::Bool(true),
        })
    }
}
