//! PyTorch files that are cut short, flipped, hostile or something else than plain tensors.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use steercheck_model::ModelError;
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::common::random::{self, Numbers, Sizes};
use super::torch_writer::{Saved, archive, members, parts, pickle, tensor, text};
use super::{Tally, is_about, memory_was_bounded, options, use_model};

const TINY: Sizes = Sizes { vocab: 8, hidden: 8, inner: 8, blocks: 1, heads: 2, kv_heads: 1, head_dim: 4 };

const MODEL: &str = "pytorch_model.bin";
const INDEX: &str = "pytorch_model.bin.index.json";
const QUERY: &str = "model.layers.0.self_attn.q_proj.weight";

/// A folder with a sound model, and what is in it.
fn sound() -> (TempDir, Saved) {
    let folder = TempDir::new().unwrap();
    let config = random::config("llama", TINY);
    random::write_folder(folder.path(), &config, &random::tensors(&config, 3));
    let safetensors = folder.path().join("model.safetensors");
    let saved = Saved::of_safetensors(&safetensors);
    std::fs::remove_file(safetensors).unwrap();
    saved.write(&folder.path().join(MODEL));
    (folder, saved)
}

fn open(folder: &Path) -> Result<(), ModelError> {
    use_model(folder, &options(0))
}

/// The error of a file as the model's weights.
fn error(folder: &Path, file: &[u8]) -> ModelError {
    std::fs::write(folder.join(MODEL), file).unwrap();
    open(folder).expect_err("this must be refused")
}

/// A file that is nothing but this pickle of protocol 2.
fn of_pickle(after_protocol: &[u8]) -> Vec<u8> {
    archive(&[b"\x80\x02".as_slice(), after_protocol].concat(), &[])
}

/// A dictionary that holds one thing by the name `a`.
fn entry(value: &[u8]) -> Vec<u8> {
    [b"}X\x01\0\0\0a".as_slice(), value, b"s."].concat()
}

/// Position of these bytes, counted from the end of the file.
fn last(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).rposition(|w| w == needle).unwrap()
}

#[test]
fn a_file_cut_anywhere_is_said_to_be_incomplete() {
    let (folder, saved) = sound();
    let bytes = saved.bytes();
    open(folder.path()).unwrap();
    for cut in (0..70).chain((70..bytes.len()).step_by(61)).chain(bytes.len() - 120..bytes.len()) {
        let word = if cut == 0 { "the file is empty" } else { "pytorch_model.bin is damaged" };
        is_about(&format!("cut at {cut}"), &error(folder.path(), &bytes[..cut]), "Damaged", word);
    }
    let longer = [bytes, vec![0]].concat();
    is_about("one byte more", &error(folder.path(), &longer), "Damaged", "no zip directory at its end");
    memory_was_bounded();
}

#[test]
fn a_pickle_cut_anywhere_is_refused() {
    let (folder, saved) = sound();
    let whole = pickle(&saved.entries);
    for cut in 0..whole.len() {
        let refused = error(folder.path(), &archive(&whole[..cut], &saved.storages));
        is_about(
            &format!("cut at {cut}"),
            &refused,
            if refused.to_string().contains("calls for") { "NotAModel" } else { "Damaged" },
            "pickle",
        );
    }
}

#[test]
fn flipped_bits_are_used_or_refused() {
    let (folder, saved) = sound();
    let path = folder.path().join(MODEL);
    let bytes = saved.bytes();
    let pickled = pickle(&saved.entries);
    let start = bytes.windows(pickled.len()).position(|w| w == pickled).unwrap();
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let begun = Instant::now();
    let mut numbers = Numbers(9);
    let mut tally = Tally::default();
    for i in 0..6000 {
        let mut bytes = bytes.clone();
        // In turn: the pickle, the directory, the whole.
        let (from, to) = [(start, start + pickled.len()), (directory, bytes.len()), (0, bytes.len())][i % 3];
        let bits: Vec<usize> = (0..=i % 2).map(|_| from * 8 + numbers.below((to - from) * 8)).collect();
        for bit in &bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        std::fs::write(&path, bytes).unwrap();
        tally.attempt(|| format!("bits {bits:?}"), || use_model(folder.path(), &options(i / 3)));
    }
    tally.settle("flipped PyTorch files");
    assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
}

