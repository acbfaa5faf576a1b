//! A study as a TOML file: docs/studies.md.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use steercheck_model::FinalNorm;
use steercheck_steer::function_vector::{ProjectionBias, Scale};

use super::Source;
use super::design::{Design, Method, Part, custom};
use super::schema::{Bias, Effects, File, FunctionVectors, HeadsOf, Norm, Position, ProfileName, ProtocolName, Seeds};
use crate::cell::{Choices, Heads, ReadAt};
use crate::error::EvalError;
use crate::protocol::{Placebos, Profile, Protocol};

/// Why a study file cannot be used. Each text is one sentence that ends in what to do.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// It cannot be read.
    #[error("the study file {} cannot be read ({reason}): check the path", .path.display())]
    Unreadable {
        /// The path asked for.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// It is no TOML, or says what no study says.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// The file, as given.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong there, and what to do.
        problem: String,
    },
    /// It says too little, or what does not go together.
    #[error("{file}: {problem}")]
    Content {
        /// The file, as given.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// A study.
#[derive(Debug, Clone)]
pub struct Study {
    /// What it is called.
    pub name: String,
    /// BLAKE3 of the file's bytes, in hexadecimal.
    pub hash: String,
    /// Names of the catalogue, hub ids or paths; paths of files that exist beside the study are made whole.
    pub models: Vec<String>,
    /// What is asked of each.
    pub design: Design,
    /// Whether side effects are measured.
    pub side_effects: bool,
    /// How models are loaded.
    pub load: Load,
    /// What a run may take.
    pub limits: Limits,
    /// How it is submitted.
    pub slurm: Slurm,
}

/// How models are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Load {
    /// Form of the weights in memory.
    pub dtype: Dtype,
    /// K-quants by integer kernels.
    pub integer_kernels: bool,
    /// A BOS token before every prompt, or none, whatever the tokenizer says.
    pub bos: Option<OnOff>,
    /// Licences are accepted.
    pub accept_licence: bool,
    /// Models that fail their conformance checks are run.
    pub force: bool,
}

/// Form of the weights in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dtype {
    /// f32 if quantised and it fits.
    #[default]
    Auto,
    /// As in the file.
    Stored,
    /// Widened once.
    F32,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

/// What a run may take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Memory for weights and activations, `12G`.
    pub memory: Option<String>,
    /// Threads.
    pub threads: Option<usize>,
}

/// How a study is submitted to Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Slurm {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--time`.
    pub time: Option<String>,
    /// `--mem`.
    pub mem: Option<String>,
    /// `--gres`.
    pub gres: Option<String>,
    /// `--cpus-per-task`.
    pub cpus: Option<usize>,
    /// Tasks of the array at most.
    pub shards: Option<usize>,
    /// Tasks of the array that run at once.
    pub throttle: Option<usize>,
    /// Lines of the script before the program is called, `module load …`.
    pub setup: Vec<String>,
}

