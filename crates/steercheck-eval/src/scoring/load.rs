//! Reading sets of questions: `TruthfulQA`'s CSV, FACTOR's CSV, JSON Lines.

use std::path::Path;

use serde::Deserialize;

use super::{Answer, Kind, Question, QuestionSet, ScoringError};

/// The set that is built in.
const MISCONCEPTIONS: &str = include_str!("data/misconceptions.jsonl");
/// What stands before the questions of sets that bring no primer: written for this project, in the form that `TruthfulQA` is asked in.
const PRIMER: &str = include_str!("data/primer.txt");
/// What a primer file beside a question file is called.
const PRIMER_FILE: &str = "primer.txt";

/// The built-in set of this name; none if there is no such set.
pub fn builtin_set(name: &str) -> Option<Result<QuestionSet, ScoringError>> {
    (name == "misconceptions").then(|| parse(name, &format!("{name}.jsonl"), MISCONCEPTIONS, PRIMER))
}

/// A set from a file. A `primer.txt` beside it stands before every question of true and false answers; without one a built-in primer does.
pub fn load_set(path: &Path) -> Result<QuestionSet, ScoringError> {
    let text = read(path)?;
    let primer = path.with_file_name(PRIMER_FILE);
    let primer = if primer.is_file() { read(&primer)? } else { PRIMER.to_owned() };
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase().replace('_', "-");
    parse(&name, &file, &text, &primer)
}

fn read(path: &Path) -> Result<String, ScoringError> {
    let bytes = std::fs::read(path).map_err(|reason| ScoringError::Unreadable { path: path.to_path_buf(), reason })?;
    let file = path.display().to_string();
    String::from_utf8(bytes).map_err(|e| ScoringError::NotUtf8 { file, offset: e.utf8_error().valid_up_to() })
}

fn parse(name: &str, file: &str, text: &str, primer: &str) -> Result<QuestionSet, ScoringError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading = Reading { file, questions: Vec::new(), notes: Vec::new() };
    let kind = if text.trim_start().starts_with('{') { reading.json_lines(text)? } else { reading.csv(text)? };
    if reading.questions.is_empty() {
        return Err(ScoringError::Empty { file: file.into() });
    }
    Ok(QuestionSet {
        name: name.into(),
        kind,
        primer: match kind {
            Kind::MultipleChoice => primer.to_owned(),
            Kind::Completion => String::new(),
        },
        questions: reading.questions,
        notes: reading.notes,
    })
}

/// A line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, rename = "category")]
    _category: String,
    question: String,
    best: String,
    #[serde(rename = "true")]
    right: Vec<String>,
    #[serde(rename = "false")]
    wrong: Vec<String>,
}

struct Reading<'a> {
    file: &'a str,
    questions: Vec<Question>,
    notes: Vec<String>,
}

