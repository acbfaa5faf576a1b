//! Figures as PNG and PDF. Their text is set in `DejaVu Sans`, which is a part of the program: a figure is the same on every machine.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::{Figure, Placed};

/// Pixels of a PNG for each unit of a drawing: 300 per inch where a unit is a point and a little more.
const PIXELS: f32 = 4.0;

/// A drawing that cannot be written in another form.
#[derive(Debug, thiserror::Error)]
#[error("the figure {id} cannot be written as {form}: {reason}; write it as SVG")]
pub struct FigureError {
    id: String,
    form: &'static str,
    reason: String,
}

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

impl Figure {
    /// The drawing as PNG on white, [`PIXELS`] pixels for each of its units.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        let failed = |reason: &str| self.failed("PNG", reason);
        let tree = self.tree("PNG")?;
        let size = tree.size().to_int_size().scale_by(PIXELS).ok_or_else(|| failed("it is too large"))?;
        let mut pixels = Pixmap::new(size.width(), size.height()).ok_or_else(|| failed("it is too large"))?;
        pixels.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(PIXELS, PIXELS), &mut pixels.as_mut());
        pixels.encode_png().map_err(|e| failed(&e.to_string()))
    }

    /// The drawing as PDF: one page of its size, in points.
    pub fn pdf(&self) -> Result<Vec<u8>, FigureError> {
        let tree = self.tree("PDF")?;
        let (how, page) = (svg2pdf::ConversionOptions::default(), svg2pdf::PageOptions::default());
        svg2pdf::to_pdf(&tree, how, page).map_err(|e| self.failed("PDF", &e.to_string()))
    }

    fn tree(&self, form: &'static str) -> Result<Tree, FigureError> {
        let options =
            Options { fontdb: Arc::clone(&FONTS), font_family: "DejaVu Sans".to_string(), ..Options::default() };
        Tree::from_str(&self.svg(Placed::Alone), &options).map_err(|e| self.failed(form, &e.to_string()))
    }

    fn failed(&self, form: &'static str, reason: &str) -> FigureError {
        FigureError { id: self.id.clone(), form, reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use crate::figure::{Bars, Figure, Plot};

    #[test]
    fn a_figure_has_pixels_and_a_page() {
        let bars = Bars { x: "residual".into(), y: "%".into(), bars: vec![("1 < 2".into(), 3.0), ("β".into(), 5.0)] };
        let figure = Figure {
            id: "a".into(),
            title: "A".into(),
            caption: "n = 2".into(),
            sources: Vec::new(),
            plot: Plot::Bars(bars),
        };
        let png = figure.png().unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let pixels = resvg::tiny_skia::Pixmap::decode_png(&png).unwrap();
        // White paper, a blue bar, dark text.
        let count = |is: &dyn Fn(u8, u8, u8) -> bool| {
            pixels.pixels().iter().filter(|p| is(p.red(), p.green(), p.blue())).count()
        };
        assert!(count(&|r, g, b| r > 250 && g > 250 && b > 250) > pixels.pixels().len() / 2);
        assert!(count(&|r, _, b| r < 60 && b > 160) > 1000, "the bars");
        assert!(count(&|r, g, b| r < 80 && g < 80 && b < 80) > 100, "the letters");
        let pdf = figure.pdf().unwrap();
        assert!(pdf.starts_with(b"%PDF-") && pdf.windows(6).any(|w| w == b"DejaVu"), "text is text in the font");
        assert_eq!((png, pdf), (figure.png().unwrap(), figure.pdf().unwrap()), "the same bytes each time");
    }
}
