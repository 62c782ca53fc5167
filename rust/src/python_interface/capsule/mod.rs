//! Environments across separately built libraries: the capsule `twisterl.env.v1`.
//!
//! Two extensions share no Rust type, vtable or panic in a sound way, only C. So the object's
//! `__twisterl_env__()` returns a PyCapsule that points to an [`abi::EnvTable`]; every
//! [`super::env::PyBaseEnv`] has that method ([`export`]), and [`import`] plays such a table as
//! an [`Env`](crate::rl::env::Env) like any other.

pub mod abi;
mod acts;
pub mod env;
pub mod export;
pub mod foreign;
mod handle;
pub mod import;
mod lanes;
