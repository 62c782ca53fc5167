//! Models as safetensors, written as Python and Mojo write them and read as data nobody vouches for.
//!
//! ```text
//! 8 bytes    length of the header, little endian
//! header     JSON {name: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, ..},
//!            padded with spaces to a multiple of 8
//! data       the tensors, row by row
//! ```
//!
//! Refused are: what is no such file; names that come twice; holes, overlaps and bytes of no
//! tensor; more than [`MAX_TENSORS`] tensors, ranks above [`MAX_RANK`], sizes of 2^53 and more;
//! dtypes other than 32-bit floats; NaN and infinity; a file that is not what its own digest says
//! (one without it, from elsewhere, is read all the same). `specs/models` has files of every kind, which
//! all languages judge alike.
//!
//! ```
//! use twisterl::nn::safetensors::Tensors;
//! let mut model = Tensors::default();
//! model.push("layer.weight", vec![1, 2], &[0.5, -1.0])?;
//! let read = Tensors::parse(&model.to_bytes())?;
//! assert_eq!(read.get("layer.weight"), Some((&[1, 2][..], &[0.5, -1.0][..])));
//! # Ok::<(), twisterl::Error>(())
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
pub(crate) use header::Entry;
use header::{Header, Members};
pub use header::{MAX_RANK, MAX_SIZE, MAX_TENSORS};
pub(crate) use sha256::sha256;

mod header;
mod sha256;

/// Longest header that is read, in bytes; one of 10,000 tensors has less than half of it.
pub const MAX_HEADER_BYTES: usize = 4 << 20;
/// Most brackets and commas in a header: they bound the memory that any JSON reader needs for it.
pub const MAX_HEADER_MARKS: usize = 250_000;
/// Metadata of ours: a JSON object {name: name of the tensor that it shares}.
pub const TIED: &str = "twisterl.tied";
/// Metadata of ours: the SHA-256 of the file, whose own digits are read as zeros.
pub const DIGEST: &str = "twisterl.sha256";
const A_HEADER: &str = "a description of F32 tensors in JSON";
const BLANK: [u8; 64] = [b'0'; 64];

/// A named tensor of 32-bit floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    /// The slowest dimension first.
    pub shape: Vec<usize>,
    /// Where its values begin in [`Tensors::values`]; tied tensors begin at the same place.
    pub start: usize,
}

impl Tensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The content of a safetensors file: names over one vector of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    tensors: Vec<Tensor>,
    values: Vec<f32>,
    pub metadata: BTreeMap<String, String>,
}