impl Study {
    /// Reads a study and everything it names but the models. Files of tasks are looked for in `data` or, without it, in the folder that
    /// the study names, or its own.
    pub fn load(path: &Path, data: Option<&Path>) -> Result<Self, EvalError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| StudyError::Unreadable { path: path.to_path_buf(), reason })?;
        Self::parse(&path.display().to_string(), path, data, &text)
    }

    /// The same of a text; `path` is where it would be.
    fn parse(file: &str, path: &Path, data: Option<&Path>, text: &str) -> Result<Self, EvalError> {
        let parsed: File = toml::from_str(text).map_err(|e| of_toml(file, text, &e))?;
        let wrong = |problem: String| StudyError::Content { file: file.to_string(), problem };
        let folder = path.parent().unwrap_or(Path::new(""));
        let own = folder.join(parsed.data.as_deref().unwrap_or(Path::new("")));
        let data = data.unwrap_or(&own);
        let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if parsed.models.is_empty() {
            return Err(
                wrong("it names no model; write for example models = [\"smollm2-135m-instruct\"]".into()).into()
            );
        }
        if let Some(twice) = twice(&parsed.models) {
            return Err(wrong(format!("the model '{twice}' is named twice; name each once")).into());
        }
        let mut protocol = match parsed.protocol {
            ProtocolName::Rigorous => Protocol::RIGOROUS,
            ProtocolName::Study => Protocol::STUDY,
        };
        if let Some(placebos) = parsed.placebos {
            protocol.placebos = if placebos { Placebos::All } else { Placebos::None };
        }
        let profile = profile(&parsed);
        let seeds = match &parsed.seeds {
            None => (0..profile.seeds as u64).collect(),
            Some(Seeds::Count(n)) => (0..*n).collect(),
            Some(Seeds::List(list)) => list.clone(),
        };
        if seeds.is_empty() {
            return Err(wrong("it has no seeds; write for example seeds = 3, or leave the line out".into()).into());
        }
        if let Some(seed) = (1..seeds.len()).find(|i| seeds[..*i].contains(&seeds[*i])) {
            return Err(wrong(format!("the seed {} is named twice; name each once", seeds[seed])).into());
        }
        let parts = parts(&parsed, &protocol, data, &wrong)?;
        Ok(Self {
            name: parsed.name.unwrap_or_else(stem),
            hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
            models: parsed.models.iter().map(|model| beside(model, folder)).collect(),
            design: Design { protocol, profile, seeds, parts },
            side_effects: parsed.side_effects.unwrap_or(true),
            load: parsed.load,
            limits: parsed.limits,
            slurm: parsed.slurm,
        })
    }
}

/// A model's path as seen from where the program runs, if it is a path of something beside the study.
fn beside(model: &str, folder: &Path) -> String {
    let there = folder.join(model);
    if there.exists() { there.to_string_lossy().into_owned() } else { model.to_string() }
}

fn twice(names: &[String]) -> Option<&String> {
    (1..names.len()).find(|i| names[..*i].contains(&names[*i])).map(|i| &names[i])
}

fn profile(file: &File) -> Profile {
    let mut profile = match (file.profile, file.protocol) {
        (Some(ProfileName::Quick), _) | (None, ProtocolName::Rigorous) => Profile::QUICK,
        (Some(ProfileName::Standard), _) => Profile::STANDARD,
        (Some(ProfileName::Study), _) | (None, ProtocolName::Study) => Profile::STUDY,
    };
    let before = profile.clone();
    profile.dev = file.items.dev.unwrap_or(profile.dev);
    profile.test = file.items.test.unwrap_or(profile.test);
    profile.questions = file.items.questions.or(profile.questions);
    if let Some(fv) = &file.fv {
        let grid = &mut profile.grid;
        grid.strengths = fv.strengths.clone().map_or(grid.strengths.clone(), Cow::Owned);
        grid.heads = fv.heads.clone().map_or(grid.heads.clone(), Cow::Owned);
        grid.residuals = fv.residuals.or(grid.residuals);
        profile.shots = fv.shots.clone().map_or(profile.shots, Cow::Owned);
    }
    if profile != before {
        custom(&mut profile);
    }
    profile
}

