//! Named tensors of any kind, as the optimizer's file of a commit holds them.
//!
//! What this program has no use for, torch's generators say, goes on as it came.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::nn::safetensors::{entries, sealed, Entry};

/// The kinds by size of an item, in the order in which files have them.
const KINDS: [(&str, usize); 10] = [
    ("I64", 8),
    ("F64", 8),
    ("F32", 4),
    ("I32", 4),
    ("BF16", 2),
    ("F16", 2),
    ("I16", 2),
    ("I8", 1),
    ("U8", 1),
    ("BOOL", 1),
];

/// A tensor as its bytes, little endian.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) kind: String,
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<u8>,
}

/// Tensors by name.
pub(super) type StoredTensors = BTreeMap<String, Stored>;

/// `pairs` by name: compiled once, a sort included, not for every iterator that a map is collected from.
pub(super) fn by_name(pairs: Vec<(String, Stored)>) -> StoredTensors {
    pairs.into_iter().collect()
}

/// A number that tensors hold.
pub(super) trait Item: Copy {
    const KIND: &'static str;
    fn to_bytes(self) -> Vec<u8>;
    /// `None` for bytes that are none.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! item {
    ($number:ty, $kind:literal) => {
        impl Item for $number {
            const KIND: &'static str = $kind;
            fn to_bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    };
}

item!(f32, "F32");
item!(i64, "I64");

impl Item for bool {
    const KIND: &'static str = "BOOL";
    fn to_bytes(self) -> Vec<u8> {
        vec![u8::from(self)]
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl Stored {
    pub(super) fn of<T: Item>(shape: Vec<usize>, values: &[T]) -> Self {
        let data = values.iter().flat_map(|value| value.to_bytes()).collect();
        Self { kind: T::KIND.to_owned(), shape, data }
    }

    /// The values, if they are of this kind.
    pub(super) fn values<T: Item>(&self) -> Option<Vec<T>> {
        let size = size_of_kind(T::KIND)?;
        let values = (self.kind == T::KIND).then(|| self.data.chunks(size).map(T::from_bytes))?;
        values.collect()
    }
}

fn size_of_kind(kind: &str) -> Option<usize> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, size)| *size)
}

/// The bytes of a safetensors file, as Python writes it.
pub(super) fn to_bytes(tensors: &StoredTensors) -> Vec<u8> {
    let place = |stored: &Stored| KINDS.iter().position(|(name, _)| *name == stored.kind);
    let mut order: Vec<(&String, &Stored)> = tensors.iter().collect();
    order.sort_by_key(|(_, stored)| place(stored));
    let (mut members, mut data) = (Vec::new(), Vec::new());
    for (name, Stored { kind, shape, data: bytes }) in order {
        let begin = data.len();
        data.extend_from_slice(bytes);
        let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let (name, end) = (Value::from(name.as_str()), data.len());
        members.push(format!(
            r#"{name}:{{"dtype":"{kind}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#
        ));
    }
    sealed(&BTreeMap::new(), members, &data)
}

/// The tensors of a file.
///
/// # Errors
/// If it is none, or has one of another kind.
pub(super) fn parse(bytes: &[u8]) -> Result<StoredTensors> {
    let size = |kind: &str| {
        size_of_kind(kind).ok_or_else(|| Error::invalid("dtype", "one that torch saves", kind))
    };
    let stored = |(name, entry, data): (String, Entry, &[u8])| {
        (name, Stored { kind: entry.dtype, shape: entry.shape, data: data.to_vec() })
    };
    Ok(by_name(entries(bytes, size)?.into_iter().map(stored).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut tensors = StoredTensors::new();
        tensors.insert("a".into(), Stored::of(vec![2, 2], &[1.0_f32, -2.0, 3.5, 0.0]));
        tensors.insert("b".into(), Stored::of(vec![3], &[true, false, true]));
        tensors.insert("c".into(), Stored::of(vec![], &[-7_i64]));
        let bytes = to_bytes(&tensors);
        let read = parse(&bytes).unwrap();
        assert_eq!(read, tensors);
        assert_eq!(read["c"].values::<i64>(), Some(vec![-7]));
        assert_eq!(read["c"].values::<f32>(), None);
        assert!(parse(&bytes[..bytes.len() - 1]).is_err());
    }
}