impl Tensors {
    /// The tensors in the order of their values; tied ones come last.
    pub fn iter(&self) -> std::slice::Iter<'_, Tensor> {
        self.tensors.iter()
    }

    /// The values of all tensors, one after the other, each row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Shape and values of the tensor `name`.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        let tensor = self.tensors.iter().find(|tensor| tensor.name == name)?;
        Some((&tensor.shape, &self.values[tensor.start..tensor.start + tensor.len()]))
    }

    /// Adds a tensor behind the others.
    ///
    /// # Errors
    /// If there is one of this name, or the number of values is not the product of the shape.
    pub fn push(&mut self, name: &str, shape: Vec<usize>, values: &[f32]) -> Result<()> {
        self.require_new(name)?;
        if num_values(&shape) != Some(values.len()) {
            let expected = format!("as many values as {shape:?} says");
            return Err(Error::invalid(format!("tensor {name}"), expected, values.len()));
        }
        self.tensors.push(Tensor { name: name.to_owned(), shape, start: self.values.len() });
        self.values.extend_from_slice(values);
        Ok(())
    }

    /// Adds `name` for the tensor `shared`.
    ///
    /// # Errors
    /// If there is a tensor `name`, or none that is called `shared`.
    pub fn tie(&mut self, name: &str, shared: &str) -> Result<()> {
        self.require_new(name)?;
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == shared) else {
            return Err(Error::invalid(format!("tensor {name}"), "a tensor to share", shared));
        };
        self.tensors.push(Tensor { name: name.to_owned(), ..tensor.clone() });
        Ok(())
    }

    fn require_new(&self, name: &str) -> Result<()> {
        match self.get(name) {
            None => Ok(()),
            Some(_) => Err(Error::invalid(format!("tensor {name}"), "a new name", "one twice")),
        }
    }

    /// The content of the file at `path`, which must be a regular one.
    ///
    /// # Errors
    /// As [`Tensors::parse`], naming the file, and if it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let unread = |got: String| Error::invalid(path.display().to_string(), "a model", got);
        // Before it is opened: one that waits for a writer would be waited for.
        let is_regular = path.metadata().map_err(|error| unread(error.to_string()))?.is_file();
        if !is_regular {
            return Err(unread("no regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| unread(error.to_string()))?;
        Self::parse(&bytes).map_err(|error| error.at(path.display()))
    }

    /// The content of the `bytes` of a file.
    ///
    /// # Errors
    /// If it is refused, naming the tensor where there is one.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (header, data) = split(bytes)?;
        let Header { entries, mut metadata } = parsed(header, "header")?;
        let digest = metadata.remove(DIGEST);
        let size = |dtype: &str| match dtype {
            "F32" => Ok(size_of::<f32>()),
            _ => {
                let got = format!("expected the dtype F32, got {dtype:?}");
                Err(Error::invalid("header", A_HEADER, got))
            }
        };
        let tensor = |(name, entry): (String, Entry)| {
            let Entry { shape, begin, .. } = entry;
            Tensor { name, shape, start: begin / size_of::<f32>() }
        };
        let tensors = located(entries, data.len(), size)?.into_iter().map(tensor).collect();
        let mut found = Self { tensors, values: Vec::new(), metadata };
        found.values = data.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        for tensor in &found.tensors {
            let values = &found.values[tensor.start..tensor.start + tensor.len()];
            if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
                return Err(Error::invalid(
                    format!("tensor {}", tensor.name),
                    "finite values",
                    bad,
                ));
            }
        }
        found.tie_all()?;
        match digest {
            None => Ok(found),
            Some(digest) => require_digest(bytes, header.len(), &digest).map(|()| found),
        }
    }

    /// Adds the names that the metadata ties to other tensors.
    fn tie_all(&mut self) -> Result<()> {
        let Some(text) = self.metadata.get(TIED) else { return Ok(()) };
        let Members(tied) = parsed::<Members<String>>(text.as_bytes(), TIED)?;
        if tied.len() > MAX_TENSORS {
            return Err(Error::invalid(TIED, format!("at most {MAX_TENSORS} names"), tied.len()));
        }
        let places: HashMap<&str, &Tensor> =
            self.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut more = Vec::with_capacity(tied.len());
        for (name, shared) in tied {
            match (places.get(name.as_str()), places.get(shared.as_str())) {
                (None, Some(&tensor)) => more.push(Tensor { name, ..tensor.clone() }),
                (Some(_), _) => return Err(Error::invalid(TIED, "new names", name)),
                (_, None) => return Err(Error::invalid(TIED, "tensors of the file", shared)),
            }
        }
        self.tensors.append(&mut more);
        Ok(())
    }

    /// The bytes of a file as Python writes it: notes, then its digest, then the tensors by name.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut written = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut tied = BTreeMap::new();
        for tensor in &self.tensors {
            let place = (tensor.start, &tensor.shape);
            match names.get(&place) {
                Some(&shared) if !tensor.is_empty() => {
                    tied.insert(&tensor.name, shared);
                }
                _ => {
                    names.insert(place, &tensor.name);
                    written.insert(&tensor.name, tensor);
                }
            }
        }
        let mut notes = self.metadata.clone();
        notes.remove(TIED);
        notes.remove(DIGEST);
        if !tied.is_empty() {
            let pairs: Vec<String> = tied
                .iter()
                .map(|(name, shared)| format!("{}: {}", quoted(name), quoted(shared)))
                .collect();
            notes.insert(TIED.to_owned(), format!("{{{}}}", pairs.join(", ")));
        }
        let mut members = Vec::new();
        let mut data = Vec::new();
        for (name, tensor) in written {
            let begin = data.len();
            let values = &self.values[tensor.start..tensor.start + tensor.len()];
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            let (name, shape, end) = (quoted(name), quoted(&tensor.shape), data.len());
            members.push(format!(
                r#"{name}:{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}"#
            ));
        }
        sealed(&notes, members, &data)
    }
}

