//! What the tests of the public API share.

use std::path::Path;

use serde_json::Value;
use twisterl::nn::Network;
use twisterl::rl::env::Env;
use twisterl::testing::Widths;

/// `F -> 64 -> 32 -> (A, 1)` with weights drawn from `seed`, seen through the twists of `env`.
pub fn random_policy(env: &dyn Env, seed: u64) -> Network {
    twisterl::testing::random_policy(env, Widths { embedding: 64, common: 32 }, seed).unwrap()
}

/// The file `name` of the folder specs.
pub fn spec(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The content of a file of specs/models.json.
pub fn bytes_of(case: &Value) -> Vec<u8> {
    let digits = |name: &str| {
        let text = case[name].as_str().unwrap_or_default();
        let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect::<Vec<u8>>()
    };
    match case["header"].as_str() {
        None => digits("bytes"),
        Some(header) => {
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &digits("data")].concat()
        }
    }
}

/// The two methods that every environment of a test writes alike.
macro_rules! as_any {
    () => {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
        fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
            self
        }
    };
}
