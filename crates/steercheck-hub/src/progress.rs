//! How long work is reported: the caller draws it, or does not.

/// Told about each download or check as it goes on.
pub trait Progress {
    /// A piece of work begins: what it is, and its length in bytes where that is known.
    fn start(&self, what: &str, total: Option<u64>);
    /// This many more bytes are done.
    fn advance(&self, bytes: u64);
    /// The piece of work has ended, well or not.
    fn finish(&self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}

/// A piece of work under way: finished when it is dropped, so that no way out forgets it.
pub(crate) struct Step<'a>(&'a dyn Progress);

impl<'a> Step<'a> {
    pub(crate) fn begin(progress: &'a dyn Progress, what: &str, total: Option<u64>) -> Self {
        progress.start(what, total);
        Self(progress)
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}
