//! Where the files of a job file are, and where its model is.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use steercheck_hub::{Catalogue, Progress, resolve};

use crate::{Arguments, Error};

/// A job file NAME.json and what belongs to it.
#[derive(Debug)]
pub(crate) struct Place {
    /// NAME.
    pub(crate) name: String,
    /// The job file.
    pub(crate) jobs: PathBuf,
    /// What its results are compared with.
    pub(crate) golden: PathBuf,
    /// Its results.
    pub(crate) result: PathBuf,
    /// What is worth telling about them.
    pub(crate) about: PathBuf,
}

impl Place {
    /// By the names alone; nothing is opened.
    pub(crate) fn new(jobs: &Path, arguments: &Arguments) -> Self {
        let name = jobs.file_stem().unwrap_or(jobs.as_os_str()).to_string_lossy().into_owned();
        let golden =
            arguments.golden.clone().unwrap_or_else(|| jobs.with_file_name(format!("{name}.golden.safetensors")));
        Self {
            golden,
            jobs: jobs.to_owned(),
            result: arguments.out.join(format!("{name}.safetensors")),
            about: arguments.out.join(format!("{name}.json")),
            name,
        }
    }

    /// What is known about the golden result, beside it.
    fn about_golden(&self) -> PathBuf {
        self.golden.with_extension("json")
    }

    /// Makes the folder for the results, unless they would overwrite what they are made from.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        if let Some(folder) = self.result.parent() {
            fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        }
        let real = |path: &Path| path.canonicalize().ok();
        let sources = [self.jobs.clone(), self.golden.clone(), self.about_golden()];
        for target in [&self.result, &self.about] {
            let same = |source: &&PathBuf| real(source).is_some_and(|source| Some(source) == real(target));
            if let Some(path) = sources.iter().find(same) {
                return Err(Error::WouldOverwrite { path: path.clone() });
            }
        }
        Ok(())
    }

    /// The model: the one asked for, else the one that the golden result is of. That is a file of the catalogue, a folder
    /// `../../fixtures/MODEL` seen from the job file, `fixtures/MODEL` in `shared`, or MODEL beside the job file.
    pub(crate) fn model(&self, arguments: &Arguments, shared: Option<&Path>) -> Result<PathBuf, Error> {
        if let Some(asked) = &arguments.model {
            return fetch(asked, arguments);
        }
        let name = self.model_of_golden()?;
        let of_catalogue =
            Catalogue::builtin().models.iter().find(|model| model.file.as_ref().is_some_and(|file| file.name == name));
        if let Some(model) = of_catalogue {
            return fetch(&model.name, arguments);
        }
        let folder = self.jobs.parent().unwrap_or(Path::new(""));
        let places = [Some(folder.join("../../fixtures")), shared.map(|shared| shared.join("fixtures"))];
        let tried: Vec<PathBuf> =
            places.into_iter().flatten().chain([folder.to_owned()]).map(|place| place.join(&name)).collect();
        tried.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
            let tried: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
            Error::NoModel { name, tried: tried.join(" or ") }
        })
    }

    fn model_of_golden(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct About {
            model: String,
        }
        let path = self.about_golden();
        let which = |problem: String| Error::WhichModel { path: path.clone(), problem };
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => which("does not exist".to_owned()),
            _ => which(format!("cannot be read ({error})")),
        })?;
        let About { model } = serde_json::from_str(&text).map_err(|error| which(format!("names none ({error})")))?;
        let components: Vec<Component<'_>> = Path::new(&model).components().collect();
        if !matches!(components.as_slice(), [Component::Normal(_)]) {
            return Err(which(format!("names {model:?}, which is not a file or folder name")));
        }
        Ok(model)
    }
}

fn fetch(asked: &str, arguments: &Arguments) -> Result<PathBuf, Error> {
    let options = steercheck_hub::Options {
        accept_licence: arguments.accept_licence,
        progress: &Steps,
        ..steercheck_hub::Options::from_env()?
    };
    Ok(resolve(asked, &options)?.path)
}

/// Says what is fetched or checked.
struct Steps;

impl Progress for Steps {
    fn start(&self, what: &str, _total: Option<u64>) {
        eprintln!("{what}");
    }

    fn advance(&self, _bytes: u64) {}

    fn finish(&self) {}
}
