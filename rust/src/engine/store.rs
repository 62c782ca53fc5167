//! What took long to prepare, kept for other processes by whoever has a place for it.
//!
//! The core knows no files. A [`Store`] that was given to the process by [`keep_in`] gets arrays and the [`Key`]
//! of all that they depend on, and gives them back to another process; what they say is checked before it is
//! used, and made again where it cannot be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::clock::Stopwatch;
use crate::envs;
use crate::error::{Error, Result};
use crate::locks::lock;
use crate::rl::env::Env;

/// Rises with every change of what arrays mean, or of what their keys leave out.
const FORMAT: u32 = 1;

static STORE: Mutex<Option<Arc<dyn Store>>> = Mutex::new(None);

/// Where what was prepared goes from now on, in every thread of the process; `None`, as at first, for nowhere.
pub fn keep_in(store: Option<Arc<dyn Store>>) {
    *lock(&STORE) = store;
}

/// A place for what was prepared.
pub trait Store: Send + Sync {
    /// What is kept under `key`, if anything is.
    ///
    /// # Errors
    /// What ends the preparation; a place that cannot be read keeps nothing.
    fn find(&self, key: &Key) -> Result<Option<Arrays>>;

    /// Hears that what [`Store::find`] gave is used, or the `problem` for which it is made again.
    ///
    /// # Errors
    /// As [`Store::find`].
    fn judged(&self, key: &Key, problem: Option<&Error>) -> Result<()>;

    /// Keeps `arrays`, which took `seconds` to make, if it wants to.
    ///
    /// # Errors
    /// As [`Store::find`]; a place that cannot be written keeps nothing.
    fn keep(&self, key: &Key, arrays: Arrays, seconds: f64) -> Result<()>;
}

/// What something was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// A word for what it is.
    pub kind: &'static str,
    /// For people.
    pub name: String,
    /// All that it depends on, the version of the crate apart.
    pub made_of: String,
}

impl Key {
    pub(crate) fn new(kind: &'static str, name: String, made_of: String) -> Self {
        Self { kind, name, made_of: format!("{FORMAT} {kind} {made_of}") }
    }

    /// Of what depends on `env` and on `asked`; `None` for an environment that is none of this crate's, whose
    /// rules nobody knows.
    pub(crate) fn of_env(kind: &'static str, env: &dyn Env, asked: &str) -> Option<Self> {
        let (entry, parameters) = envs::entry_of(env)?;
        let sizes = ["num_qubits", "width", "height"].iter().filter_map(|&size| {
            let size = parameters.get(size)?.as_u64()?;
            Some(format!("-{size}"))
        });
        let name = format!("{}{}", entry.name, sizes.collect::<String>());
        let parameters = serde_json::Value::Object(parameters);
        let made_of = format!("{} {} {parameters} {asked}", entry.name, env.spec().version);
        Some(Self::new(kind, name, made_of))
    }
}

/// Numbers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    U8(Vec<u8>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
}

macro_rules! arrays_of {
    ($($Kind:ident $Number:ty,)*) => {$(
        impl From<Vec<$Number>> for Array {
            fn from(numbers: Vec<$Number>) -> Self {
                Self::$Kind(numbers)
            }
        }

        impl TryFrom<Array> for Vec<$Number> {
            type Error = ();

            fn try_from(array: Array) -> std::result::Result<Self, ()> {
                match array {
                    Array::$Kind(numbers) => Ok(numbers),
                    _ => Err(()),
                }
            }
        }
    )*};
}

arrays_of! {
    U8 u8,
    U32 u32,
    U64 u64,
    F32 f32,
}

/// Arrays by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrays(pub BTreeMap<String, Array>);

impl Arrays {
    #[must_use]
    pub(crate) fn with(mut self, name: &str, numbers: impl Into<Array>) -> Self {
        self.0.insert(name.to_owned(), numbers.into());
        self
    }

    /// Takes out the numbers called `name`.
    ///
    /// # Errors
    /// If there are none, or they are of another kind.
    pub(crate) fn take<T>(&mut self, name: &str) -> Result<Vec<T>>
    where
        Vec<T>: TryFrom<Array>,
    {
        let found = self.0.remove(name);
        let refused = |got| Error::invalid(name, std::any::type_name::<T>(), got);
        let array = found.ok_or_else(|| refused("nothing"))?;
        array.try_into().map_err(|_| refused("numbers of another kind"))
    }

    /// [`Arrays::take`] of `len` numbers.
    ///
    /// # Errors
    /// If there are as many not.
    pub(crate) fn take_all<T>(&mut self, name: &str, len: usize) -> Result<Vec<T>>
    where
        Vec<T>: TryFrom<Array>,
    {
        let numbers = self.take(name)?;
        match numbers.len() == len {
            true => Ok(numbers),
            false => Err(Error::invalid(name, format!("{len} numbers"), numbers.len())),
        }
    }
}

/// The place of one thing in the store, if there are both a store and a key.
pub(crate) struct Slot {
    place: Option<(Arc<dyn Store>, Key)>,
    watch: Stopwatch,
}

impl Slot {
    pub(crate) fn of(key: impl FnOnce() -> Option<Key>) -> Self {
        let store = lock(&STORE).clone();
        let place = store.and_then(|store| Some((store, key()?)));
        Self { place, watch: Stopwatch::start() }
    }

    /// What `read` makes of what is kept; `None` if nothing is, or it is refused.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn find<T>(&self, read: impl FnOnce(Arrays) -> Result<T>) -> Result<Option<T>> {
        let Some((store, key)) = &self.place else { return Ok(None) };
        let Some(arrays) = store.find(key)? else { return Ok(None) };
        let found = read(arrays);
        store.judged(key, found.as_ref().err())?;
        Ok(found.ok())
    }

    /// Keeps what was made since the slot was looked for.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn keep(&self, arrays: impl FnOnce() -> Arrays) -> Result<()> {
        match &self.place {
            Some((store, key)) => store.keep(key, arrays(), self.watch.seconds()),
            None => Ok(()),
        }
    }
}