#[test]
fn random_operations_are_refused() {
    let (folder, _) = sound();
    let path = folder.path().join(MODEL);
    let operations = b"qrhjNGKMJX(t)]ae}subRQ.c\x80\x81\x85\x86\x87\x88\x89\x8a";
    let mut numbers = Numbers(5);
    let mut tally = Tally::default();
    for _ in 0..3000 {
        let mut out = b"\x80\x02".to_vec();
        for _ in 0..numbers.below(60) {
            out.push(operations[numbers.below(operations.len())]);
            if numbers.below(2) == 0 {
                out.extend([numbers.below(3) as u8, 0, 0, 0]);
            }
        }
        std::fs::write(&path, archive(&out, &[])).unwrap();
        tally.attempt(|| format!("{out:?}"), || open(folder.path()));
    }
    assert_eq!(tally.accepted, 0);
    tally.settle("random operations");
}

#[test]
fn calls_are_refused_by_their_name() {
    let (folder, _) = sound();
    for (what, pickle, word) in [
        ("a shell", b"cos\nsystem\nX\x02\0\0\0ls\x85R.".to_vec(), "os.system"),
        ("a shell by its other name", b"cposix\nsystem\nX\x02\0\0\0ls\x85R.".to_vec(), "posix.system"),
        ("code", entry(b"cbuiltins\neval\nX\x01\0\0\x001\x85R"), "builtins.eval"),
        ("code of Python 2", entry(b"c__builtin__\nexec\nX\x01\0\0\x001\x85R"), "__builtin__.exec"),
        ("a name alone", entry(b"cos\nsystem\n"), "os.system"),
        ("another dictionary", b"ccollections\ndefaultdict\n)R.".to_vec(), "collections.defaultdict"),
        ("a tensor of a subclass", entry(b"ctorch._tensor\n_rebuild_from_type_v2\n)R"), "_rebuild_from_type_v2"),
        ("a quantised tensor", entry(b"ctorch._utils\n_rebuild_qtensor\n)R"), "torch._utils._rebuild_qtensor"),
        ("a storage", entry(b"ctorch\nFloatStorage\n)R"), "calls torch.FloatStorage"),
        ("a name in torch", entry(b"ctorch\nload\n)R"), "torch.load"),
        ("a name of two lines", entry(b"c\x1b[31mos\nsystem\n"), "os.system"),
        ("state of a tensor", entry(b"ctorch._utils\n_rebuild_tensor_v2\n)R}b"), "sets the state"),
    ] {
        is_about(what, &error(folder.path(), &of_pickle(&pickle)), "NotAModel", word);
    }
}

