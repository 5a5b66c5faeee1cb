//! The ratios as a picture: bars on a scale of powers of two, from 1.0 to how many times faster. Light and dark readers see it alike.

use std::fmt::Write;

use super::{Line, Spread};

/// Where the bars begin, how wide all of them may be, and how wide the picture is, in pixels.
const LEFT: f64 = 390.0;
const WIDTH: f64 = 420.0;
const WHOLE: u32 = 880;
/// The height of a row, and of what stands above the first.
const ROW: f64 = 22.0;
const TOP: f64 = 64.0;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.one { stroke: #1f2328 }
.faster { fill: #1a7f37 }
.slower { fill: #bf5600 }
.range { stroke: #1f2328 }
.asked { stroke: #8250df; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.grid { stroke: #3d444d }
.one, .range { stroke: #f0f6fc }
.faster { fill: #3fb950 }
.slower { fill: #db8b3b }
.asked { stroke: #ab7df8 }
}";

/// A picture of those rows of which a figure is asked, and of the deliveries.
pub(crate) fn svg(lines: &[Line]) -> String {
    let is_shown = |line: &&Line| line.asked.times.is_some() || line.ours.sent().is_some();
    let bars: Vec<(&Line, Spread)> = lines
        .iter()
        .filter(is_shown)
        .filter_map(|line| Some((line, line.times_faster()?)))
        .collect();
    let scale = Scale::over(&bars);
    let height = TOP + ROW * bars.len() as f64 + 14.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WHOLE}\" height=\"{height}\" viewBox=\"0 0 {WHOLE} {height}\" role=\"img\">\n\
         <title>imgdelta beside its peers</title>\n<style>\n{STYLE}\n</style>\n\
         <text x=\"8\" y=\"20\">Times faster than the peer, on a scale of powers of two</text>\n"
    );
    let key = match bars.is_empty() {
        true => "nothing is measured yet",
        false => {
            "bar: median of the rounds; line: least to most; upright line: what was asked at least"
        }
    };
    // Writing to a String does not fail.
    let _ = writeln!(text, "<text class=\"small\" x=\"8\" y=\"38\">{key}</text>");
    grid(&mut text, &scale, height);
    for (number, (line, times)) in bars.iter().enumerate() {
        bar(&mut text, &scale, TOP + ROW * number as f64, line, *times);
    }
    text.push_str("</svg>\n");
    text
}

/// Ratios to places.
struct Scale {
    /// Powers of two at both ends.
    low: i32,
    high: i32,
}

impl Scale {
    fn over(bars: &[(&Line, Spread)]) -> Self {
        let asked = bars.iter().filter_map(|(line, _)| line.asked.times);
        let all = bars
            .iter()
            .flat_map(|(_, times)| [times.least, times.most])
            .chain(asked);
        let (low, high) = all.fold((0.5_f64, 4.0_f64), |(low, high), times| {
            (low.min(times), high.max(times))
        });
        // Beyond 64 times either way nobody reads a length.
        Self {
            low: (low.log2().floor() as i32).max(-6),
            high: (high.log2().ceil() as i32).min(6),
        }
    }

    fn place(&self, times: f64) -> f64 {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let part = (times.log2().clamp(low, high) - low) / (high - low);
        LEFT + WIDTH * part
    }
}

fn grid(text: &mut String, scale: &Scale, height: f64) {
    for power in scale.low..=scale.high {
        let times = f64::from(power).exp2();
        let (x, class) = (scale.place(times), if power == 0 { "one" } else { "grid" });
        let (top, bottom) = (TOP - 4.0, height - 8.0);
        let _ = writeln!(
            text,
            "<text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{times}</text>\n\
             <line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>",
            top - 4.0
        );
    }
}

fn bar(text: &mut String, scale: &Scale, top: f64, line: &Line, times: Spread) {
    let (one, end) = (scale.place(1.0), scale.place(times.median));
    let (from, width) = (one.min(end), (one - end).abs().max(1.0));
    let class = if times.median >= 1.0 {
        "faster"
    } else {
        "slower"
    };
    let (least, most) = (scale.place(times.least), scale.place(times.most));
    let (middle, foot) = (top + 9.0, top + 13.0);
    let right = times.most.max(1.0).max(line.asked.times.unwrap_or(0.0));
    let figure = scale.place(right) + 6.0;
    let label = escaped(&format!("{}, beside {}", line.work, tool(&line.beside)));
    let _ = writeln!(
        text,
        "<text x=\"{:.1}\" y=\"{foot:.1}\" text-anchor=\"end\">{label}</text>\n\
         <rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"12\"/>\n\
         <line class=\"range\" x1=\"{least:.1}\" x2=\"{most:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>",
        LEFT - 10.0,
        top + 3.0
    );
    if let Some(asked) = line.asked.times {
        let x = scale.place(asked);
        let _ = writeln!(
            text,
            "<line class=\"asked\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
            top + 1.0,
            top + 17.0
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{figure:.1}\" y=\"{foot:.1}\">{:.2}</text>",
        times.median
    );
}

/// A peer in the room that there is: what of it is called stands in the tables.
fn tool(beside: &str) -> &str {
    let head = beside.split(',').next().unwrap_or(beside);
    let programs = ["qemu-img", "openssl"];
    let program = programs.into_iter().find(|one| head.starts_with(one));
    program.unwrap_or(head)
}

/// Text as XML takes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
