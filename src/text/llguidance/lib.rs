// The C functions of the library are those of llguidance.h.
pub use llguidance::ffi::*;