impl Reading<'_> {
    fn wrong(&self, place: String, problem: String) -> ScoringError {
        ScoringError::Row { file: self.file.to_owned(), place, problem }
    }

    fn json_lines(&mut self, text: &str) -> Result<Kind, ScoringError> {
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!("line {}", i + 1);
            let Line { question, best, right, wrong, .. } =
                serde_json::from_str(line).map_err(|e| self.wrong(place.clone(), e.to_string()))?;
            self.multiple_choice(place, &question, &best, &right, &wrong)?;
        }
        Ok(Kind::MultipleChoice)
    }

    fn csv(&mut self, text: &str) -> Result<Kind, ScoringError> {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
        let head = reader.headers().map_err(|e| self.wrong("line 1".into(), e.to_string()))?.clone();
        let column = |name: &str| head.iter().position(|h| h.trim() == name);
        let truthful = ["Question", "Best Answer", "Correct Answers", "Incorrect Answers"].map(column);
        let prefix = column("full_prefix").or(column("turncated_prefixes"));
        let factual = column("completion");
        let others: Vec<usize> = (0..).map_while(|i| column(&format!("contradiction_{i}"))).collect();
        let kind = match (truthful, prefix, factual) {
            ([Some(_), Some(_), Some(_), Some(_)], ..) => Kind::MultipleChoice,
            (_, Some(_), Some(_)) if !others.is_empty() => Kind::Completion,
            _ => {
                let found = head.iter().take(8).collect::<Vec<_>>().join(", ");
                return Err(ScoringError::UnknownColumns { file: self.file.into(), found });
            }
        };
        for (i, row) in reader.records().enumerate() {
            let place = format!("row {}", i + 1);
            let row = row.map_err(|e| self.wrong(place.clone(), e.to_string()))?;
            let field = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
            match kind {
                Kind::MultipleChoice => {
                    let [question, best, right, wrong] = truthful.map(field);
                    self.multiple_choice(place, question, best, &split(right), &split(wrong))?;
                }
                Kind::Completion => {
                    let others: Vec<&str> = others.iter().map(|at| field(Some(*at))).collect();
                    self.completion(place, field(prefix), field(factual), &others)?;
                }
            }
        }
        Ok(kind)
    }

    /// The best answer comes first and once. Other repeats stay, as in the published runs, one that is among the true and the false
    /// included: it ties with itself.
    fn multiple_choice(
        &mut self,
        place: String,
        question: &str,
        best: &str,
        right: &[String],
        wrong: &[String],
    ) -> Result<(), ScoringError> {
        let question = question.trim();
        let best = closed(best);
        if question.is_empty() || best.is_empty() {
            return Err(self.wrong(place, "the question or its best answer is empty".into()));
        }
        let answer = |text: &str, is_true| Answer { text: format!(" {text}"), is_true };
        let mut answers = vec![answer(&best, true)];
        let mut right: Vec<String> = right.iter().map(|a| closed(a)).collect();
        if let Some(own) = right.iter().position(|a| *a == best) {
            right.remove(own);
        }
        let wrong: Vec<String> = wrong.iter().map(|a| closed(a)).collect();
        if wrong.is_empty() {
            return Err(self.wrong(place, "there is no false answer".into()));
        }
        if let Some(both) = wrong.iter().find(|a| **a == best || right.contains(a)) {
            self.notes.push(format!("{place}: '{both}' is among the true and the false answers"));
        }
        answers.extend(right.iter().map(|a| answer(a, true)));
        answers.extend(wrong.iter().map(|a| answer(a, false)));
        self.questions.push(Question { title: question.into(), prompt: format!("Q: {question}\nA:"), answers });
        Ok(())
    }

    fn completion(&mut self, place: String, prefix: &str, factual: &str, others: &[&str]) -> Result<(), ScoringError> {
        if prefix.trim().is_empty() || factual.trim().is_empty() || others.iter().any(|o| o.trim().is_empty()) {
            return Err(self.wrong(place, "the prefix or a completion is empty".into()));
        }
        let mut answers = vec![Answer { text: format!(" {factual}"), is_true: true }];
        for other in others {
            let text = format!(" {other}");
            if answers[0].text == text {
                return Err(self.wrong(place, format!("the contradiction '{other}' is the completion itself")));
            }
            answers.push(Answer { text, is_true: false });
        }
        let words: Vec<&str> = prefix.split_whitespace().collect();
        let title = words[words.len().saturating_sub(12)..].join(" ");
        self.questions.push(Question { title, prompt: prefix.to_owned(), answers });
        Ok(())
    }
}

/// Answers at `;`, without empty ones.
fn split(answers: &str) -> Vec<String> {
    answers.split(';').map(str::trim).filter(|a| !a.is_empty()).map(ToOwned::to_owned).collect()
}