/// The methods with what they are tried on.
fn parts(
    file: &File,
    protocol: &Protocol,
    data: &Path,
    wrong: &dyn Fn(String) -> StudyError,
) -> Result<Vec<Part>, EvalError> {
    let mut out = Vec::new();
    let mut add = |method: Method, own: Option<&Vec<String>>, all: &Vec<String>, table: &str, key: &str| {
        let names = own.unwrap_or(all);
        if names.is_empty() {
            let problem = format!("[{table}] has nothing to be tried on; write {key} = [\"…\"] there or at the top");
            return Err(EvalError::from(wrong(problem)));
        }
        if let Some(twice) = twice(names) {
            return Err(wrong(format!("'{twice}' is named twice in {key}; name each once")).into());
        }
        let mut sources = Vec::with_capacity(names.len());
        for name in names {
            if Source::is_file(name, data) && !data.join(name).is_file() {
                let place = if data.as_os_str().is_empty() { Path::new(".") } else { data };
                let problem = format!(
                    "'{name}' is not in {}; write data = \"FOLDER\" at the top or give --data FOLDER",
                    place.display()
                );
                return Err(wrong(problem).into());
            }
            let source = Source::find(name, protocol.quirks, data)?;
            let fits = matches!((&method, &source), (Method::Dola(_), Source::Set(_)))
                || matches!((&method, &source), (Method::TaskVector | Method::FunctionVector(_), Source::Task(_)));
            if !fits {
                let (is, other) = match source {
                    Source::Task(_) => ("a task, and DoLa scores questions", "[tv] or [fv]"),
                    Source::Set(_) => ("a set of questions, which DoLa scores", "[dola]"),
                };
                return Err(wrong(format!("'{name}' in [{table}] is {is}; move it to {other}")).into());
            }
            sources.push(source);
        }
        out.push(Part { method, sources });
        Ok(())
    };
    if let Some(tv) = &file.tv {
        add(Method::TaskVector, tv.tasks.as_ref(), &file.tasks, "tv", "tasks")?;
    }
    if let Some(fv) = &file.fv {
        add(Method::FunctionVector(choices(fv, protocol)), fv.tasks.as_ref(), &file.tasks, "fv", "tasks")?;
    }
    if let Some(dola) = &file.dola {
        let norm = match dola.norm {
            Norm::None => FinalNorm::Skip,
            Norm::Final => FinalNorm::Apply,
        };
        add(Method::Dola(norm), dola.questions.as_ref(), &file.questions, "dola", "questions")?;
    }
    if out.is_empty() {
        return Err(wrong("it names no method; write a table [tv], [fv] or [dola]".into()).into());
    }
    Ok(out)
}

fn choices(fv: &FunctionVectors, protocol: &Protocol) -> Choices {
    Choices::of(protocol).with(
        fv.position.map(|position| match position {
            Position::Last => ReadAt::Last,
            Position::Penultimate => ReadAt::Penultimate,
        }),
        fv.bias.map(|bias| match bias {
            Bias::Kept => ProjectionBias::Kept,
            Bias::Published => ProjectionBias::AsPublished,
        }),
        fv.effects.map(|effects| match effects {
            Effects::Probability => Scale::Probability,
            Effects::LogProbability => Scale::LogProbability,
        }),
        fv.heads_of.map(|heads| match heads {
            HeadsOf::Task => Heads::OfTask,
            HeadsOf::Universal => Heads::Universal,
        }),
    )
}

/// An error of the parser with its line, and with what an unknown word may have been meant for.
fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> StudyError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text[..start].matches('\n').count();
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    StudyError::Line { file: file.to_string(), line, problem: meant(&message) }
}

