//! Progress on standard error: a bar with a rate and an estimate where that is a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use steercheck_hub::Progress;
use steercheck_model::Watcher;

/// A line on standard error. Where nobody reads it any more (`2>&1 | head`), eprintln! would panic.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Shows downloads: a bar that is replaced at each step.
pub(crate) struct Downloads(Mutex<ProgressBar>);

impl Downloads {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ProgressBar::hidden()))
    }
}

impl Progress for Downloads {
    fn start(&self, what: &str, total: Option<u64>) {
        let Ok(mut current) = self.0.lock() else { return };
        if !std::io::stderr().is_terminal() {
            line(what);
            return;
        }
        let bar = ProgressBar::new(total.unwrap_or(0));
        let style = ProgressStyle::with_template("{msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        *current = bar;
    }

    fn advance(&self, bytes: u64) {
        if let Ok(bar) = self.0.lock() {
            bar.inc(bytes);
        }
    }

    fn finish(&self) {
        if let Ok(bar) = self.0.lock() {
            bar.finish_and_clear();
        }
    }
}

/// Shows the work of cells, counted in tokens (rows through all blocks).
pub(crate) struct Work {
    bar: ProgressBar,
    depth: u64,
    terminal: bool,
}

impl Work {
    /// `planned` in rows × blocks.
    pub(crate) fn new(planned: u64, depth: usize) -> Self {
        let depth = depth.max(1) as u64;
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(planned) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg:28} {bar:24} {percent:>3} %  {tokens}  ETA {eta}") {
            let style =
                style.with_key("tokens", move |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
                    let _ = write!(w, "{:.0} tokens/s", state.per_sec() / depth as f64);
                });
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, depth, terminal }
    }

    /// What the engine reports to.
    pub(crate) fn watcher(&self) -> Watcher {
        let bar = self.bar.clone();
        Arc::new(move |rows| bar.inc(rows))
    }

    /// A cell begins.
    pub(crate) fn begin(&self, what: &str) {
        self.bar.set_message(what.to_string());
    }

    /// A cell has ended after `seconds`; `tokens` in rows × blocks.
    pub(crate) fn ended(&self, what: &str, done: usize, of: usize, seconds: f64, planned: u64) {
        if !self.terminal {
            let rate = planned as f64 / self.depth as f64 / seconds.max(1e-9);
            line(&format!("[{done}/{of}] {what}: {seconds:.1} s, {rate:.0} tokens/s"));
        }
    }

    /// All done.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