/// The bytes of a file with these `notes`, its digest, and the `members` of its header that describe
/// its `data`.
pub(crate) fn sealed(
    notes: &BTreeMap<String, String>,
    members: Vec<String>,
    data: &[u8],
) -> Vec<u8> {
    let notes: String =
        notes.iter().map(|(key, note)| format!("{}:{},", quoted(key), quoted(note))).collect();
    let blank = "0".repeat(BLANK.len());
    let metadata = format!(r#""__metadata__":{{{notes}"{DIGEST}":"{blank}"}}"#);
    let mut header = format!("{{{}}}", [vec![metadata], members].concat().join(","));
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let length = (header.len() as u64).to_le_bytes();
    let mut bytes = [&length, header.as_bytes(), data].concat();
    let digest = sha256(&bytes);
    let place = format!("{DIGEST}\":\"{blank}");
    let start = header.find(&place).expect("it was written") + place.len() - digest.len();
    bytes[length.len() + start..][..digest.len()].copy_from_slice(digest.as_bytes());
    bytes
}

/// `value` in JSON.
fn quoted(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("names and numbers have a form in JSON")
}

/// The product of `shape`, unless it or that of its other sizes than 0 is too large.
fn num_values(shape: &[usize]) -> Option<usize> {
    let mut sizes = shape.iter().map(|&size| (size as u64).max(1));
    let product = sizes.try_fold(1, u64::checked_mul).filter(|&n| n < MAX_SIZE)?;
    usize::try_from(if shape.contains(&0) { 0 } else { product }).ok()
}

/// The JSON in `text`, which is called `name`.
fn parsed<T: DeserializeOwned>(text: &[u8], name: &str) -> Result<T> {
    let marks = text.iter().filter(|byte| b"{[,".contains(byte)).count();
    if marks > MAX_HEADER_MARKS {
        let expected = format!("at most {MAX_HEADER_MARKS} brackets and commas");
        return Err(Error::invalid(name, expected, marks));
    }
    serde_json::from_slice(text).map_err(|error| Error::invalid(name, A_HEADER, error))
}

/// Refuses a file whose digest is not `digest`, the one that its header of so many bytes states.
fn require_digest(bytes: &[u8], header_len: usize, digest: &str) -> Result<()> {
    let mut blanked = bytes.to_vec();
    let header = &mut blanked[size_of::<u64>()..][..header_len];
    let is_digest = digest.len() == BLANK.len();
    if let Some(place) = is_digest.then(|| find(header, digest.as_bytes())).flatten() {
        header[place..place + BLANK.len()].copy_from_slice(&BLANK);
    }
    match sha256(&blanked) == digest {
        true => Ok(()),
        false => Err(Error::invalid("file", "what was written", "other bytes (SHA-256 differs)")),
    }
}

/// Where `part` first stands in `text`.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Header and data.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let refused = |got: String| Error::invalid("file", "the bytes of a safetensors file", got);
    let size = bytes.len();
    let (length, rest) =
        bytes.split_first_chunk().ok_or_else(|| refused(format!("{size} bytes")))?;
    let length = u64::from_le_bytes(*length);
    let (header, data) = usize::try_from(length)
        .ok()
        .filter(|&length| length <= MAX_HEADER_BYTES)
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| refused(format!("{size} bytes whose header claims {length}")))?;
    match header.first() {
        Some(b'{') => Ok((header, data)),
        _ => Err(refused("a header that is no JSON object".to_owned())),
    }
}

/// The tensors of a file of any kinds, an item of which takes as many bytes as `size` says: what they are,
/// and their bytes, in the order of the data.
///
/// # Errors
/// As [`Tensors::parse`], but for what it says of values, ties and the digest; and those of `size`.
pub(crate) fn entries(
    bytes: &[u8],
    size: impl Fn(&str) -> Result<usize>,
) -> Result<Vec<(String, Entry, &[u8])>> {
    let (header, data) = split(bytes)?;
    let Header { entries, .. } = parsed(header, "header")?;
    let with_bytes = |(name, entry): (String, Entry)| {
        let bytes = &data[entry.begin..entry.end];
        (name, entry, bytes)
    };
    Ok(located(entries, data.len(), size)?.into_iter().map(with_bytes).collect())
}

/// The tensors in the order of their data, which they must cover exactly.
fn located(
    entries: BTreeMap<String, Entry>,
    num_bytes: usize,
    size: impl Fn(&str) -> Result<usize>,
) -> Result<Vec<(String, Entry)>> {
    let mut order = BTreeMap::new();
    for (name, entry) in entries {
        let size = size(&entry.dtype)?;
        let Entry { ref shape, begin, end, .. } = entry;
        let wanted = num_values(shape).and_then(|count| count.checked_mul(size));
        if wanted.is_none() || wanted != end.checked_sub(begin) || end > num_bytes {
            let expected = format!("data_offsets in {num_bytes} bytes that fit {shape:?}");
            let name = format!("tensor {name}");
            return Err(Error::invalid(name, expected, format!("[{begin}, {end}]")));
        }
        order.insert((begin, end, name), entry);
    }
    let mut position = 0;
    let mut tensors = Vec::with_capacity(order.len());
    for ((begin, end, name), entry) in order {
        if begin != position {
            return Err(Error::invalid(format!("tensor {name}"), "no hole or overlap", begin));
        }
        tensors.push((name, entry));
        position = end;
    }
    match num_bytes - position {
        0 => Ok(tensors),
        rest => Err(Error::invalid("data", "bytes of some tensor", format!("{rest} of none"))),
    }
}