#[test]
fn roots_that_are_no_dictionary_of_tensors_are_refused() {
    let (folder, saved) = sound();
    let mut one = Vec::new();
    tensor(&mut one, &saved.entries[0]);
    let mut nested = b"}".to_vec();
    text(&mut nested, "state_dict");
    nested.extend([b"}X\x01\0\0\0a".as_slice(), &one, b"ss."].concat());
    let twice = [b"}(X\x01\0\0\0a".as_slice(), &one, b"X\x01\0\0\0a", &one, b"u."].concat();
    for (what, pickle, variant, word) in [
        ("one tensor", [one.as_slice(), b"."].concat(), "NotAModel", "holds no dictionary"),
        ("a list", b"].".to_vec(), "NotAModel", "holds no dictionary"),
        ("a checkpoint of a training", nested, "NotAModel", "'state_dict' is no plain tensor"),
        ("a number", entry(b"K\x01"), "NotAModel", "'a' is no plain tensor"),
        ("nothing", entry(b"N"), "NotAModel", "'a' is no plain tensor"),
        ("a tensor of nothing", entry(b"ctorch._utils\n_rebuild_tensor_v2\n)R"), "NotAModel", "no plain tensor"),
        ("a parameter of nothing", entry(b"ctorch._utils\n_rebuild_parameter\n)R"), "NotAModel", "no plain tensor"),
        ("a tensor without a name", b"}K\x01K\x01s.".to_vec(), "Damaged", "by no text"),
        ("a tensor twice", twice, "Damaged", "two tensors 'a'"),
        ("an empty dictionary", b"}.".to_vec(), "Tensor", "'model.embed_tokens.weight' is missing"),
        ("nothing at all", b".".to_vec(), "Damaged", "not there"),
    ] {
        is_about(
            what,
            &error(folder.path(), &archive(&[b"\x80\x02", pickle.as_slice()].concat(), &saved.storages)),
            variant,
            word,
        );
    }
    let newer = archive(b"\x80\x04}.", &[]);
    is_about("another protocol", &error(folder.path(), &newer), "NotAModel", "protocol 4");
}

