//! The tensors that a pickle describes: a dictionary of name to plain tensor, and nothing else.

use std::collections::BTreeSet;

use super::pickle::{Global, Id, Pickle, Value, damaged};
use super::pytorch::Refusal;

/// No weight has more.
const MAX_RANK: usize = 8;
/// Storages are called by their number.
const MAX_KEY: usize = 64;

/// A tensor as the pickle describes it; nothing of it has been compared with the file.
pub(super) struct Described<'a> {
    /// The type of its storage, e.g. `FloatStorage`.
    pub(super) storage: &'a str,
    /// The storage's member of the archive.
    pub(super) key: &'a str,
    /// Numbers in the storage.
    pub(super) count: i64,
    /// Numbers of the storage before the first of this tensor.
    pub(super) offset: i64,
    /// Outermost first.
    pub(super) shape: Vec<i64>,
    /// Numbers from one to the next along each dimension.
    pub(super) strides: Vec<i64>,
}

impl<'a> Pickle<'a> {
    fn ints(&self, id: Id) -> Option<Vec<i64>> {
        let Value::Tuple(items) = self.value(id) else { return None };
        // Before anything is copied: many tensors may share one tuple.
        let of = |id: &Id| if let Value::Int(n) = self.value(*id) { Some(*n) } else { None };
        if items.len() > MAX_RANK { None } else { items.iter().map(of).collect() }
    }

    /// The tensor that a value stands for; `None` if it is another thing or malformed.
    fn described(&self, id: Id) -> Option<Described<'a>> {
        let made = |id: Id, by: Global<'_>| match self.value(id) {
            Value::Made(callable, arguments) if *callable == by => match self.value(*arguments) {
                Value::Tuple(given) => Some(given),
                _ => None,
            },
            _ => None,
        };
        let id = made(id, Global::Parameter).and_then(|given| given.first()).copied().unwrap_or(id);
        // Storage, offset, shape, strides, whether gradients are kept, hooks; a seventh would hold flags of views.
        let [storage, offset, shape, strides, _, _] = made(id, Global::Tensor)?[..] else { return None };
        let Value::Persistent(place) = self.value(storage) else { return None };
        let Value::Tuple(place) = self.value(*place) else { return None };
        let [word, kind, key, _, count] = place[..] else { return None };
        let (Value::Text("storage"), Value::Global(Global::Storage(storage)), Value::Text(key), Value::Int(count)) =
            (self.value(word), self.value(kind), self.value(key), self.value(count))
        else {
            return None;
        };
        let Value::Int(offset) = *self.value(offset) else { return None };
        let (shape, strides) = (self.ints(shape)?, self.ints(strides)?);
        (key.len() <= MAX_KEY).then_some(Described { storage, key, count: *count, offset, shape, strides })
    }
}

/// The tensors of a pickle by name.
pub(super) fn tensors(bytes: &[u8]) -> Result<Vec<(&str, Described<'_>)>, Refusal> {
    let pickle = Pickle::read(bytes)?;
    let Value::Dict(entries) = pickle.root() else {
        let what = "its pickle holds no dictionary; save the model's state_dict() with torch.save or as safetensors";
        return Err(Refusal::Foreign(what.into()));
    };
    let mut names = BTreeSet::new();
    let mut out = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Value::Text(name) = *pickle.value(*key) else { return damaged("its pickle names a tensor by no text") };
        let Some(tensor) = pickle.described(*value) else {
            let what = format!(
                "its '{name}' is no plain tensor; save the model's state_dict() alone with torch.save or as safetensors"
            );
            return Err(Refusal::Foreign(what));
        };
        if !names.insert(name) {
            return damaged(format!("it has two tensors '{name}'"));
        }
        out.push((name, tensor));
    }
    Ok(out)
}
