use crate::{Estimate, Method};

/// Interval of the difference `a − b` of two independent estimates by squaring and adding the distances to their own
/// limits (Newcombe 1998, *Statistics in Medicine* 17:873, method 10; with Wilson intervals it is his recommended one).
///
/// For arms that were asked the same items it is conservative: positive correlation makes the true interval narrower.
/// `n` is the smaller of the two.
pub fn difference(a: &Estimate, b: &Estimate) -> Estimate {
    let point = a.point - b.point;
    let below = (a.point - a.low).hypot(b.high - b.point);
    let above = (a.high - a.point).hypot(b.point - b.low);
    Estimate {
        point,
        low: point - below,
        high: point + above,
        level: a.level.min(b.level),
        n: a.n.min(b.n),
        method: Method::SquareAndAdd,
    }
}

#[cfg(test)]
mod tests {
    use super::difference;
    use crate::wilson;

    #[test]
    fn newcombes_published_intervals_come_out() {
        // Newcombe 1998 (17:873), table II, method 10: 56/70 − 48/80, 9/10 − 3/10, 10/10 − 0/20.
        for ((a, m), (b, n), low, high) in
            [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0)]
        {
            let d = difference(&wilson(a, m, 0.95).unwrap(), &wilson(b, n, 0.95).unwrap());
            assert!((d.low - low).abs() < 6e-5 && (d.high - high).abs() < 6e-5, "{d:.4}");
        }
    }
}
