//! What the language of the host raises, which crosses as the very object.

use std::ffi::c_void;
use std::sync::OnceLock;

use crate::error::Error;

/// The source of an error.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// How exceptions cross.
pub trait Host: Send + Sync {
    /// The error that an owned pointer stands for; none for null. `take` is called as the interface says.
    fn taken(&self, take: &mut dyn FnMut() -> *mut c_void) -> Option<Error>;
    /// An owned pointer to what the host raised; null for another error.
    fn given(&self, source: Source) -> *mut c_void;
}

static HOST: OnceLock<&'static dyn Host> = OnceLock::new();

/// Lets exceptions of `host` cross, the first that is told; without one they are messages.
pub fn set_host(host: &'static dyn Host) {
    HOST.get_or_init(|| host);
}

pub(super) fn host() -> Option<&'static dyn Host> {
    HOST.get().copied()
}
