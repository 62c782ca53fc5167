//! The arguments of a call as configs of the core, and back. Those that do not fit are told of by
//! name, with what was expected and what came.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::{forward_to_deserialize_any, Deserializer, Serialize};
use serde_json::Value;
use twisterl::locks::lock;
use twisterl::nn::Policy;
use twisterl::python_interface::error::wrong_type;
use twisterl::Error;

use crate::net::PyPolicy;
use crate::read::Argument;

/// The arguments of a call by name; what is read is taken out.
pub(crate) struct Given<'py>(Bound<'py, PyDict>);

impl<'py> Given<'py> {
    /// `arguments` and `keywords` of a function with this `signature`, as `help` shows it.
    ///
    /// # Errors
    /// TypeError as Python raises it for a call that does not fit.
    pub(crate) fn bound(
        signature: &str,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Self> {
        let given = PyDict::new(arguments.py());
        let mut placed = arguments.iter();
        let (mut by_position, mut is_open, mut known) = (true, false, Vec::new());
        for listed in signature.trim_matches(['(', ')']).split(", ") {
            let (name, is_required) = match listed.split_once('=') {
                Some((name, _)) => (name, false),
                None => (listed, true),
            };
            match name {
                "$self" => continue,
                "*" => {
                    by_position = false;
                    continue;
                }
                "**options" => {
                    is_open = true;
                    continue;
                }
                _ => known.push(name),
            }
            let placed = if by_position { placed.next() } else { None };
            let named = keywords.map(|all| all.get_item(name)).transpose()?.flatten();
            match (placed, named) {
                (Some(_), Some(_)) => return Err(refused("multiple values for", name)),
                (None, None) if is_required => return Err(refused("no", name)),
                (None, None) => {}
                (Some(value), None) | (None, Some(value)) => given.set_item(name, value)?,
            }
        }
        if placed.next().is_some() {
            let got = arguments.len();
            let expected = format!("expected arguments ({}), got {got}", known.join(", "));
            return Err(PyTypeError::new_err(expected));
        }
        for (name, value) in keywords.into_iter().flatten() {
            let name: String = name.extract()?;
            match known.contains(&&*name) {
                true => {}
                false if is_open => given.set_item(name, value)?,
                false => return Err(unexpected(&name, &known)),
            }
        }
        Ok(Self(given))
    }

    /// The entries of `named`.
    pub(crate) fn of(named: &Bound<'py, PyDict>) -> PyResult<Self> {
        Ok(Self(named.copy()?))
    }

    /// The argument `name`, if it is there.
    pub(crate) fn take(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let value = self.0.get_item(name)?;
        if value.is_some() {
            self.0.del_item(name)?;
        }
        Ok(value)
    }

    /// The argument `name`, which every call has.
    pub(crate) fn required(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.take(name)?.ok_or_else(|| refused("no", name))
    }

    /// The argument `name`, which every call has, as a `T`.
    pub(crate) fn get<T: Argument>(&self, name: &str) -> PyResult<T> {
        T::read(name, &self.required(name)?)
    }

    /// The argument `name`, which every call has, as PyO3 reads it; its errors have the name.
    pub(crate) fn extract<T: for<'a> FromPyObject<'a, 'py>>(&self, name: &str) -> PyResult<T> {
        let value = self.0.get_item(name)?.ok_or_else(|| refused("no", name))?;
        value.extract().map_err(|error| {
            let error = Into::<PyErr>::into(error);
            let py = value.py();
            PyErr::from_type(error.get_type(py), format!("{name}: {}", error.value(py)))
        })
    }

    /// The argument `policy`, for one episode.
    pub(crate) fn policy(&self) -> PyResult<Arc<dyn Policy>> {
        Ok(player(self.required("policy")?)?.get().policy.clone())
    }

    /// The argument `policy`, for many episodes, any part of which may be played by itself.
    pub(crate) fn policy_of_many(&self) -> PyResult<Arc<dyn Policy>> {
        Ok(player(self.required("policy")?)?.get().of_many.clone())
    }

    /// [`Given::policy`] or [`Given::policy_of_many`] as `which` says; `None` where it is None, or left out
    /// where it may be.
    pub(crate) fn policy_or_none(
        &self,
        which: fn(&Self) -> PyResult<Arc<dyn Policy>>,
    ) -> PyResult<Option<Arc<dyn Policy>>> {
        match self.0.get_item("policy")? {
            Some(given) if !given.is_none() => which(self).map(Some),
            _ => self.take("policy").map(|_| None),
        }
    }

