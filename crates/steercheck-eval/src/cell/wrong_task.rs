//! The task whose vectors are the `wrong-task` placebo.

use std::collections::BTreeSet;

use steercheck_model::ModelError;

use crate::error::EvalError;
use crate::task::{self, Task};

/// Tasks whose vectors may be the `wrong-task` placebo, see [`wrong_task`].
const WRONG_TASKS: [&str; 2] = ["antonym", "country-capital"];

/// The task of [`WRONG_TASKS`] that shares the fewest pairs with this one, the first on ties: by the data and not by the name,
/// so that antonyms from a file are not set against the built-in ones.
pub(super) fn wrong_task(task: &Task) -> Result<Task, EvalError> {
    let pairs: BTreeSet<(&str, &str)> = task.items.iter().map(|i| (i.input.as_str(), i.answer.as_str())).collect();
    let candidates = WRONG_TASKS.iter().map(|name| task::builtin(name)).collect::<Result<Vec<Task>, _>>()?;
    let shared = |t: &Task| t.items.iter().filter(|i| pairs.contains(&(i.input.as_str(), i.answer.as_str()))).count();
    let fewest = candidates.iter().map(shared).min().unwrap_or(0);
    let chosen = candidates.into_iter().find(|t| shared(t) == fewest);
    chosen.ok_or_else(|| ModelError::Plan("there is no other task for the wrong-task placebo".into()).into())
}

#[cfg(test)]
mod tests {
    use super::wrong_task;
    use crate::task::{Task, builtin};

    #[test]
    fn the_wrong_task_is_another_one_even_where_the_name_hides_it() {
        let name = |task: &Task| wrong_task(task).unwrap().name;
        assert_eq!(name(&builtin("present-past").unwrap()), "antonym");
        assert_eq!(name(&builtin("antonym").unwrap()), "country-capital");
        let disguised = Task { name: "opposites".into(), ..builtin("antonym").unwrap() };
        assert_eq!(name(&disguised), "country-capital");
    }
}
