//! Line charts: an SVG that stretches to the page's width, with axis labels as HTML text, so that they stay readable on a phone.

use super::html::{escape, json_string, number, percent, trim_zeros};
use super::series::{Point, quantile_range, smooth, thin, ticks, union};

/// How the values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Plain numbers.
    Number,
    /// Shares in `0..=1`, shown as per cent.
    Share,
}

/// How a line is drawn; the names are CSS classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Thin and pale: raw values.
    Raw,
    /// The main line.
    Main,
    /// A line with a dot a point: few, important values.
    Dots,
}

impl Style {
    fn class(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Main => "main",
            Self::Dots => "dots",
        }
    }
}

/// A line of a chart.
#[derive(Debug, Clone)]
struct Line {
    name: String,
    style: Style,
    points: Vec<Point>,
}

/// A chart of training values (a line a step, smoothed when there are many) and evaluation values (dots).
#[derive(Debug, Clone)]
pub(super) struct Chart {
    title: &'static str,
    unit: Unit,
    lines: Vec<Line>,
    x: (f64, f64),
    y: (f64, f64),
    bad: Vec<(f64, f64)>, // first and last step of each run of non-finite values
    bad_points: usize,
}

/// Points drawn a line at most: more than a screen has columns.
const DRAWN: usize = 700;
/// Points of a smoothed line at most; its cost is this times the width of the window.
const SMOOTHED: usize = 240;
/// Runs of non-finite points marked at most.
const MARKED: usize = 200;

impl Chart {
    /// A chart of `train` (named `train_name`) and `eval` (named `eval_name`).
    pub(super) fn new(
        title: &'static str,
        unit: Unit,
        train: (&str, &[(u64, f64)]),
        eval: (&str, &[(u64, f64)]),
        smoothed: bool,
    ) -> Self {
        let to_points = |series: &[(u64, f64)]| {
            series
                .iter()
                .map(|&(x, y)| (x as f64, y))
                .collect::<Vec<Point>>()
        };
        let (raw, dots) = (to_points(train.1), to_points(eval.1));
        let mut bad = bad_runs(&raw);
        bad.extend(bad_runs(&dots));
        let bad_points = raw.iter().chain(&dots).filter(|p| !p.1.is_finite()).count();
        let (mut lines, y) = if smoothed && raw.len() >= 24 {
            smoothed_lines(train.0, &raw)
        } else {
            plain_line(train.0, &raw)
        };
        let y = union(y, quantile_range(&dots, 0.0));
        lines.push(Line {
            name: eval.0.to_owned(),
            style: Style::Dots,
            points: thin(&dots, DRAWN),
        });
        lines.retain(|line| !line.points.is_empty());
        let steps = || raw.iter().chain(&dots).map(|p| p.0);
        let x = (
            steps().fold(f64::INFINITY, f64::min),
            steps().fold(f64::NEG_INFINITY, f64::max),
        );
        Self {
            title,
            unit,
            x: widen_steps(x),
            y: widen(y, unit),
            lines,
            bad,
            bad_points,
        }
    }

    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The figure.
    pub(super) fn render(&self, wide: bool) -> String {
        let legend: String = self
            .lines
            .iter()
            .map(|l| format!("<li class=\"{}\">{}</li>", l.style.class(), escape(&l.name)))
            .collect();
        let first_bad = self
            .bad
            .iter()
            .map(|run| run.0)
            .fold(f64::INFINITY, f64::min);
        let bad = match self.bad_points {
            0 => String::new(),
            n => format!("<li class=\"bad\">{n} not finite, first at step {first_bad:.0}</li>"),
        };
        format!(
            "<figure class=\"chart{}\"><figcaption><h3>{}</h3><ul class=\"legend\">{legend}{bad}</ul></figcaption>\n<div class=\"frame\">{}\
             <div class=\"plot\" data-x0=\"{}\" data-x1=\"{}\" data-unit=\"{}\"><svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{}\">{}{}{}</svg><svg class=\"over\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}</svg></div></div><script type=\"application/json\">{}</script></figure>\n",
            if wide { " wide" } else { "" },
            self.title,
            self.labels(),
            self.x.0,
            self.x.1,
            if self.unit == Unit::Share {
                "share"
            } else {
                "number"
            },
            escape(&self.spoken()),
            self.grid(),
            self.paths(|style| style != Style::Dots),
            self.marks(),
            self.paths(|style| style == Style::Dots),
            self.data(),
        )
    }

