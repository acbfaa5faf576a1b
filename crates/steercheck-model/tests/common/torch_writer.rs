//! Files as `torch.save` writes them: a pickle of protocol 2 and storages, in a zip archive of stored members.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{Cursor, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A tensor of the pickle, whether it holds or not.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// E.g. `FloatStorage`.
    pub(crate) storage: &'static str,
    pub(crate) key: String,
    pub(crate) count: i64,
    pub(crate) offset: i64,
    pub(crate) shape: Vec<i64>,
    pub(crate) strides: Vec<i64>,
    /// Whether it is wrapped as `torch.nn.Parameter` is.
    pub(crate) parameter: bool,
}

/// Entries and the contents of their storages, called by their place.
#[derive(Clone, Default)]
pub(crate) struct Saved {
    pub(crate) entries: Vec<Entry>,
    pub(crate) storages: Vec<Vec<u8>>,
}

fn strides(shape: &[i64]) -> Vec<i64> {
    let mut step = 1;
    let mut out: Vec<i64> = shape
        .iter()
        .rev()
        .map(|size| {
            let stride = step;
            step *= size;
            stride
        })
        .collect();
    out.reverse();
    out
}

impl Saved {
    /// Adds a tensor with a storage of its own.
    pub(crate) fn add(&mut self, name: &str, storage: &'static str, shape: &[usize], data: &[u8]) {
        let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
        self.entries.push(Entry {
            name: name.into(),
            storage,
            key: self.storages.len().to_string(),
            count: shape.iter().product(),
            offset: 0,
            strides: strides(&shape),
            shape,
            parameter: false,
        });
        self.storages.push(data.to_vec());
    }

    /// The tensors of a safetensors file.
    pub(crate) fn of_safetensors(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out = Self::default();
        for (name, view) in tensors {
            let storage = match view.dtype() {
                Dtype::F32 => "FloatStorage",
                Dtype::F16 => "HalfStorage",
                Dtype::BF16 => "BFloat16Storage",
                Dtype::I64 => "LongStorage",
                Dtype::BOOL => "BoolStorage",
                other => panic!("{name} is {other}"),
            };
            out.add(&name, storage, view.shape(), view.data());
        }
        out
    }

    /// All tensors of one type as parts of one storage.
    pub(crate) fn in_one_storage(mut self) -> Self {
        let mut all = Vec::new();
        let item = |storage: &str| if storage == "FloatStorage" { 4 } else { 2 };
        for entry in &mut self.entries {
            assert_eq!(entry.storage, "FloatStorage");
            entry.offset = (all.len() / item(entry.storage)) as i64;
            all.extend(&self.storages[entry.key.parse::<usize>().unwrap()]);
            entry.key = "0".into();
        }
        for entry in &mut self.entries {
            entry.count = (all.len() / item(entry.storage)) as i64;
        }
        Self { entries: self.entries, storages: vec![all] }
    }

    pub(crate) fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.iter_mut().find(|e| e.name == name).unwrap()
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        archive(&pickle(&self.entries), &self.storages)
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

pub(crate) fn int(out: &mut Vec<u8>, n: i64) {
    match n {
        0..=0xff => out.extend([b'K', n as u8]),
        0x100..=0xffff => {
            out.push(b'M');
            out.extend((n as u16).to_le_bytes());
        }
        _ if i32::try_from(n).is_ok() => {
            out.push(b'J');
            out.extend((n as i32).to_le_bytes());
        }
        _ => {
            out.extend([0x8a, 8]);
            out.extend(n.to_le_bytes());
        }
    }
}

fn ints(out: &mut Vec<u8>, numbers: &[i64]) {
    out.push(b'(');
    for n in numbers {
        int(out, *n);
    }
    out.push(b't');
}

/// What the pickle of a tensor is, without its name.
pub(crate) fn tensor(out: &mut Vec<u8>, entry: &Entry) {
    if entry.parameter {
        out.extend(b"ctorch._utils\n_rebuild_parameter\n(");
    }
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(out, "storage");
    out.extend(format!("ctorch\n{}\n", entry.storage).as_bytes());
    text(out, &entry.key);
    text(out, "cuda:0");
    int(out, entry.count);
    out.extend(b"tQ");
    int(out, entry.offset);
    ints(out, &entry.shape);
    ints(out, &entry.strides);
    // No gradients, no hooks.
    out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    if entry.parameter {
        out.extend(b"\x88ccollections\nOrderedDict\n)RtR");
    }
}

/// An ordered dictionary of tensors with the versions of modules as its attribute, as `state_dict()` is.
pub(crate) fn pickle(entries: &[Entry]) -> Vec<u8> {
    // The class is remembered under 0 and the dictionary under 1000.
    let mut out = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rr".to_vec();
    out.extend(1000u32.to_le_bytes());
    out.push(b'(');
    for entry in entries {
        text(&mut out, &entry.name);
        tensor(&mut out, entry);
    }
    out.extend(b"u}");
    text(&mut out, "_metadata");
    out.extend(b"h\x00)R");
    text(&mut out, "");
    out.push(b'}');
    text(&mut out, "version");
    out.extend(b"K\x01sssb.");
    out
}

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

/// An archive of these members.
pub(crate) fn members<'a>(
    members: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    options: SimpleFileOptions,
) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The members that `torch.save` writes.
pub(crate) fn parts(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![("archive/data.pkl".into(), pickle.to_vec()), ("archive/byteorder".into(), b"little".to_vec())];
    all.extend(storages.iter().enumerate().map(|(i, s)| (format!("archive/data/{i}"), s.clone())));
    all.push(("archive/version".into(), b"3\n".to_vec()));
    all
}

/// A file of a pickle and storages; members begin at multiples of 64 bytes.
pub(crate) fn archive(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let parts = parts(pickle, storages);
    members(parts.iter().map(|(n, b)| (n.as_str(), b.as_slice())), stored().with_alignment(64).large_file(true))
}

/// The same, wherever the members fall.
pub(crate) fn unaligned(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let parts = parts(pickle, storages);
    members(parts.iter().map(|(n, b)| (n.as_str(), b.as_slice())), stored())
}