    /// The arguments that are fields of `T`; the others of its fields have their defaults.
    ///
    /// # Errors
    /// TypeError or ValueError that names an argument.
    pub(crate) fn read<T>(&self) -> PyResult<T>
    where
        T: Default + Serialize + DeserializeOwned + 'static,
    {
        let mut fields = Vec::new();
        for name in names::<T>() {
            fields.extend(self.take(name)?.map(|value| (name.as_str(), value)));
        }
        parsed(fields.iter()).map_err(|fault| {
            // Every field may be left out: the one that does not fit alone is the culprit.
            let alone = |field| Some((field, parsed::<T>([field].into_iter()).err()?));
            match fields.iter().find_map(alone) {
                Some(((name, value), fault)) => fault.of(name, value),
                None => PyTypeError::new_err(fault.to_string()),
            }
        })
    }

    /// As [`Given::read`], where no other argument is left.
    ///
    /// # Errors
    /// TypeError too for an argument that is no field of `T`.
    pub(crate) fn rest<T>(&self) -> PyResult<T>
    where
        T: Default + Serialize + DeserializeOwned + 'static,
    {
        let read = self.read()?;
        match self.0.keys().iter().next() {
            Some(name) => Err(unexpected(&name.to_string(), names::<T>())),
            None => Ok(read),
        }
    }
}

fn player(policy: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyPolicy>> {
    policy.cast_into::<PyPolicy>().map_err(|error| {
        wrong_type("policy", "a policy of the engine, of to_rust()", &error.into_inner())
    })
}

/// The choice of `T` that is called `text`.
///
/// # Errors
/// ValueError for another text than its names.
pub(crate) fn one_of<T: DeserializeOwned>(name: &str, text: &Bound<'_, PyAny>) -> PyResult<T> {
    T::deserialize(One(text)).map_err(|fault| fault.of(name, text))
}

/// `config` as a dictionary of its fields.
pub(crate) fn dictionary<'py>(
    py: Python<'py>,
    config: &impl Serialize,
) -> PyResult<Bound<'py, PyDict>> {
    let text =
        serde_json::to_string(config).map_err(|error| PyTypeError::new_err(error.to_string()))?;
    Ok(py.import("json")?.call_method1("loads", (text,))?.cast_into()?)
}

/// The fields of `T`, as configs call them; found once, for that takes longer than a short call.
fn names<T: Default + Serialize + 'static>() -> &'static [String] {
    static KNOWN: Mutex<BTreeMap<TypeId, &'static [String]>> = Mutex::new(BTreeMap::new());
    let mut known = lock(&KNOWN);
    known.entry(TypeId::of::<T>()).or_insert_with(|| match serde_json::to_value(T::default()) {
        Ok(Value::Object(fields)) => Vec::leak(fields.into_iter().map(|(name, _)| name).collect()),
        _ => &[],
    })
}

fn parsed<'a, 'py: 'a, T: DeserializeOwned>(
    fields: impl Iterator<Item = &'a (&'a str, Bound<'py, PyAny>)>,
) -> Result<T, Fault> {
    T::deserialize(MapDeserializer::new(fields.map(|(name, value)| (*name, One(value)))))
}

fn refused(what: &str, name: &str) -> PyErr {
    PyTypeError::new_err(format!("got {what} argument {name:?}"))
}

fn unexpected(name: &str, known: &[impl AsRef<str>]) -> PyErr {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let known = known.join(", ");
    PyTypeError::new_err(format!("got an unexpected keyword argument {name:?}; expected {known}"))
}

/// Why a value does not fit.
#[derive(Debug)]
enum Fault {
    /// It is of another type than the expected one.
    Type(String),
    /// It is out of what is expected.
    Value(String),
}

impl Fault {
    fn of(self, name: &str, value: &Bound<'_, PyAny>) -> PyErr {
        match self {
            Self::Type(expected) => wrong_type(name, &expected, value),
            Self::Value(expected) => {
                let got = match value.cast::<PyString>() {
                    Ok(text) => format!("{:?}", text.to_string()),
                    Err(_) => value.to_string(),
                };
                Error::invalid(name, expected, got).into()
            }
        }
    }
}

