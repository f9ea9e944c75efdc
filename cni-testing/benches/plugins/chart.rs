//! Charts: grouped bars, and curves.

use crate::svg::{Anchor, COLOURS, Svg};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 64.0;
const HEIGHT: f64 = 250.0;

/// The values of one program.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// The number of its colour.
    pub(crate) colour: usize,
    /// The values in milliseconds: one for each point of a curve, or for each group of bars.
    pub(crate) values: Vec<Option<f64>>,
}

/// The labels of the horizontal axis.
#[derive(Debug)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) labels: Vec<String>,
}

/// Draws grouped bars, with a group for each label.
pub(crate) fn bars(title: &str, axis: &Axis, series: &[Series]) -> String {
    let mut svg = Svg::new(WIDTH, TOP + HEIGHT + 50.0);
    let scale = Scale::of(series);
    frame(&mut svg, title, &scale, axis, series);
    let group = (WIDTH - LEFT - RIGHT) / axis.labels.len().max(1) as f64;
    let bar = (group * 0.84 / series.len().max(1) as f64).min(40.0);
    for (g, label) in axis.labels.iter().enumerate() {
        let middle = LEFT + group * (g as f64 + 0.5);
        svg.text("", (middle, TOP + HEIGHT + 18.0), Anchor::Middle, label);
        let first = middle - bar * series.len() as f64 / 2.0;
        for (s, one) in series.iter().enumerate() {
            let Some(value) = one.values.get(g).copied().flatten() else { continue };
            let (x, y) = (first + bar * s as f64, scale.y(value));
            let hint = format!("{}, {label}: {}", one.name, millis(value));
            svg.rect(&class(one), (x + 1.0, y), (bar - 2.0, TOP + HEIGHT - y), &hint);
            svg.text("small", (x + bar / 2.0, y - 4.0), Anchor::Middle, &short(value));
        }
    }
    svg.to_string()
}

/// Draws curves over labels at equal distances, for counts that grow by factors.
pub(crate) fn curves(title: &str, axis: &Axis, series: &[Series]) -> String {
    let mut svg = Svg::new(WIDTH, TOP + HEIGHT + 50.0);
    let scale = Scale::of(series);
    frame(&mut svg, title, &scale, axis, series);
    let group = (WIDTH - LEFT - RIGHT) / axis.labels.len().max(1) as f64;
    let x = |at: usize| LEFT + group * (at as f64 + 0.5);
    for (at, label) in axis.labels.iter().enumerate() {
        svg.text("", (x(at), TOP + HEIGHT + 18.0), Anchor::Middle, label);
    }
    for one in series {
        let values = one.values.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?)));
        let values: Vec<(usize, f64)> = values.collect();
        let points: Vec<_> = values.iter().map(|(at, value)| (x(*at), scale.y(*value))).collect();
        svg.path(&class(one), &points);
        for (point, (at, value)) in points.iter().zip(&values) {
            svg.dot(&class(one), *point, &format!("{}, {}: {}", one.name, axis.labels[*at], millis(*value)));
        }
    }
    svg.to_string()
}

fn class(series: &Series) -> String {
    format!("c{}", series.colour % COLOURS)
}

fn frame(svg: &mut Svg, title: &str, scale: &Scale, axis: &Axis, series: &[Series]) {
    svg.text("title", (LEFT, 20.0), Anchor::Start, title);
    let mut x = LEFT;
    for one in series {
        svg.rect(&class(one), (x, 34.0), (10.0, 10.0), &one.name);
        svg.text("", (x + 15.0, 43.0), Anchor::Start, &one.name);
        x += 30.0 + 6.6 * one.name.len() as f64;
    }
    for value in scale.ticks() {
        let y = scale.y(value);
        svg.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
        svg.text("small", (LEFT - 8.0, y + 4.0), Anchor::End, &millis(value));
    }
    svg.text("small", ((LEFT + WIDTH - RIGHT) / 2.0, TOP + HEIGHT + 40.0), Anchor::Middle, &axis.title);
}

/// The vertical axis: linear from 0 if the values are similar, otherwise logarithmic.
#[derive(Debug)]
struct Scale {
    is_log: bool,
    low: f64,
    high: f64,
}

impl Scale {
    /// The ratio of the largest to the smallest value above which the axis is logarithmic.
    const ALIKE: f64 = 25.0;

    fn of(series: &[Series]) -> Self {
        let values: Vec<f64> = series.iter().flat_map(|one| one.values.iter().flatten().copied()).collect();
        let high = values.iter().copied().fold(0.0_f64, f64::max).max(0.001);
        let low = values.iter().copied().filter(|value| *value > 0.0).fold(high, f64::min);
        if high / low > Self::ALIKE {
            let (low, high) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
            return Self { is_log: true, low, high };
        }
        let step = Self::step(high);
        Self { is_log: false, low: 0.0, high: (high * 1.04 / step).ceil() * step }
    }

    /// Returns a round step, of which a few make up the range.
    fn step(high: f64) -> f64 {
        let power = 10_f64.powf((high / 4.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        steps.into_iter().find(|step| high / step <= 5.0).unwrap_or(10.0 * power)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let count = (self.high / self.low).log10().round() as i32;
            return (0..=count).map(|power| self.low * 10_f64.powi(power)).collect();
        }
        let step = Self::step(self.high);
        (0..=(self.high / step).round() as u32).map(|n| f64::from(n) * step).collect()
    }

    fn y(&self, value: f64) -> f64 {
        let part = if self.is_log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            value / self.high
        };
        TOP + HEIGHT * (1.0 - part)
    }
}

/// Formats a time with its unit.
pub(crate) fn millis(value: f64) -> String {
    format!("{} ms", short(value))
}

/// Formats a number with its significant digits.
fn short(value: f64) -> String {
    match value {
        v if v >= 99.5 || v == 0.0 => format!("{v:.0}"),
        v if v >= 9.95 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svg::is_well_formed;

    fn series(values: &[f64]) -> Vec<Series> {
        let values = values.iter().map(|value| Some(*value)).chain([None]).collect();
        vec![Series { name: "Go & <co>".to_owned(), colour: 9, values }]
    }

    fn axis() -> Axis {
        Axis { title: "taken".to_owned(), labels: ["0", "1,000", "none"].map(str::to_owned).to_vec() }
    }

    #[test]
    fn pictures_are_well_formed_and_have_all_values() {
        for values in [[1.0, 3.0], [0.1, 300.0], [0.0, 0.0]] {
            for text in [bars("a < b", &axis(), &series(&values)), curves("a < b", &axis(), &series(&values))]
            {
                assert!(is_well_formed(&text), "{text}");
                assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
                for value in values {
                    assert!(text.contains(&format!(": {}<", millis(value))), "{value} is not in {text}");
                }
            }
        }
    }

    #[test]
    fn values_that_are_alike_stand_on_nothing_and_others_on_powers_of_ten() {
        let scale = Scale::of(&series(&[1.0, 9.0]));
        assert!(!scale.is_log && scale.ticks()[0] == 0.0 && scale.high >= 9.0);
        let scale = Scale::of(&series(&[0.7, 300.0]));
        assert!(scale.is_log);
        let ticks: Vec<_> = scale.ticks().iter().map(|tick| millis(*tick)).collect();
        assert_eq!(ticks, ["0.10 ms", "1.00 ms", "10.0 ms", "100 ms", "1000 ms"]);
        assert!(scale.y(0.7) > scale.y(300.0) && scale.y(300.0) >= TOP);
    }
}
