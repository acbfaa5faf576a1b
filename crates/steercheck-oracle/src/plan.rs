//! Which jobs of a file are run.

use std::collections::BTreeSet;

use crate::Error;
use crate::jobs::{Job, JobFile, Kind};

/// The jobs that are wanted, in the order of the file.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Those that the engine can run.
    pub(crate) run: Vec<&'a Job>,
    /// The others.
    pub(crate) not_built: Vec<&'a Job>,
}

impl<'a> Plan<'a> {
    /// The jobs called `only`, or all if that is empty. Refuses what cannot be run: names that are not there, nothing built,
    /// jobs whose input nothing makes.
    pub(crate) fn new(file: &'a JobFile, only: &[String], built: &[Kind]) -> Result<Self, Error> {
        if let Some(unknown) = only.iter().find(|name| file.jobs.iter().all(|job| job.name != **name)) {
            let known: Vec<&str> = file.jobs.iter().map(|job| job.name.as_str()).collect();
            return Err(Error::Usage(format!("no job is called {unknown}; there are {}", known.join(", "))));
        }
        let wanted = file.jobs.iter().filter(|job| only.is_empty() || only.contains(&job.name));
        let (run, not_built): (Vec<_>, Vec<_>) = wanted.partition(|job| built.contains(&job.kind()));
        if run.is_empty() && !not_built.is_empty() {
            let kinds: BTreeSet<&str> = not_built.iter().map(|job| job.kind().as_str()).collect();
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::NotBuilt { kinds: format!("jobs of kind {kinds}") });
        }
        for job in &run {
            for needed in job.work.needs() {
                let problem = match file.jobs.iter().find(|job| job.name == needed) {
                    Some(other) if !built.contains(&other.kind()) => {
                        format!("it needs job {needed}, and jobs of kind {} are not built", other.kind())
                    }
                    Some(other) if !run.iter().any(|job| job.name == other.name) => {
                        format!("it needs job {needed}: name that with --only, too")
                    }
                    // A job that is not there is the business of `JobFile::check`.
                    _ => continue,
                };
                return Err(Error::Unusable { job: job.name.clone(), problem });
            }
        }
        Ok(Self { run, not_built })
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::JobFile;
    use crate::jobs::{Job, Kind};

    fn plan(only: &[&str], built: &[Kind]) -> Result<(Vec<String>, Vec<String>), String> {
        let file = JobFile::parse(
            r#"{"format": 1, "jobs": [
                {"name": "mean", "kind": "mean_heads", "prompts": [[1]]},
                {"name": "cie", "kind": "cie", "mean_heads": "mean/mean", "prompts": [{"ids": [1], "answer": 2}]},
                {"name": "fv", "kind": "function_vector", "mean_heads": "mean/mean", "heads": {"from": "cie/delta",
                 "top": 1}, "layers": [1], "lambdas": [1], "prompts": [{"ids": [1], "answer": 2}]}]}"#,
        )
        .unwrap();
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        let names = |jobs: Vec<&Job>| jobs.iter().map(|job| job.name.clone()).collect();
        Plan::new(&file, &only, built).map(|plan| (names(plan.run), names(plan.not_built))).map_err(|e| e.to_string())
    }

    #[test]
    fn jobs_that_are_not_built_are_set_apart() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(plan(&[], &[Kind::MeanHeads]), Ok((names(&["mean"]), names(&["cie", "fv"]))));
        assert_eq!(plan(&["cie", "mean"], &[Kind::MeanHeads]), Ok((names(&["mean"]), names(&["cie"]))));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        let all = [Kind::MeanHeads, Kind::Cie, Kind::FunctionVector];
        assert_eq!(plan(&["tv"], &all).unwrap_err(), "no job is called tv; there are mean, cie, fv");
        let none = "none of these jobs can be run yet: jobs of kind cie, function_vector are not built";
        assert_eq!(plan(&["cie", "fv"], &[Kind::MeanHeads]).unwrap_err(), none);
        let unbuilt = "job fv: it needs job cie, and jobs of kind cie are not built";
        assert_eq!(plan(&[], &[Kind::MeanHeads, Kind::FunctionVector]).unwrap_err(), unbuilt);
        assert_eq!(plan(&["cie"], &all).unwrap_err(), "job cie: it needs job mean: name that with --only, too");
    }
}