    /// Position in the drawing, 0..=1000 from the left and from the top.
    fn place(&self, (x, y): Point) -> (f64, f64) {
        let left = (x - self.x.0) / (self.x.1 - self.x.0) * 1000.0;
        let top = 1000.0 - (y - self.y.0) / (self.y.1 - self.y.0) * 1000.0;
        (left, top.clamp(-2000.0, 3000.0)) // far spikes leave the frame, but not the number range
    }

    /// The lines of some styles. Dots may stand on the frame, so they are drawn in a second layer that is not clipped.
    fn paths(&self, wanted: impl Fn(Style) -> bool) -> String {
        self.lines
            .iter()
            .filter(|l| wanted(l.style))
            .map(|l| self.path(l))
            .collect()
    }

    /// The polyline, interrupted where a value is not finite.
    fn path(&self, line: &Line) -> String {
        let mut d = String::new();
        let mut dots = String::new();
        for piece in line
            .points
            .split(|p| !p.1.is_finite())
            .filter(|piece| !piece.is_empty())
        {
            for (i, &point) in piece.iter().enumerate() {
                let (left, top) = self.place(point);
                d.push_str(&format!(
                    "{}{left:.1} {top:.1}",
                    if i == 0 { "M" } else { "L" }
                ));
                if piece.len() == 1 || line.style == Style::Dots {
                    dots.push_str(&format!("M{left:.1} {top:.1}h0"));
                }
            }
        }
        let class = line.style.class();
        let dots = if dots.is_empty() {
            dots
        } else {
            format!("<path class=\"{class} dot\" d=\"{dots}\"/>")
        };
        format!("<path class=\"{class}\" d=\"{d}\"/>{dots}")
    }

    /// Bands over the steps whose values are not finite.
    fn marks(&self) -> String {
        let left = |x: f64| self.place((x, self.y.0)).0;
        let band = |&(first, last): &(f64, f64)| {
            format!(
                "M{:.1} 0H{:.1}V1000H{:.1}z",
                left(first),
                left(last),
                left(first)
            )
        };
        let d: String = self.bad.iter().take(MARKED).map(band).collect();
        if d.is_empty() {
            d
        } else {
            format!("<path class=\"bad\" d=\"{d}\"/>")
        }
    }

    fn grid(&self) -> String {
        let rows = ticks(self.y.0, self.y.1, 5)
            .0
            .into_iter()
            .map(|y| format!("M0 {:.1}h1000", self.place((self.x.0, y)).1));
        format!("<path class=\"grid\" d=\"{}\"/>", rows.collect::<String>())
    }

    fn labels(&self) -> String {
        let (rows, decimals) = ticks(self.y.0, self.y.1, 5);
        let row = |y: f64| {
            let text = match self.unit {
                Unit::Share => format!("{}%", trim_zeros(&format!("{:.1}", y * 100.0))),
                Unit::Number if y != 0.0 && decimals > 4 => number(y).replace(".000e", "e"),
                Unit::Number => format!("{y:.decimals$}"),
            };
            format!(
                "<span class=\"y\" style=\"top:{:.2}%\">{text}</span>",
                self.place((self.x.0, y)).1 / 10.0
            )
        };
        let column = |x: f64| {
            format!(
                "<span class=\"x\" style=\"left:{:.2}%\">{}</span>",
                self.place((x, self.y.0)).0 / 10.0,
                short(x)
            )
        };
        let columns = ticks(self.x.0, self.x.1, 6)
            .0
            .into_iter()
            .filter(|x| x.fract() == 0.0);
        format!(
            "<div class=\"ticks\">{}{}<span class=\"unit\">step</span></div>",
            rows.into_iter().map(row).collect::<String>(),
            columns.map(column).collect::<String>()
        )
    }

