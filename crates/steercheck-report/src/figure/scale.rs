//! From values to places: one linear scale for every axis.

/// A stretch of values laid over a stretch of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    values: [f64; 2],
    places: [f64; 2],
}

impl Scale {
    /// From `values` to `places`; a stretch of one value gets a little room.
    pub fn new(values: [f64; 2], places: [f64; 2]) -> Self {
        let [low, high] = values;
        let values = if high > low { values } else { [low - 0.5, low + 0.5] };
        Self { values, places }
    }

    /// Around all of some values, with whole ticks at both ends.
    pub fn around(values: impl Iterator<Item = f64>, places: [f64; 2]) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let step = step(high - low);
        Self::new([(low / step).floor() * step, (high / step).ceil() * step], places)
    }

    /// Where a value is.
    pub fn place(&self, value: f64) -> f64 {
        let share = (value - self.values[0]) / (self.values[1] - self.values[0]);
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// Round values to mark, five or so.
    pub fn ticks(&self) -> Vec<f64> {
        let step = step(self.values[1] - self.values[0]);
        let first = (self.values[0] / step - 1e-9).ceil() as i64;
        let last = (self.values[1] / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// 1, 2 or 5 times a power of ten, about a fifth of a length.
fn step(length: f64) -> f64 {
    if length <= 0.0 || !length.is_finite() {
        return 1.0;
    }
    let rough = length / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough * 0.999).unwrap_or(10.0 * power)
}

/// A tick as text: no more digits than it has.
pub fn tick(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::{Scale, tick};

    #[test]
    fn values_keep_their_order_and_ticks_are_round() {
        let scale = Scale::around([3.0, 97.0].into_iter(), [200.0, 0.0]);
        assert_eq!(scale.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert!((scale.place(0.0) - 200.0).abs() < 1e-9 && (scale.place(100.0)).abs() < 1e-9);
        assert!(scale.place(3.0) > scale.place(97.0));
        let small = Scale::around([-0.0012, 0.0033].into_iter(), [0.0, 1.0]);
        let ticks: Vec<String> = small.ticks().iter().map(|t| tick(*t)).collect();
        assert_eq!(ticks, ["−0.002", "0", "0.002", "0.004"]);
    }

    #[test]
    fn nothing_and_one_value_have_a_scale_too() {
        assert_eq!(Scale::around(std::iter::empty(), [0.0, 1.0]).ticks().len(), 6);
        let one = Scale::around([7.0].into_iter(), [0.0, 10.0]);
        assert!((one.place(7.0) - 5.0).abs() < 1e-9);
    }
}
