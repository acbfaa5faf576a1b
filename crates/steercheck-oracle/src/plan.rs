//! Which jobs of a file are run.

use crate::Error;
use crate::jobs::{Job, JobFile};

/// The jobs called `only`, or all if that is empty, in the order of the file. Refuses names that are not there, and jobs whose
/// input nothing makes.
pub(crate) fn wanted<'a>(file: &'a JobFile, only: &[String]) -> Result<Vec<&'a Job>, Error> {
    if let Some(unknown) = only.iter().find(|name| file.jobs.iter().all(|job| job.name != **name)) {
        let known: Vec<&str> = file.jobs.iter().map(|job| job.name.as_str()).collect();
        return Err(Error::Usage(format!("no job is called {unknown}; there are {}", known.join(", "))));
    }
    let run: Vec<&Job> = file.jobs.iter().filter(|job| only.is_empty() || only.contains(&job.name)).collect();
    for job in &run {
        // A job that is not in the file is the business of `JobFile::check`.
        let there = |needed: &&str| file.jobs.iter().any(|other| other.name == **needed);
        let left_out = |needed: &&str| there(needed) && !run.iter().any(|other| other.name == **needed);
        if let Some(needed) = job.work.needs().into_iter().find(left_out) {
            let problem = format!("it needs job {needed}: name that with --only, too");
            return Err(Error::Unusable { job: job.name.clone(), problem });
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::wanted;
    use crate::JobFile;

    fn plan(only: &[&str]) -> Result<Vec<String>, String> {
        let file = JobFile::parse(
            r#"{"format": 1, "jobs": [
                {"name": "mean", "kind": "mean_heads", "prompts": [[1]]},
                {"name": "cie", "kind": "cie", "mean_heads": "mean/mean", "prompts": [{"ids": [1], "answer": 2}]},
                {"name": "fv", "kind": "function_vector", "mean_heads": "mean/mean", "heads": {"from": "cie/delta",
                 "top": 1}, "layers": [1], "lambdas": [1], "prompts": [{"ids": [1], "answer": 2}]}]}"#,
        )
        .unwrap();
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        let jobs = wanted(&file, &only).map_err(|e| e.to_string())?;
        Ok(jobs.iter().map(|job| job.name.clone()).collect())
    }

    #[test]
    fn jobs_are_run_in_the_order_of_the_file() {
        assert_eq!(plan(&[]).unwrap(), ["mean", "cie", "fv"]);
        assert_eq!(plan(&["cie", "mean"]).unwrap(), ["mean", "cie"]);
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        assert_eq!(plan(&["tv"]).unwrap_err(), "no job is called tv; there are mean, cie, fv");
        assert_eq!(plan(&["cie"]).unwrap_err(), "job cie: it needs job mean: name that with --only, too");
    }
}