#[test]
fn pickles_that_would_grow_are_read_in_the_memory_they_have() {
    let (folder, _) = sound();
    let begun = Instant::now();
    // Each list holds the one before it ten times: 10^200 values for a reader that copies.
    let mut laughs = b"X\x03\0\0\0lolq\0".to_vec();
    for i in 0..200u8 {
        laughs.extend(b"](");
        laughs.extend([b'h', i].repeat(10));
        laughs.extend([b'e', b'q', i + 1]);
    }
    laughs.push(b'.');
    is_about("a billion laughs", &error(folder.path(), &of_pickle(&laughs)), "NotAModel", "no dictionary");
    let mut laughing = b"}q\0X\x01\0\0\0ah\0s.".to_vec();
    is_about("a dictionary in itself", &error(folder.path(), &of_pickle(&laughing)), "NotAModel", "'a' is no plain");
    laughing = [b")".as_slice(), &b"\x85".repeat(100_000), b"."].concat();
    is_about("tuples in tuples", &error(folder.path(), &of_pickle(&laughing)), "NotAModel", "no dictionary");
    laughing = [b"}".as_slice(), &b"X\x01\0\0\0a}".repeat(100_000), &b"s".repeat(100_000), b"."].concat();
    is_about("dictionaries in dictionaries", &error(folder.path(), &of_pickle(&laughing)), "NotAModel", "no plain");
    laughing = [b"(".repeat(100_000), b"t".repeat(100_000), b".".to_vec()].concat();
    is_about("groups in groups", &error(folder.path(), &of_pickle(&laughing)), "NotAModel", "no dictionary");
    for (what, pickle) in [
        ("a text of 4 GB", b"X\xff\xff\xff\xffa.".as_slice()),
        ("a number of 255 bytes", b"\x8a\xff\x01."),
        ("a line without an end", b"cos"),
        ("a memo that is empty", b"h\x07."),
        ("a group that is not open", b"t."),
        ("a value of a group outside", b"N(\x85."),
        ("an odd dictionary", b"}(Nu."),
        ("appending to nothing", b"a."),
        ("a list that is none", b"}Na."),
        ("calling a text", b"X\x01\0\0\0a)R."),
        ("an unknown operation", b"\x95."),
        ("an object made", b"ccollections\nOrderedDict\n)\x81."),
        ("no text", b"X\x01\0\0\0\xff."),
    ] {
        is_about(what, &error(folder.path(), &of_pickle(pickle)), "Damaged", "its pickle");
    }
    memory_was_bounded();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn pickles_of_millions_of_operations_are_refused_in_time() {
    let (folder, _) = sound();
    let begun = Instant::now();
    let count = 5 << 20;
    // Values are remembered under numbers that differ.
    let remembered = |n: usize| (0..n as u32).flat_map(|i| [b"r".as_slice(), &i.to_le_bytes()].concat());
    for (what, pickle, word) in [
        ("values", b")".repeat(count), "more than 1048576 values"),
        ("repeated values", [b")q\0".as_slice(), &b"h\0".repeat(count)].concat(), "more than 1048576 values"),
        ("groups", b"(".repeat(count), "more than 1048576 open groups"),
        ("places of the memo", b")".iter().copied().chain(remembered(3 << 20)).collect(), "cut off"),
        ("bytes", b")".repeat(17 << 20), "its pickle has 17825794 bytes"),
    ] {
        is_about(what, &error(folder.path(), &of_pickle(&pickle)), "Damaged", word);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn tensors_that_lie_are_refused_by_their_name() {
    let (folder, saved) = sound();
    let huge = 1i64 << 60;
    let refused = |change: &dyn Fn(&mut Saved)| {
        let mut saved = saved.clone();
        change(&mut saved);
        error(folder.path(), &saved.bytes())
    };
    let (of_query, named) = ("q_proj.weight' ", "Tensor");
    let shaped = |shape: &[i64], strides: &[i64]| {
        refused(&|s| {
            s.entry(QUERY).shape = shape.to_vec();
            s.entry(QUERY).strides = strides.to_vec();
        })
    };
    for (what, error, word) in [
        ("a larger shape", shaped(&[8, 9], &[9, 1]), "past its storage's end"),
        ("2^60 rows", shaped(&[huge, 8], &[8, 1]), "too large"),
        ("2^60 numbers", shaped(&[huge], &[1]), "past its storage's end"),
        ("a shape that overflows", shaped(&[1 << 40, 1 << 40], &[1 << 40, 1]), "too large"),
        ("a negative shape", shaped(&[-8, -8], &[-8, 1]), "has the shape"),
        ("nine dimensions", shaped(&[1; 9], &[1; 9]), ""),
        ("transposed", shaped(&[8, 8], &[1, 8]), "stored transposed"),
        ("with gaps", shaped(&[4, 8], &[16, 1]), "stored transposed or with gaps"),
        ("one row as many", shaped(&[8, 8], &[0, 1]), "stored transposed or with gaps"),
        ("backwards", shaped(&[8, 8], &[-8, -1]), "stored transposed or with gaps"),
        ("a stride of 2^60", shaped(&[8, 8], &[huge, 1]), "stored transposed or with gaps"),
        ("no strides", shaped(&[8, 8], &[]), "and the strides []"),
        ("an offset", refused(&|s| s.entry(QUERY).offset = 1), "past its storage's end"),
        ("an offset of 2^60", refused(&|s| s.entry(QUERY).offset = huge), "past its storage's end"),
        ("an offset of 2^62", refused(&|s| s.entry(QUERY).offset = huge << 2), "past its storage's end"),
        ("a negative offset", refused(&|s| s.entry(QUERY).offset = -1), "past its storage's end"),
        ("a storage of 2^60", refused(&|s| s.entry(QUERY).count = huge), "needs a storage of"),
        ("a smaller storage", refused(&|s| s.entry(QUERY).count = 63), "needs a storage of 63 numbers"),
        ("a negative storage", refused(&|s| s.entry(QUERY).count = -64), "needs a storage of -64"),
        ("another type", refused(&|s| s.entry(QUERY).storage = "HalfStorage"), "needs a storage of"),
        (
            "integers",
            refused(&|s| s.entry(QUERY).storage = "IntStorage"),
            "is stored in a IntStorage, which is not read",
        ),
        ("doubles", refused(&|s| s.entry(QUERY).storage = "DoubleStorage"), "is stored in a DoubleStorage"),
    ] {
        if what == "nine dimensions" {
            is_about(what, &error, "NotAModel", "is no plain tensor");
        } else {
            is_about(what, &error, named, word);
            assert!(error.to_string().contains(of_query), "{error}");
        }
    }
    let long = "7".repeat(100);
    for (key, variant, word) in [
        ("99", "Damaged", "has no storage '99'"),
        ("../data.pkl", "Damaged", "has no storage"),
        (&long, "NotAModel", "plain"),
    ] {
        is_about(key, &refused(&|s| s.entry(QUERY).key = key.into()), variant, word);
    }
    // Strides of dimensions of one element say nothing, nor do those of no elements at all.
    for (shape, strides) in [([1, 64], [7, 1]), ([0, 8], [3, 5])] {
        let error = shaped(&shape, &strides);
        is_about("another shape", &error, "Tensor", &format!("{shape:?} where [8, 8]"));
    }
    memory_was_bounded();
}

#[test]
fn archives_of_other_kinds_are_refused() {
    let (folder, saved) = sound();
    let pickled = pickle(&saved.entries);
    let parts = parts(&pickled, &saved.storages);
    let all = || parts.iter().map(|(n, b)| (n.as_str(), b.as_slice()));
    let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let packed = plain.compression_method(CompressionMethod::Deflated);
    let without = |name: &'static str| members(all().filter(|(n, _)| *n != name), plain);
    let big: &[(&str, &[u8])] = &[("archive/data.pkl", &pickled), ("archive/byteorder", b"big")];
    let two: &[(&str, &[u8])] = &[("a/data.pkl", &pickled), ("b/data.pkl", &pickled)];
    for (what, file, variant, word) in [
        ("compressed", members(all(), packed), "NotAModel", "is compressed; save it again with torch.save"),
        ("big-endian", members(big.iter().copied(), plain), "NotAModel", "not little-endian"),
        ("no pickle", without("archive/data.pkl"), "NotAModel", "no data.pkl"),
        ("two pickles", members(two.iter().copied(), plain), "Damaged", "two data.pkl"),
        ("no storage", without("archive/data/3"), "Damaged", "no storage '3'"),
        ("an empty archive", members([], plain), "NotAModel", "begins with 'PK'"),
        (
            "before 1.6",
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(),
            "NotAModel",
            "before 1.6; load it with torch.load(…, weights_only=True)",
        ),
        ("a pointer to it", b"version https://git-lfs.github.com/spec/v1".to_vec(), "NotAModel", "begins with 'PK'"),
    ] {
        is_about(what, &error(folder.path(), &file), variant, word);
    }
    let sound = members(all(), plain);
    std::fs::write(folder.path().join(MODEL), &sound).unwrap();
    open(folder.path()).unwrap();
    // By the number of its first byte in the last entry of the directory, and in the record at the end.
    let (entry, end) = (last(&sound, b"PK\x01\x02"), last(&sound, b"PK\x05\x06"));
    let patch = |at: usize, new: &[u8]| {
        let mut bytes = sound.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    let renamed = {
        // The directory's name and the member's own, both: '1' becomes '0'.
        let mut bytes = sound.clone();
        let name = b"archive/data/1";
        let places: Vec<usize> = (0..bytes.len() - 20)
            .filter(|i| bytes[*i..].starts_with(name) && !bytes[*i + name.len()].is_ascii_digit())
            .collect();
        for at in places {
            bytes[at + name.len() - 1] = b'0';
        }
        bytes
    };
    for (what, file, variant, word) in [
        ("two of one name", renamed, "Damaged", "two members 'archive/data/0'"),
        ("encrypted", patch(entry + 8, &[1]), "NotAModel", "is encrypted"),
        ("another size", patch(entry + 24, &[3]), "Damaged", "two sizes"),
        (
            "a size of 4 GB",
            patch(entry + 20, &[0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff]),
            "Damaged",
            "past the file's end",
        ),
        ("an offset elsewhere", patch(entry + 42, &[9]), "Damaged", "not where"),
        ("an offset past the end", patch(entry + 42, &[0xfe, 0xff, 0xff, 0xff]), "Damaged", "not where"),
        ("large numbers that are not there", patch(entry + 42, &[0xff; 4]), "Damaged", "cut off"),
        ("another name", patch(entry + 46, b"b"), "Damaged", "not where"),
        ("a name too long", patch(entry + 28, &[0xff, 0xff]), "Damaged", "past the file's end"),
        ("more entries", patch(end + 10, &[0xff]), "Damaged", "entries and says"),
        ("a directory too long", patch(end + 12, &[0xff; 4]), "Damaged", "past the file's end"),
        ("a directory too short", patch(end + 12, &[9, 0, 0, 0]), "Damaged", "zip directory"),
        ("a directory elsewhere", patch(end + 16, &[4, 0, 0, 0]), "Damaged", "something else than entries"),
    ] {
        is_about(what, &error(folder.path(), &file), variant, word);
    }
    memory_was_bounded();
}

#[test]
fn records_of_large_archives_that_lie_are_refused() {
    let (folder, saved) = sound();
    let sound = saved.bytes();
    let (end, record) = (last(&sound, b"PK\x05\x06"), 56);
    // What PyTorch writes always: the record of large archives and where it is, before the end record.
    let with = |offset: u64, count: u64, size: u64, start: u64| {
        let mut bytes = sound[..end].to_vec();
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([0; 12]);
        for n in [count, count, size, start] {
            bytes.extend(n.to_le_bytes());
        }
        assert_eq!(bytes.len(), end + record);
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(offset.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(&sound[end..]);
        bytes
    };
    let field = |at: usize| u64::from(u32::from_le_bytes(sound[at..at + 4].try_into().unwrap()));
    let (size, start) = (field(end + 12), field(end + 16));
    let count = u64::from(sound[end + 10]);
    let at = end as u64;
    std::fs::write(folder.path().join(MODEL), with(at, count, size, start)).unwrap();
    open(folder.path()).unwrap();
    for (what, file, word) in [
        ("a record elsewhere", with(at + 1, count, size, start), "not where it says"),
        ("a record past the end", with(u64::MAX, count, size, start), "cut off"),
        ("2^60 entries", with(at, 1 << 60, size, start), "entries and says"),
        ("2^60 bytes", with(at, count, 1 << 60, start), "past the file's end"),
        ("a start of 2^64", with(at, count, size, u64::MAX), "past the file's end"),
    ] {
        is_about(what, &error(folder.path(), &file), "Damaged", word);
    }
    memory_was_bounded();
}

#[test]
fn an_encrypted_archive_is_refused() {
    let (folder, saved) = sound();
    let mut bytes = saved.bytes();
    // The member's own header says so, and the directory not.
    bytes[6] |= 1;
    is_about("encrypted", &error(folder.path(), &bytes), "NotAModel", "is encrypted; save it again");
}

#[test]
fn an_index_that_leaves_the_folder_is_refused() {
    let (folder, saved) = sound();
    let dir = folder.path();
    std::fs::rename(dir.join(MODEL), dir.join("one.bin")).unwrap();
    let index = |file: &str| {
        let map: serde_json::Map<String, serde_json::Value> =
            saved.entries.iter().map(|e| (e.name.clone(), json!(file))).collect();
        std::fs::write(dir.join(INDEX), json!({"weight_map": map}).to_string()).unwrap();
        open(dir)
    };
    index("one.bin").unwrap();
    std::fs::create_dir(dir.join("sub")).unwrap();
    std::fs::copy(dir.join("one.bin"), dir.join("sub/one.bin")).unwrap();
    let absolute = dir.join("one.bin").display().to_string();
    for file in ["../one.bin", "sub/one.bin", "..\\one.bin", &absolute, "..", ".", ""] {
        is_about(file, &index(file).unwrap_err(), "Damaged", "pytorch_model.bin.index.json");
        is_about(file, &index(file).unwrap_err(), "Damaged", "outside of the folder");
    }
    is_about("a missing shard", &index("two.bin").unwrap_err(), "Io", "shard of the index is missing");
    is_about("a configuration", &index("config.json").unwrap_err(), "NotAModel", "begins with 'PK'");
}
