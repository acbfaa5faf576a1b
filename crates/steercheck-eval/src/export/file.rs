//! Tables as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::{Frame, Kind, Value};
use crate::error::EvalError;
use crate::record::{About, write_bytes};

/// Rows of a group of a Parquet file: what a reader takes at once.
const GROUP: usize = 1 << 17;

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// Parquet, dictionary-encoded, snappy.
    Parquet,
    /// Comma-separated values, one header line (RFC 4180).
    Csv,
}

impl ExportForm {
    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// Writes a table into a folder, under its own name.
pub fn write(frame: &Frame, folder: &Path, form: ExportForm) -> Result<PathBuf, EvalError> {
    let path = folder.join(format!("{}.{}", frame.name, form.ending()));
    let failed = |reason: String| EvalError::Write { path: path.clone(), reason };
    let bytes = match form {
        ExportForm::Parquet => parquet(frame).map_err(|e| failed(e.to_string()))?,
        ExportForm::Csv => csv(frame).map_err(|e| failed(e.to_string()))?,
    };
    write_bytes(&path, &bytes)?;
    Ok(path)
}

fn csv(frame: &Frame) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(frame.head.iter().map(|(name, _)| name))?;
    for row in &frame.rows {
        out.write_record(row.iter().map(Value::field))?;
    }
    out.into_inner().map_err(|e| e.into_error().into())
}

fn parquet(frame: &Frame) -> Result<Vec<u8>, ParquetError> {
    let column = |(name, kind): &(&str, Kind)| {
        let physical = match kind {
            Kind::Text => Physical::BYTE_ARRAY,
            Kind::Count => Physical::INT64,
            Kind::Number => Physical::DOUBLE,
            Kind::Flag => Physical::BOOLEAN,
        };
        let logical = (*kind == Kind::Text).then_some(LogicalType::String);
        let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        builder.with_logical_type(logical).build().map(Arc::new)
    };
    let columns = frame.head.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder(frame.name).with_fields(columns).build()?;
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by(About::program()).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    for rows in frame.rows.chunks(GROUP) {
        let mut group = writer.next_row_group()?;
        for (i, (_, kind)) in frame.head.iter().enumerate() {
            let values = rows.iter().map(|row| &row[i]);
            match kind {
                Kind::Text => write_column::<ByteArrayType, _>(&mut group, values, |value| match value {
                    Value::Text(text) => Some(ByteArray::from(text.as_bytes().to_vec())),
                    _ => None,
                })?,
                Kind::Count => write_column::<Int64Type, _>(&mut group, values, |value| match value {
                    Value::Count(n) => Some(*n),
                    _ => None,
                })?,
                Kind::Number => write_column::<DoubleType, _>(&mut group, values, |value| match value {
                    Value::Number(x) => Some(*x),
                    _ => None,
                })?,
                Kind::Flag => write_column::<BoolType, _>(&mut group, values, |value| match value {
                    Value::Flag(yes) => Some(*yes),
                    _ => None,
                })?,
            }
        }
        group.close()?;
    }
    writer.into_inner()
}

/// Writes the next column of a group: what `of` says of each value, nothing where it says nothing.
fn write_column<'v, T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = &'v Value>,
    of: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.map(of).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("a table has more columns than its schema".into()));
    };
    column.typed::<T>().write_batch(&there, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::{ExportForm, csv, parquet, write};
    use crate::export::{Frame, Kind, Value};

    fn frame() -> Frame {
        let head = vec![("name", Kind::Text), ("n", Kind::Count), ("x", Kind::Number), ("hit", Kind::Flag)];
        let mut frame = Frame::new("things", head);
        frame.push(vec!["a, \"b\"\nc".into(), 3usize.into(), 0.1.into(), true.into()]);
        frame.push(vec![Value::None, Value::None, Value::None, Value::None]);
        frame.push(vec!["é".into(), 0usize.into(), (-1e-300).into(), false.into()]);
        frame
    }

    #[test]
    fn what_is_written_as_parquet_is_read_again() {
        let reader = SerializedFileReader::new(bytes::Bytes::from(parquet(&frame()).unwrap())).unwrap();
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().into_columns().into_iter().map(|(_, f)| f).collect())
            .collect();
        let first = [Field::Str("a, \"b\"\nc".into()), Field::Long(3), Field::Double(0.1), Field::Bool(true)];
        assert_eq!(rows[0], first);
        assert_eq!(rows[1], vec![Field::Null; 4]);
        assert_eq!(rows[2][2], Field::Double(-1e-300));
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn what_is_written_as_csv_is_quoted() {
        let text = String::from_utf8(csv(&frame()).unwrap()).unwrap();
        assert!(text.starts_with("name,n,x,hit\n\"a, \"\"b\"\"\nc\",3,0.1,true\n,,,\né,0,-"), "{text}");
    }

    #[test]
    fn files_are_named_after_their_tables_and_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&frame(), &folder.path().join("new"), ExportForm::Parquet).unwrap();
        assert!(path.ends_with("new/things.parquet"));
        assert_eq!(std::fs::read(path).unwrap(), parquet(&frame()).unwrap());
    }
}
