//! `FILE[:TENSOR][@BLOCK][*STRENGTH]`: how a vector is named on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// Endings of files that hold vectors. A tensor's name can follow them, and what holds one of them belongs to a path.
const ENDINGS: [&str; 2] = [".safetensors", ".gguf"];

/// A vector as it was asked for; whether the model has such a place is seen later.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSpec {
    /// Where the vector lies.
    pub file: PathBuf,
    /// Which tensor of the file, if not all of them.
    pub tensor: Option<String>,
    /// After which blocks it acts; `None`: where the file says.
    pub place: Option<Place>,
    /// What it is multiplied by; 1 unless given, never 0.
    pub strength: f32,
}

/// After which blocks a vector acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On residual b: after block b, or on the embeddings for 0.
    At(usize),
    /// On each residual from the first to the second, both included, by the direction that the file has for it.
    Each(usize, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(b) => write!(f, "{b}"),
            Self::Each(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// Why a text names no vector.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum VectorSpecError {
    /// Nothing stands before the place or the strength.
    #[error("'{text}' names no file; write FILE@BLOCK*STRENGTH, for example formal.safetensors@12*1.5")]
    NoFile {
        /// What was given.
        text: String,
    },
    /// A colon without a name.
    #[error("'{text}' names no tensor after the colon; write for example vectors.safetensors:formal@12")]
    NoTensor {
        /// What was given.
        text: String,
    },
    /// What follows the star is no number.
    #[error(
        "the strength '{found}' in '{text}' is not a finite number; write FILE@BLOCK*STRENGTH in this order, for example formal.safetensors@12*-1.5 (if the star belongs to the file's name, add *1)"
    )]
    Strength {
        /// What was given.
        text: String,
        /// What stands after the star.
        found: String,
    },
    /// What follows the at sign is no block.
    #[error(
        "'{found}' in '{text}' is not a block or a range of blocks; write FILE@12 to act after block 12 (blocks count from 1), FILE@8-14 for each of these blocks (if the at sign belongs to the file's name, add @BLOCK)"
    )]
    Place {
        /// What was given.
        text: String,
        /// What stands after the at sign.
        found: String,
    },
    /// The range ends before it begins.
    #[error("the range {first}-{last} in '{text}' runs backwards; write {last}-{first}")]
    Backwards {
        /// What was given.
        text: String,
        /// Where it begins.
        first: usize,
        /// Where it ends.
        last: usize,
    },
}

/// Whether a sign before this text belongs to a path: `me@home/v.gguf`, `v*2.safetensors`.
fn in_path(after: &str) -> bool {
    let lower = after.to_ascii_lowercase();
    after.contains(['/', '\\']) || ENDINGS.iter().any(|ending| lower.contains(ending))
}

/// What stands before and after the last `sign`, unless that belongs to the path.
fn cut(text: &str, sign: char) -> (&str, Option<&str>) {
    match text.rsplit_once(sign) {
        Some((before, after)) if !in_path(after) => (before, Some(after)),
        _ => (text, None),
    }
}

fn number(text: &str) -> Option<usize> {
    // `parse` alone would take a plus sign.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn place(found: &str, text: &str) -> Result<Place, VectorSpecError> {
    let wrong = || VectorSpecError::Place { text: text.into(), found: found.into() };
    let Some((first, last)) = found.split_once('-') else {
        return number(found).map(Place::At).ok_or_else(wrong);
    };
    let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
    match first.cmp(&last) {
        std::cmp::Ordering::Less => Ok(Place::Each(first, last)),
        std::cmp::Ordering::Equal => Ok(Place::At(first)),
        std::cmp::Ordering::Greater => Err(VectorSpecError::Backwards { text: text.into(), first, last }),
    }
}

/// Path and tensor. The colon counts behind the file's ending alone: `C:\v.safetensors` has one too.
fn tensor(text: &str) -> (&str, Option<&str>) {
    let lower = text.to_ascii_lowercase();
    let ends = ENDINGS.iter().filter_map(|ending| Some(lower.rfind(&format!("{ending}:"))? + ending.len()));
    match ends.max() {
        Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        None => (text, None),
    }
}

impl FromStr for VectorSpec {
    type Err = VectorSpecError;