    /// What a screen reader says.
    fn spoken(&self) -> String {
        let last = |line: &Line| {
            line.points
                .iter()
                .rev()
                .find(|p| p.1.is_finite())
                .map(|p| (line.name.clone(), p.1))
        };
        let show = |y: f64| {
            if self.unit == Unit::Share {
                percent(y, 1)
            } else {
                number(y)
            }
        };
        let ends: Vec<String> = self
            .lines
            .iter()
            .filter_map(last)
            .map(|(name, y)| format!("{name} ends at {}", show(y)))
            .collect();
        format!("{}: {}", self.title, ends.join("; "))
    }

    /// The points for the tooltip: `[{name, style, points: [[step, value], …]}]`; non-finite values are left out.
    fn data(&self) -> String {
        let line = |l: &Line| {
            let finite = l.points.iter().filter(|p| p.1.is_finite());
            let points: Vec<String> = finite.map(|p| format!("[{},{:.5e}]", p.0, p.1)).collect();
            format!(
                "{{\"name\":{},\"style\":\"{}\",\"points\":[{}]}}",
                json_string(&l.name),
                l.style.class(),
                points.join(",")
            )
        };
        format!(
            "[{}]",
            self.lines.iter().map(line).collect::<Vec<_>>().join(",")
        )
    }
}

/// First and last step of each run of neighbours that are not finite.
fn bad_runs(points: &[Point]) -> Vec<(f64, f64)> {
    let runs = points.chunk_by(|a, b| a.1.is_finite() == b.1.is_finite());
    runs.filter(|run| !run[0].1.is_finite())
        .map(|run| (run[0].0, run[run.len() - 1].0))
        .collect()
}

/// Lines and the range of values that they need.
type Lines = (Vec<Line>, Option<(f64, f64)>);

/// The raw values, pale, and a smooth line over them. Spikes may leave the frame.
fn smoothed_lines(name: &str, raw: &[Point]) -> Lines {
    let usual = quantile_range(raw, 0.02);
    // One spike must not make a hill of the smooth line: values far outside the usual ones count as far as its edge.
    let tame = |y: f64| {
        usual.map_or(y, |(low, high)| {
            y.clamp(low - (high - low), high + (high - low))
        })
    };
    let tamed: Vec<Point> = raw
        .iter()
        .map(|&(x, y)| (x, if y.is_finite() { tame(y) } else { y }))
        .collect();
    let soft = smooth(&tamed, (raw.len() / 24).max(6), SMOOTHED);
    let range = union(quantile_range(&soft, 0.0), usual);
    let pale = Line {
        name: name.to_owned(),
        style: Style::Raw,
        points: thin(raw, DRAWN),
    };
    let main = Line {
        name: format!("{name}, smoothed"),
        style: Style::Main,
        points: soft,
    };
    (vec![pale, main], range)
}

fn plain_line(name: &str, raw: &[Point]) -> Lines {
    let line = Line {
        name: name.to_owned(),
        style: Style::Main,
        points: thin(raw, DRAWN),
    };
    (vec![line], quantile_range(raw, 0.0))
}

/// Steps that are all the same get a range around them.
fn widen_steps((low, high): (f64, f64)) -> (f64, f64) {
    match (low, high) {
        (low, high) if !low.is_finite() || !high.is_finite() => (0.0, 1.0),
        (low, high) if low == high => (low - 1.0, high + 1.0),
        // A run from step 1 (or from the first logged step) starts at the axis.
        (low, high) if low <= high * 0.1 => (0.0, high),
        range => range,
    }
}

/// Leaves air above and below; takes 0 in when it is near.
fn widen(range: Option<(f64, f64)>, unit: Unit) -> (f64, f64) {
    let Some((low, high)) = range else {
        return (0.0, 1.0);
    };
    let span = high - low;
    if !span.is_finite() {
        return (low / 2.0, high / 2.0);
    }
    let air = if span > 0.0 {
        span * 0.06
    } else {
        (high.abs() * 0.1).max(1e-9)
    };
    let bottom = if low >= 0.0 && low < 0.4 * high {
        0.0
    } else {
        low - air
    };
    match unit {
        Unit::Share => (bottom.max(0.0), (high + air).min(1.0).max(bottom + 1e-6)),
        Unit::Number => (bottom, high + air),
    }
}

