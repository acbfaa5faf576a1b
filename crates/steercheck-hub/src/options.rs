//! Where files are kept and fetched from, and what the user has agreed to.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use hf_hub::Cache;

use crate::{HubError, Progress, Silent};

/// How models are looked for. [`Options::from_env`] is the only place of this library that reads the environment.
#[derive(Clone)]
pub struct Options<'a> {
    /// The cache of steercheck; models of the catalogue are in its folder `models`.
    pub cache: PathBuf,
    /// The pip to run, as one executable; none to look for one.
    pub pip: Option<OsString>,
    /// The model hub.
    pub hub: HubOptions,
    /// Whether the user has accepted the terms of the model that is asked for.
    pub accept_licence: bool,
    /// Whether to fetch again what is in the cache already.
    pub force: bool,
    /// Told about downloads and checks.
    pub progress: &'a dyn Progress,
}

/// How the model hub is reached.
#[derive(Clone)]
pub struct HubOptions {
    /// Its address; none for the one that the hf-hub crate knows.
    pub endpoint: Option<String>,
    /// The cache that is shared with other tools of the hub (`HF_HOME/hub`).
    pub cache: PathBuf,
    /// The access token.
    pub token: Option<String>,
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "(hidden)");
        f.debug_struct("HubOptions")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &token)
            .finish()
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache", &self.cache)
            .field("pip", &self.pip)
            .field("hub", &self.hub)
            .field("accept_licence", &self.accept_licence)
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}

impl Options<'static> {
    /// From the environment: `STEERCHECK_CACHE`, `STEERCHECK_PIP`, and the hub's own `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `HF_TOKEN` and `HF_TOKEN_PATH`. Nothing accepted, nothing forced, silent.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The same from any source of variables; an empty variable counts as none.
    pub fn from_lookup(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let folder = |name: &str| set(name).map(PathBuf::from);
        let text =
            |name: &str| set(name).and_then(|value| value.into_string().ok()).map(|value| value.trim().to_owned());
        let cache = folder("STEERCHECK_CACHE")
            .or_else(|| dirs::cache_dir().map(|dir| dir.join("steercheck")))
            .ok_or(HubError::NoCacheFolder)?;
        // The order of the hub's Python client, so that both find the same files.
        let hub_home = folder("HF_HOME")
            .or_else(|| folder("XDG_CACHE_HOME").map(|dir| dir.join("huggingface")))
            .or_else(|| dirs::home_dir().map(|dir| dir.join(".cache").join("huggingface")))
            .unwrap_or_else(|| cache.join("huggingface"));
        let token_file = folder("HF_TOKEN_PATH").and_then(|path| std::fs::read_to_string(path).ok());
        let token = text("HF_TOKEN")
            .or_else(|| token_file.map(|token| token.trim().to_owned()))
            .filter(|token| !token.is_empty())
            .or_else(|| Cache::new(hub_home.join("hub")).token());
        let hub = HubOptions {
            endpoint: text("HF_ENDPOINT").map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            cache: folder("HF_HUB_CACHE").unwrap_or_else(|| hub_home.join("hub")),
            token,
        };
        Ok(Self { cache, pip: set("STEERCHECK_PIP"), hub, accept_licence: false, force: false, progress: &Silent })
    }
}

impl Options<'_> {
    /// The folder of the catalogue's files.
    pub fn models_folder(&self) -> PathBuf {
        self.cache.join("models")
    }
}