    /// Reads from the right, since a path may hold any of the signs.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, found) = cut(text, '*');
        let strength = match found.map(|f| (f, f.trim().parse::<f32>())) {
            None => 1.0,
            Some((_, Ok(strength))) if strength.is_finite() => strength,
            Some((found, _)) => return Err(VectorSpecError::Strength { text: text.into(), found: found.into() }),
        };
        let (rest, found) = cut(rest, '@');
        let place = found.map(|found| place(found.trim(), text)).transpose()?;
        let (file, tensor) = tensor(rest);
        if file.trim().is_empty() {
            return Err(VectorSpecError::NoFile { text: text.into() });
        }
        if tensor.is_some_and(str::is_empty) {
            return Err(VectorSpecError::NoTensor { text: text.into() });
        }
        Ok(Self { file: file.into(), tensor: tensor.map(str::to_string), place, strength })
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, VectorSpec};

    fn parsed(text: &str) -> (String, Option<String>, Option<Place>, f32) {
        let spec: VectorSpec = text.parse().unwrap_or_else(|e| panic!("{e}"));
        (spec.file.to_str().unwrap().to_string(), spec.tensor, spec.place, spec.strength)
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        use Place::{At, Each};
        for (text, file, tensor, place, strength) in [
            ("v.gguf", "v.gguf", None, None, 1.0),
            ("v.gguf*-0.5", "v.gguf", None, None, -0.5),
            ("v.safetensors@12", "v.safetensors", None, Some(At(12)), 1.0),
            ("v.safetensors@0*2", "v.safetensors", None, Some(At(0)), 2.0),
            ("v.safetensors@12*1e1", "v.safetensors", None, Some(At(12)), 10.0),
            ("v.gguf@8-14*.5", "v.gguf", None, Some(Each(8, 14)), 0.5),
            ("v.gguf@8-8", "v.gguf", None, Some(At(8)), 1.0),
            ("a/v.safetensors:formal@3*2", "a/v.safetensors", Some("formal"), Some(At(3)), 2.0),
            ("v.gguf:direction.3", "v.gguf", Some("direction.3"), None, 1.0),
            ("vector@3*2", "vector", None, Some(At(3)), 2.0),
        ] {
            assert_eq!(parsed(text), (file.into(), tensor.map(str::to_string), place, strength), "{text}");
        }
    }

    #[test]
    fn a_path_may_hold_the_signs() {
        for (text, file, tensor, place) in [
            (r"C:\vectors\v.safetensors@4", r"C:\vectors\v.safetensors", None, Some(4)),
            (r"C:\v.gguf:direction.1", r"C:\v.gguf", Some("direction.1"), None),
            ("C:/v.gguf", "C:/v.gguf", None, None),
            ("me@home/v.gguf", "me@home/v.gguf", None, None),
            ("me@home/v.gguf@4", "me@home/v.gguf", None, Some(4)),
            ("x*y/v@2x.GGUF@4", "x*y/v@2x.GGUF", None, Some(4)),
            ("v*2.safetensors", "v*2.safetensors", None, None),
            ("v@2.gguf:a*b*1", "v@2.gguf", Some("a*b"), None),
            ("v.safetensors:a:b", "v.safetensors", Some("a:b"), None),
            ("weights*2*1", "weights*2", None, None),
            ("weights@2@3", "weights@2", None, Some(3)),
        ] {
            let (got, got_tensor, got_place, strength) = parsed(text);
            assert_eq!((got.as_str(), got_tensor.as_deref()), (file, tensor), "{text}");
            assert_eq!((got_place, strength), (place.map(Place::At), 1.0), "{text}");
        }
    }

    #[test]
    fn a_text_that_names_no_vector_is_answered_with_an_example() {
        for (text, said) in [
            ("", "names no file; write FILE@BLOCK*STRENGTH"),
            ("@12*2", "names no file"),
            ("*2", "names no file"),
            ("v.gguf:@3", "names no tensor after the colon"),
            ("v.gguf@", "'' in 'v.gguf@' is not a block"),
            ("v.gguf@-3", "'-3' in 'v.gguf@-3' is not a block"),
            ("v.gguf@+3", "'+3'"),
            ("v.gguf@3-", "'3-'"),
            ("v.gguf@3..5", "'3..5'"),
            ("v.gguf@all", "'all'"),
            ("v.gguf@99999999999999999999999", "is not a block"),
            ("v.gguf@9-3", "the range 9-3 in 'v.gguf@9-3' runs backwards; write 3-9"),
            ("v.gguf*", "the strength '' in"),
            (
                "v.gguf*2@12",
                "the strength '2@12' in 'v.gguf*2@12' is not a finite number; write FILE@BLOCK*STRENGTH in this order",
            ),
            ("v.gguf@3*two", "the strength 'two'"),
            ("v.gguf*inf", "the strength 'inf'"),
            ("v.gguf*NaN", "the strength 'NaN'"),
            ("v.gguf*1e39", "the strength '1e39'"),
        ] {
            let got = text.parse::<VectorSpec>().expect_err(text).to_string();
            assert!(got.contains(said), "{text}\nexpected {said}\ngot      {got}");
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let pieces =
            ["v", ".gguf", ".safetensors", ":", "@", "*", "-", "3", "é", "/", "\\", " ", "\u{0}", "İ", ".GGUF:"];
        let mut state = 1_u64;
        for _ in 0..50_000 {
            let mut text = String::new();
            for _ in 0..state % 9 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            state = state.wrapping_add(1);
            let _ = text.parse::<VectorSpec>();
        }
    }
}
