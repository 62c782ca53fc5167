//! The header of a safetensors file, read strictly: what it says is checked while it is parsed, so
//! no more is ever kept of it than its own bytes.

use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub const MAX_TENSORS: usize = 10_000;
pub const MAX_RANK: usize = 8;
/// Sizes, and products of sizes other than 0, are smaller: every JSON reader holds them exactly.
pub const MAX_SIZE: u64 = 1 << 53;

const METADATA: &str = "__metadata__";

/// `{name: {dtype, shape, data_offsets}}`, and the metadata under its own name.
#[derive(Default)]
pub struct Header {
    pub entries: BTreeMap<String, Entry>,
    pub metadata: BTreeMap<String, String>,
}

/// What a tensor is made of, and where it lies in the data.
pub struct Entry {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub begin: usize,
    pub end: usize,
}

/// The members of a JSON object; each name once.
pub struct Members<V>(pub BTreeMap<String, V>);

fn once<E: serde::de::Error, V>(
    map: &mut BTreeMap<String, V>,
    name: String,
    value: V,
) -> Result<(), E> {
    match map.entry(name) {
        Slot::Vacant(slot) => {
            slot.insert(value);
            Ok(())
        }
        Slot::Occupied(slot) => Err(E::custom(format!("{} is given more than once", slot.key()))),
    }
}

/// A type that is read from a JSON object alone: what serde derives takes a list as well.
macro_rules! from_object {
    (impl<'de $(, $V:ident)?> for $Type:ty, $expected:literal, |$map:ident| $body:block) => {
        impl<'de $(, $V: Deserialize<'de>)?> Deserialize<'de> for $Type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader<T>(PhantomData<T>);
                impl<'de $(, $V: Deserialize<'de>)?> Visitor<'de> for Reader<$Type> {
                    type Value = $Type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut $map: A,
                    ) -> Result<Self::Value, A::Error> {
                        $body
                    }
                }
                deserializer.deserialize_map(Reader(PhantomData))
            }
        }
    };
}

from_object!(impl<'de, V> for Members<V>, "an object", |map| {
    let mut members = BTreeMap::new();
    while let Some((name, value)) = map.next_entry()? {
        once(&mut members, name, value)?;
    }
    Ok(Members(members))
});

from_object!(impl<'de> for Header, "an object of tensors", |map| {
    let mut header = Header::default();
    let mut has_metadata = false;
    while let Some(name) = map.next_key::<String>()? {
        if name == METADATA {
            if has_metadata {
                return Err(A::Error::custom("__metadata__ is given more than once"));
            }
            has_metadata = true;
            header.metadata = map.next_value::<Members<String>>()?.0;
        } else {
            once(&mut header.entries, name, map.next_value()?)?;
        }
        if header.entries.len() > MAX_TENSORS {
            return Err(A::Error::custom(format!("at most {MAX_TENSORS} tensors are read")));
        }
    }
    Ok(header)
});

from_object!(impl<'de> for Entry, "an object of dtype, shape and data_offsets", |map| {
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    while let Some(name) = map.next_key::<String>()? {
        let twice = match name.as_str() {
            "dtype" => dtype.replace(map.next_value::<String>()?).is_some(),
            "shape" => shape.replace(map.next_value::<Sizes>()?).is_some(),
            "data_offsets" => offsets.replace(map.next_value::<Sizes>()?).is_some(),
            _ => {
                let known = &["dtype", "shape", "data_offsets"];
                return Err(A::Error::unknown_field(&name, known));
            }
        };
        if twice {
            return Err(A::Error::custom(format!("{name} is given more than once")));
        }
    }
    let dtype = dtype.ok_or_else(|| A::Error::missing_field("dtype"))?;
    let Sizes(shape) = shape.ok_or_else(|| A::Error::missing_field("shape"))?;
    let Sizes(offsets) = offsets.ok_or_else(|| A::Error::missing_field("data_offsets"))?;
    match offsets[..] {
        [begin, end] => Ok(Entry { dtype, shape, begin, end }),
        _ => Err(A::Error::invalid_length(offsets.len(), &"two data_offsets")),
    }
});

/// A list of at most [`MAX_RANK`] natural numbers below [`MAX_SIZE`].
struct Sizes(Vec<usize>);

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Sizes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_RANK} natural numbers below 2^53")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sizes, A::Error> {
                let mut sizes = Vec::new();
                while sizes.len() < MAX_RANK {
                    let Some(size) = list.next_element::<u64>()? else { return Ok(Sizes(sizes)) };
                    let size = Some(size).filter(|&size| size < MAX_SIZE);
                    let size = size.and_then(|size| usize::try_from(size).ok());
                    sizes.push(size.ok_or_else(|| A::Error::custom("a number of 2^53 or more"))?);
                }
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(Sizes(sizes)),
                    Some(_) => Err(A::Error::invalid_length(MAX_RANK + 1, &self)),
                }
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}