/// `1500` -> `1500`, `25000` -> `25k`, `1500000` -> `1.5M`.
fn short(x: f64) -> String {
    let scaled = |by: f64, unit: &str| format!("{}{unit}", trim_zeros(&format!("{:.2}", x / by)));
    match x.abs() {
        s if s >= 1e6 => scaled(1e6, "M"),
        s if s >= 1e4 => scaled(1e3, "k"),
        _ => format!("{x:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Chart, Unit, short, widen};

    fn chart(train: &[(u64, f64)], eval: &[(u64, f64)]) -> Chart {
        Chart::new(
            "Loss",
            Unit::Number,
            ("training", train),
            ("test", eval),
            true,
        )
    }

    /// Every number in the drawing is finite.
    #[track_caller]
    fn assert_sound(chart: &Chart) -> String {
        let html = chart.render(false);
        for d in html
            .split(" d=\"")
            .skip(1)
            .filter_map(|s| s.split('"').next())
        {
            assert!(!d.contains("NaN") && !d.contains("inf"), "{d}");
        }
        assert!(
            !html.contains("top:NaN") && !html.contains("left:NaN") && !html.contains("inf%"),
            "{html}"
        );
        html
    }

    #[test]
    fn empty_one_point_and_constant_series_draw() {
        assert!(chart(&[], &[]).is_empty());
        assert_sound(&chart(&[], &[]));
        assert!(
            assert_sound(&chart(&[(5, 1.0)], &[])).contains("dot"),
            "one point is a dot"
        );
        assert_sound(&chart(&[(5, 0.0), (6, 0.0)], &[(5, 0.0)]));
        assert_sound(&chart(&[(0, 3.0); 100], &[]));
        assert_sound(&chart(&[(0, -1e308), (1, 1e308)], &[]));
        assert_sound(&chart(&[(u64::MAX, 1.0), (0, f64::MIN_POSITIVE)], &[]));
    }

    #[test]
    fn values_that_are_not_finite_break_the_line_and_are_told() {
        let mut train: Vec<(u64, f64)> = (0..50).map(|i| (i, 1.0)).collect();
        train[20].1 = f64::NAN;
        train[30].1 = f64::INFINITY;
        let html = assert_sound(&chart(&train, &[(49, f64::NAN)]));
        assert!(html.contains("3 not finite, first at step 20"), "{html}");
        let raw = html
            .split("<path class=\"raw\" d=\"")
            .nth(1)
            .and_then(|s| s.split('"').next())
            .expect("the raw line");
        assert_eq!(raw.matches('M').count(), 3, "two gaps make three pieces");
        let all_nan = assert_sound(&chart(&[(0, f64::NAN), (1, f64::NAN)], &[]));
        assert!(all_nan.contains("2 not finite"));
    }

    #[test]
    fn a_spike_does_not_flatten_the_curve() {
        let mut train: Vec<(u64, f64)> = (0..400).map(|i| (i, 2.0)).collect();
        train[200].1 = 1e6;
        assert!(chart(&train, &[]).y.1 < 3.0);
        let slope: Vec<(u64, f64)> = (0..400)
            .map(|i| (i, if i == 200 { 1e6 } else { i as f64 }))
            .collect();
        assert!(chart(&slope, &[]).y.1 < 450.0);
        let long: Vec<(u64, f64)> = (0..100_000).map(|i| (i, (i as f64).sin())).collect();
        assert!(
            chart(&long, &[]).render(true).len() < 200_000,
            "long runs are thinned"
        );
    }

    #[test]
    fn axes_are_sensible() {
        assert_eq!(widen(Some((0.1, 2.0)), Unit::Number).0, 0.0);
        assert!(widen(Some((1.9, 2.0)), Unit::Number).0 > 1.8);
        assert_eq!(widen(Some((0.5, 0.99)), Unit::Share).1, 1.0);
        assert_eq!(
            [short(1500.0), short(25_000.0), short(1.5e6)],
            ["1500", "25k", "1.5M"]
        );
    }

    #[test]
    fn names_are_escaped() {
        let html = Chart::new(
            "Loss",
            Unit::Number,
            ("<b>", &[(0, 1.0)]),
            ("</script>", &[(0, 1.0)]),
            true,
        )
        .render(false);
        assert!(
            !html.contains("<b>") && html.matches("</script>").count() == 1,
            "{html}"
        );
    }
}