impl Display for Fault {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Type(expected) | Self::Value(expected)) = self;
        write!(to, "expected {expected}")
    }
}

impl std::error::Error for Fault {}

/// Declares a function of Python whose arguments are read by name from [`Given`].
macro_rules! function {
    (
        $(#[$about:meta])* $name:ident, $python:literal, $signature:literal,
        |$py:ident, $given:ident| $work:block => $Out:ty
    ) => {
        $(#[$about])*
        #[pyfunction(name = $python)]
        #[pyo3(signature = (*arguments, **keywords), text_signature = $signature)]
        #[allow(unused_braces)]
        pub(crate) fn $name<'py>(
            arguments: &Bound<'py, PyTuple>,
            keywords: Option<&Bound<'py, PyDict>>,
        ) -> PyResult<$Out> {
            let ($py, $given) =
                (arguments.py(), Given::bound($signature, arguments, keywords)?);
            $work
        }
    };
}
pub(crate) use function;

/// Declares the constructor of `$Class`, whose arguments are read by name from [`Given`].
macro_rules! constructor {
    ($Class:ident, $signature:literal, |$given:ident| $work:block) => {
        #[pymethods]
        impl $Class {
            #[new]
            #[pyo3(signature = (*arguments, **keywords), text_signature = $signature)]
            fn new(
                arguments: &Bound<'_, PyTuple>,
                keywords: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<Self> {
                let $given = Given::bound($signature, arguments, keywords)?;
                $work
            }
        }
    };
}
pub(crate) use constructor;

/// Declares a method as [`function`] a function; its signature begins with `$self`.
macro_rules! method {
    (
        $Class:ident,
        $(#[$about:meta])* $name:ident, $signature:literal,
        |$this:ident, $py:ident, $given:ident| $work:block => $Out:ty
    ) => {
        #[pymethods]
        impl $Class {
            $(#[$about])*
            #[pyo3(signature = (*arguments, **keywords), text_signature = $signature)]
            #[allow(unused_braces)]
            fn $name<'py>(
                &self,
                arguments: &Bound<'py, PyTuple>,
                keywords: Option<&Bound<'py, PyDict>>,
            ) -> PyResult<$Out> {
                let ($this, $py) = (self, arguments.py());
                let $given = Given::bound($signature, arguments, keywords)?;
                $work
            }
        }
    };
}
pub(crate) use method;

/// What serde expects, as Python calls it.
fn words(expected: &dyn Expected) -> String {
    match &*expected.to_string() {
        "usize" | "u64" => "an integer in 0..2^63".to_owned(),
        "u32" => format!("an integer in 0..={}", u32::MAX),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "True or False".to_owned(),
        "string or map" | "variant identifier" => "a string".to_owned(),
        other => other.to_owned(),
    }
}

impl serde::de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Type(words(expected))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(words(expected))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let quoted: Vec<String> = expected.iter().map(|name| format!("{name:?}")).collect();
        Self::Value(quoted.join(" or "))
    }
}

/// A value as serde takes it.
struct One<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'de, 'a, 'py> IntoDeserializer<'de, Fault> for One<'a, 'py> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for One<'_, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = self.0;
        if value.is_none() {
            return visitor.visit_none();
        }
        if let Ok(text) = value.cast::<PyString>() {
            return visitor.visit_string(text.to_string());
        }
        if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
            if let Ok(flag) = value.extract() {
                return visitor.visit_bool(flag);
            }
        }
        if !value.is_instance_of::<PyFloat>() && value.hasattr("__index__").unwrap_or(false) {
            return match value.extract::<i64>() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(Fault::invalid_value(Unexpected::Other("another"), &"usize")),
            };
        }
        if let Ok(number) = value.extract() {
            return visitor.visit_f64(number);
        }
        if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() {
            let items: Vec<Bound<'_, PyAny>> = value.extract().unwrap_or_default();
            return visitor.visit_seq(SeqDeserializer::new(items.iter().map(One)));
        }
        // Bytes are what no field is.
        visitor.visit_bytes(&[])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.is_none() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0.cast::<PyString>() {
            Ok(text) => visitor.visit_enum(StrDeserializer::new(&text.to_string())),
            Err(_) => Err(Fault::invalid_type(Unexpected::Other("another"), &"a string")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
