//! Reading JSON as data that nobody vouches for: each key once, bounded in size and depth.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::faults::{joined, shown, Failure, Fault, Faults};
use super::files;

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;
/// How Python marks lists of tuples, which are lists here.
const TUPLES: &str = "__tuple_list__";

/// The content of a regular file of at most 1 MiB.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |problem: String| Failure::config(path.display().to_string(), "", problem);
    let content = files::read_regular(path, MAX_BYTES + 1)
        .map_err(|error| refused(format!("cannot be read: {}", files::reason(&error))))?;
    match content.len() > MAX_BYTES {
        true => Err(refused(format!("has more than {MAX_BYTES} bytes; at most these are read"))),
        false => Ok(content),
    }
}

/// The value that `content` (UTF-8) holds; `source` names it in every fault.
pub(super) fn parse(content: &[u8], source: &str) -> Result<Value, Failure> {
    let refused = |problem: String| Failure::config(source, "", problem);
    let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
    let text =
        std::str::from_utf8(content).map_err(|error| refused(format!("is not UTF-8: {error}")))?;
    let faults = RefCell::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = At { path: String::new(), depth: 0, faults: &faults }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| refused(format!("is not JSON: {error}")))?;
    match faults.into_inner() {
        faults if faults.is_empty() => Ok(value),
        faults => Err(Faults { source: source.to_owned(), faults }.into()),
    }
}

/// `value` as run folders have it: indented, a line break at its end.
pub(super) fn to_text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Reads the value at `path`.
struct At<'a> {
    path: String,
    depth: usize,
    faults: &'a RefCell<Vec<Fault>>,
}

impl At<'_> {
    fn tell(&self, path: &str, problem: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::new(path, problem));
    }

    /// Refuses what is too deep, once.
    fn inside<E: serde::de::Error>(&self, path: String) -> Result<At<'_>, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(At { path, depth: self.depth + 1, faults: self.faults })
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let item = self.inside(format!("{}[{}]", self.path, items.len()))?;
            match list.next_element_seed(item)? {
                Some(value) => items.push(value),
                None => return Ok(items.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let here = joined(&self.path, &key);
            let value = map.next_value_seed(self.inside(here.clone())?)?;
            if members.insert(key, value).is_some() {
                self.tell(&here, "is given more than once");
            }
        }
        if !members.contains_key(TUPLES) {
            return Ok(members.into());
        }
        let rows = members.get("list").and_then(Value::as_array);
        let rows = rows.filter(|rows| rows.iter().all(Value::is_array));
        match rows.filter(|_| members.len() == 2 && members[TUPLES] == true) {
            Some(rows) => Ok(rows.clone().into()),
            None => {
                let expected = r#"{"__tuple_list__": true, "list": [[...], ...]}"#;
                let got = shown(&members.into());
                self.tell(&self.path, format!("got {got}; expected {expected}"));
                Ok(Value::Null)
            }
        }
    }
}
