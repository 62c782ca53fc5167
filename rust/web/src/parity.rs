//! The module with one function more, for tests: it answers the parity check.

#[path = "lib.rs"]
mod module;

use module::said;
use serde_json::Value;
use twisterl::testing::requests::{self, Request};
use twisterl::{Error, Result};

/// Lanes of random play, and steps of each.
const MOST_PLAYED: u64 = 1 << 20;

/// Answers a request, JSON in a buffer, that needs no files: random play, random streams or the
/// signature. The answer is a message in JSON.
#[no_mangle]
pub extern "C" fn parity(address: usize, length: usize) -> i32 {
    said(|session| Ok(answer(session.text(address, length)?)?.to_string()))
}

fn answer(text: &str) -> Result<Value> {
    let asked: Value = serde_json::from_str(text)
        .map_err(|error| Error::invalid("request", "a JSON object", error))?;
    for name in ["first_lane", "lanes", "steps"] {
        if asked[name].as_u64().is_some_and(|number| number > MOST_PLAYED) {
            return Err(Error::invalid(name, format!("at most {MOST_PLAYED}"), &asked[name]));
        }
    }
    let answer = requests::answer(&Request(&asked))?;
    answer.ok_or_else(|| Error::invalid("task", "one that needs no files", &asked["task"]))
}