/// "unknown field `modles`, expected one of `models`, …" becomes a question.
fn meant(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some((word, known)), true) = (words.split_first(), message.starts_with("unknown ")) else {
        return message.to_string();
    };
    let likeness = |name: &&&str| strsim::jaro_winkler(word, name);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let known = known.join(", ");
    match best.filter(|name| likeness(name) > 0.75) {
        Some(name) => format!("'{word}' is not known here; did you mean '{name}'?"),
        None => format!("'{word}' is not known here; known are {known}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Study;
    use crate::protocol::Placebos;
    use crate::study::Source;

    fn parse(text: &str) -> Result<Study, String> {
        Study::parse("my.toml", Path::new("my.toml"), None, text).map_err(|e| e.to_string())
    }

    const SMALL: &str = "models = [\"a\"]\n[tv]\ntasks = [\"antonym\"]\n";

    #[test]
    fn a_study_is_what_its_file_says() {
        let text = r#"
            name = "mine"
            models = ["a", "org/b@main"]
            profile = "standard"
            seeds = [3, 5]
            tasks = ["present-past", "antonym"]
            questions = ["misconceptions"]
            side-effects = false
            [items]
            dev = 10
            [tv]
            [fv]
            tasks = ["antonym"]
            strengths = [1, 2.5]
            heads = [4]
            heads-of = "universal"
            [dola]
            norm = "final"
            [limits]
            memory = "2G"
            threads = 1
            [slurm]
            partition = "gpu"
            throttle = 4
        "#;
        let study = parse(text).unwrap();
        assert_eq!((study.name.as_str(), &study.models[..]), ("mine", &["a".to_string(), "org/b@main".into()][..]));
        let design = &study.design;
        assert_eq!((design.profile.dev, design.profile.test, design.profile.name.as_ref()), (10, 100, "custom"));
        assert_eq!(design.profile.grid.strengths.as_ref(), [1.0, 2.5]);
        assert_eq!((design.seeds.as_slice(), study.side_effects), (&[3, 5][..], false));
        let names = |part: usize| design.parts[part].sources.iter().map(Source::name).collect::<Vec<_>>();
        assert_eq!(
            (names(0), names(1), names(2)),
            (vec!["present-past", "antonym"], vec!["antonym"], vec!["misconceptions"])
        );
        // Two tasks and one, two seeds each; questions have one seed.
        assert_eq!(design.wanted().len(), 2 * 2 + 2 + 1);
        assert_eq!((study.limits.memory.as_deref(), study.slurm.throttle), (Some("2G"), Some(4)));
    }

    #[test]
    fn what_is_left_out_is_as_in_a_check() {
        let study = parse(SMALL).unwrap();
        assert_eq!(study.name, "my");
        let design = &study.design;
        assert_eq!((design.profile.name.as_ref(), design.seeds.as_slice()), ("quick", &[0][..]));
        assert_eq!((design.protocol.placebos, study.side_effects), (Placebos::All, true));
        let published = parse(&format!("protocol = \"study\"\n{SMALL}")).unwrap();
        assert_eq!(
            (published.design.profile.name.as_ref(), published.design.protocol.placebos),
            ("study", Placebos::None)
        );
        let three = parse(&format!("seeds = 3\n{SMALL}")).unwrap();
        assert_eq!(three.design.seeds, [0, 1, 2]);
        assert_ne!(three.hash, study.hash);
    }

    #[test]
    fn a_typing_error_is_told_with_its_line_and_what_was_meant() {
        let says = |text: &str, parts: &[&str]| {
            let error = parse(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        };
        says(&format!("modles = [\"b\"]\n{SMALL}"), &["my.toml, line 1", "'modles'", "did you mean 'models'?"]);
        says(&format!("{SMALL}strenghts = [1]\n"), &["line 4", "'strenghts' is not known here"]);
        says("models = [\"a\"]\n[fv]\nstrenghts = [1]\n", &["line 3", "did you mean 'strengths'?"]);
        says(&format!("profile = \"quik\"\n{SMALL}"), &["line 1", "did you mean 'quick'?"]);
        says(&format!("seeds = \"many\"\n{SMALL}"), &["a number of seeds, or a list"]);
        says(&format!("seeds = 0\n{SMALL}"), &["has no seeds"]);
        says(&format!("seeds = [1, 1]\n{SMALL}"), &["the seed 1 is named twice"]);
        says("models = [\"a\", \"a\"]\n[tv]\ntasks = [\"antonym\"]", &["'a' is named twice"]);
        says("models = []\n[tv]\ntasks = [\"antonym\"]", &["names no model"]);
        says("models = [\"a\"]", &["names no method"]);
        says("[tv]\ntasks = [\"antonym\"]", &["missing field `models`"]);
        says("models = [\"a\"]\n[dola]\n", &["[dola] has nothing to be tried on"]);
        says("models = [\"a\"]\n[tv]\ntasks = [\"misconceptions\"]", &["'misconceptions' in [tv]", "[dola]"]);
        says("models = [\"a\"]\n[dola]\nquestions = [\"antonym\"]", &["'antonym' in [dola]", "[tv]"]);
        says("models = [\"a\"]\n[tv]\ntasks = [\"antonim\"]", &["antonym"]);
        says("models = [\"a\"\n", &["my.toml, line"]);
        says(
            "models = [\"a\"]\ndata = \"there\"\n[tv]\ntasks = [\"x.json\"]",
            &["'x.json' is not in there", "--data FOLDER"],
        );
    }
}
