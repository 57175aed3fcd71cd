//! Tables of recorded behaviour: separated text with a header, plain or gzip, columns found by their names.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::SimError;

/// Most rows that are read of one table.
pub const MAX_ROWS: usize = 20_000_000;
/// Most bytes that are read of one table, unpacked.
pub const MAX_BYTES: u64 = 4 << 30;

/// The table under this name, plain or with `.gz`; `None` where neither is there.
#[must_use]
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(format!("{name}.gz")), folder.join(name)].into_iter().find(|p| p.is_file())
}

/// A table that is being read.
pub struct Table {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    names: csv::StringRecord,
    row: csv::StringRecord,
    rows: usize,
}

impl Table {
    /// Opens a table.
    ///
    /// # Errors
    /// Where it cannot be read or has no header.
    pub fn open(path: &Path, separator: u8) -> Result<Self, SimError> {
        let file = std::fs::File::open(path).map_err(|e| SimError::io(path, e))?;
        let source: Box<dyn Read> = match path.extension().is_some_and(|e| e == "gz") {
            true => Box::new(flate2::read::GzDecoder::new(file).take(MAX_BYTES)),
            false => Box::new(file.take(MAX_BYTES)),
        };
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).quoting(separator == b',').from_reader(source);
        let names = reader.headers().map_err(|e| SimError::format(path, e.to_string()))?.clone();
        Ok(Table { path: path.to_owned(), reader, names, row: csv::StringRecord::new(), rows: 0 })
    }

    /// Where a column is. RecBole writes types behind names, `rating:float`; the name alone finds it.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn column(&self, name: &str) -> Result<usize, SimError> {
        self.names
            .iter()
            .position(|n| n == name || n.split_once(':').is_some_and(|(n, _)| n == name))
            .ok_or_else(|| SimError::format(&self.path, format!("no column {name}")))
    }

    /// Goes to the next row; `false` at the end.
    ///
    /// # Errors
    /// Where the row has another number of cells, is no text, or there are too many.
    pub fn advance(&mut self) -> Result<bool, SimError> {
        if self.rows >= MAX_ROWS {
            return Err(SimError::format(&self.path, "too many rows"));
        }
        self.rows += 1;
        self.reader.read_record(&mut self.row).map_err(|e| SimError::format(&self.path, e.to_string()))
    }

    /// A cell as text.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        self.row.get(column).unwrap_or("").trim()
    }

    /// A cell as a number that is one and not below zero.
    ///
    /// # Errors
    /// Where it is none.
    pub fn number(&self, column: usize) -> Result<f64, SimError> {
        let text = self.text(column);
        text.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(|| self.bad(column, text))
    }

    /// A cell as a number.
    ///
    /// # Errors
    /// Where it is none.
    pub fn signed(&self, column: usize) -> Result<f64, SimError> {
        let text = self.text(column);
        text.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(|| self.bad(column, text))
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// A cell as a whole number.
    ///
    /// # Errors
    /// Where it is none.
    pub fn whole(&self, column: usize) -> Result<u64, SimError> {
        let text = self.text(column);
        let plain = text.strip_suffix(".0").unwrap_or(text);
        plain.parse().map_err(|_| self.bad(column, text))
    }

    /// A cell as whole numbers with blanks between them.
    ///
    /// # Errors
    /// Where one of them is none.
    pub fn list(&self, column: usize) -> Result<Vec<u64>, SimError> {
        let text = self.text(column);
        text.split_whitespace().map(|t| t.parse().map_err(|_| self.bad(column, t))).collect()
    }

    fn bad(&self, column: usize, text: &str) -> SimError {
        let name = self.names.get(column).unwrap_or("?");
        let shown: String = text.chars().take(40).collect();
        SimError::format(
            &self.path,
            format!("row {}, column {name}: {shown:?} is not what belongs there", self.rows),
        )
    }
}
