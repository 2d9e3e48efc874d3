//! Values that look like secrets: by what they are called, by what they look like, and where they stand in a text.
//!
//! This is guesswork, and meant to be: reports and differences show texts that anybody may have written, and a word too
//! much that is hidden costs less than a password that is shown. Public halves of keys, certificates and checksums are
//! no secrets.

mod encoded;
mod keys;
mod lines;
mod patterns;
mod scan;
mod shapes;

pub use keys::is_secret_key;
pub use scan::{FoundSecret, REDACTED, redacted, secrets_in};
pub use shapes::{SecretKind, looks_secret, may_hold_secrets, secret_under};

pub(crate) use encoded::decoded;

#[cfg(test)]
mod tests;