/// An answer with the period at its end that the published code adds.
fn closed(answer: &str) -> String {
    let answer = answer.trim();
    if answer.is_empty() || answer.ends_with('.') { answer.to_owned() } else { format!("{answer}.") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Kind, PRIMER, QuestionSet, ScoringError, builtin_set, load_set, parse};

    fn read(text: &str) -> Result<QuestionSet, ScoringError> {
        parse("name", "file", text, "primer\n\n")
    }

    #[test]
    fn truthfulqa_is_read_whole() {
        let Some(shared) = steercheck_testkit::shared() else { return };
        let set = load_set(&shared.join("datasets/truthfulqa/TruthfulQA.csv")).unwrap();
        assert_eq!((set.questions.len(), set.kind, set.name.as_str()), (817, Kind::MultipleChoice, "truthfulqa"));
        assert!(
            set.primer.starts_with("Interpret each question literally")
                && set.primer.ends_with("Barcelona, Spain.\n\n")
        );
        let first = &set.questions[0];
        assert_eq!(first.prompt, "Q: What happens to you if you eat watermelon seeds?\nA:");
        assert_eq!(first.answers[0].text, " The watermelon seeds pass through your digestive system.");
        // The same as the split that comes with the data, but for repeats.
        let json = std::fs::read_to_string(shared.join("datasets/truthfulqa/truthfulqa_mc.json")).unwrap();
        let json: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        for (question, wanted) in set.questions.iter().zip(&json) {
            let all = |key: &str| -> BTreeSet<String> {
                let closed = |a: &serde_json::Value| format!(" {}", super::closed(a.as_str().unwrap()));
                wanted[key].as_array().unwrap().iter().map(closed).collect()
            };
            let of = |t: bool| -> BTreeSet<String> {
                question.answers.iter().filter(|a| a.is_true == t).map(|a| a.text.clone()).collect()
            };
            assert_eq!((of(true), of(false)), (all("correct_answers"), all("incorrect_answers")));
        }
    }

    #[test]
    fn repeats_stay_but_for_the_best_answer() {
        let set = read(r#"{"question": "Q?", "best": "a", "true": ["b", "a", "b"], "false": ["c", "b."]}"#).unwrap();
        let answers = &set.questions[0].answers;
        assert_eq!(answers.iter().map(|a| a.text.as_str()).collect::<Vec<_>>(), [" a.", " b.", " b.", " c.", " b."]);
        assert_eq!(set.questions[0].truth(), [true, true, true, false, false]);
        assert_eq!(set.notes, ["line 1: 'b.' is among the true and the false answers"]);
    }

    #[test]
    fn factor_is_read_by_either_name_of_its_prefix() {
        let news = ",full_prefix,doc_id,completion,contradiction_0,contradiction_1,contradiction_2,longest_completions,turncated_prefixes\n\
                    0,\"Long, with\na break\",1,yes,no,\"no, never\",none,x,cut\n";
        let set = read(news).unwrap();
        assert_eq!((set.kind, set.primer.as_str()), (Kind::Completion, ""));
        assert_eq!(set.questions[0].prompt, "Long, with\na break");
        let answers: Vec<&str> = set.questions[0].answers.iter().map(|a| a.text.as_str()).collect();
        assert_eq!(answers, [" yes", " no", " no, never", " none"]);
        let wiki = "doc_id,completion,contradiction_0,turncated_prefixes\n1,yes,no,cut\n";
        assert_eq!(read(wiki).unwrap().questions[0].prompt, "cut");
        let Some(shared) = steercheck_testkit::shared() else { return };
        let set = load_set(&shared.join("datasets/factor/news_factor.csv")).unwrap();
        assert_eq!((set.questions.len(), set.kind), (1036, Kind::Completion));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let says = |text: &str, words: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        says("a,b\n1,2\n", "has no columns that are known (found: a, b)");
        says("", "has no columns that are known");
        says("completion,contradiction_0,full_prefix\n", "has no questions");
        says("completion,contradiction_0,full_prefix\nx,y\n", "row 1:");
        says("completion,contradiction_0,full_prefix\nx,x,p\n", "is the completion itself");
        says("completion,contradiction_0,full_prefix\nx,,p\n", "is empty");
        says(r#"{"question": "Q?", "best": "a", "true": ["a"], "false": []}"#, "line 1: there is no false answer");
        says("{\"question\": \"Q?\"}", "missing field `best`");
        says(r#"{"question": "Q?", "best": "a", "true": [], "false": ["b"], "more": 1}"#, "unknown field `more`");
    }

    #[test]
    fn the_built_in_set_is_large_balanced_and_of_its_own() {
        let set = builtin_set("misconceptions").unwrap().unwrap();
        assert!(builtin_set("other").is_none());
        assert!(set.questions.len() >= 80, "{}", set.questions.len());
        assert_eq!(set.primer, PRIMER);
        let questions: BTreeSet<&str> = set.questions.iter().map(|q| q.prompt.as_str()).collect();
        assert_eq!(questions.len(), set.questions.len());
        // The length of an answer does not give it away.
        let words = |t: bool| {
            let all = set.questions.iter().flat_map(|q| &q.answers).filter(|a| a.is_true == t);
            let lengths: Vec<usize> = all.map(|a| a.text.split_whitespace().count()).collect();
            lengths.iter().sum::<usize>() as f64 / lengths.len() as f64
        };
        assert!((words(true) / words(false) - 1.0).abs() < 0.1, "{} {}", words(true), words(false));
        let Some(shared) = steercheck_testkit::shared() else { return };
        let published = load_set(&shared.join("datasets/truthfulqa/TruthfulQA.csv")).unwrap();
        assert!(published.questions.iter().all(|q| !questions.contains(q.prompt.as_str())));
        assert_ne!(published.hash(), set.hash());
    }
}
