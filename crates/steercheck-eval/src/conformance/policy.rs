//! Special tokens around a text: what is put there, once, and whether that is what the tokenizer's files say.

use steercheck_model::{Result, Tokenizer};

use super::{Check, Grade};

pub(super) const NAME: &str = "BOS policy";

/// Where the policy adds a BOS, a text begins with exactly one; where it adds none, with none. Notes differences between the files'
/// statements, an EOS that they ask for (none is ever added: a prompt is to be continued), and what becomes of a BOS that is
/// spelled out in a text.
pub fn special_tokens(tokenizer: &Tokenizer) -> Result<Check> {
    let (bos, declared) = (tokenizer.bos(), tokenizer.declared());
    for text in ["a", "The cat", "Q: France\nA:"] {
        let ids = tokenizer.encode(text)?;
        let found = ids.iter().filter(|id| Some(**id) == bos).count();
        let wanted = usize::from(tokenizer.adds_bos());
        let first = ids.first().copied();
        if found != wanted || (tokenizer.adds_bos() && first != bos) {
            let detail = format!("{text:?} begins with {found} BOS tokens instead of {wanted}: {ids:?}");
            return Ok(Check::said(NAME, Grade::Failed, detail));
        }
    }
    let mut notes = Vec::new();
    if declared.adds_bos == Some(false) && !declared.before.is_empty() {
        notes.push(
            "tokenizer.json puts a BOS before a text, tokenizer_config.json says not to and is followed".to_string(),
        );
    }
    if declared.adds_bos == Some(true) && bos.is_none() {
        notes.push("a BOS is asked for, but none is named".to_string());
    }
    if declared.adds_eos == Some(true) || !declared.after.is_empty() {
        notes.push(
            "the files ask for an EOS after a text; none is added, because a prompt is to be continued".to_string(),
        );
    }
    let mut said = vec![tokenizer.policy()];
    if let Some((bos, text)) = bos.and_then(|id| Some((id, tokenizer.token(id)?))) {
        if tokenizer.encode_plain(&format!("{text}a"))?.first() != Some(&bos) {
            said.push(format!("{text} in a text stays text"));
        } else if tokenizer.adds_bos() {
            notes.push(format!("a text that itself begins with {text} gets a second one; leave it out of prompts"));
        } else {
            said.push(format!("{text} in a text becomes the token"));
        }
    }
    let grade = if notes.is_empty() { Grade::Passed } else { Grade::Noted };
    said.extend(notes);
    Ok(Check::said(NAME, grade, said.join("; ")))
}
