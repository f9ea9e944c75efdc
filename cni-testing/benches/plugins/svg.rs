//! A writer for the part of SVG that the pictures need, for light and dark backgrounds.

use std::fmt::{self, Write};

/// Returns the CSS class of a series, which has its colour.
pub(crate) const COLOURS: usize = 7;

const STYLE: &str = "\
text { font: 12px sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: bold }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #8c959f; stroke-opacity: .35 }
.line { fill: none; stroke-width: 2 }
.c0 { fill: #bf5b16; stroke: #bf5b16 } .c1 { fill: #2f81d6; stroke: #2f81d6 }
.c2 { fill: #1a9e5c; stroke: #1a9e5c } .c3 { fill: #8f6bd1; stroke: #8f6bd1 }
.c4 { fill: #98a4b3; stroke: #98a4b3 } .c5 { fill: #6b7a8c; stroke: #6b7a8c }
.c6 { fill: #b8a25a; stroke: #b8a25a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
}";

/// A picture to which elements are added.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// The anchor of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.put(format_args!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.put(format_args!(
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    /// Adds a rectangle, given by its upper left corner, with a tooltip.
    pub(crate) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), hint: &str) {
        let hint = escaped(hint);
        self.put(format_args!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"><title>{hint}</title></rect>"#
        ));
    }

    pub(crate) fn dot(&mut self, class: &str, (x, y): (f64, f64), hint: &str) {
        let hint = escaped(hint);
        self.put(format_args!(
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"><title>{hint}</title></circle>"#
        ));
    }

    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.put(format_args!(
            r#"<polyline class="line {class}" style="fill: none" points="{}"/>"#,
            points.join(" ")
        ));
    }

    fn put(&mut self, element: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, body } = self;
        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" role="img">"#
        )?;
        writeln!(f, "<style>\n{STYLE}\n</style>")?;
        writeln!(f, "{body}</svg>")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns whether a text is well-formed: each element is closed, in order.
#[cfg(test)]
pub(crate) fn is_well_formed(text: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        if rest[..at].contains('>') {
            return false;
        }
        let Some(end) = rest.find('>') else { return false };
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if tag.contains('<') || tag.matches('"').count() % 2 == 1 {
            return false;
        }
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            if open.pop() != Some(closed) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty() && rest.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_has_in_it_the_picture_is_well_formed() {
        let mut svg = Svg::new(100.0, 50.0);
        svg.text("small", (1.0, 2.0), Anchor::Middle, "a < b && \"c\" > d");
        svg.rect("c0", (0.0, 0.0), (10.0, 5.0), "<&>");
        svg.dot("c1", (3.0, 3.0), "5 ms");
        svg.line("grid", (0.0, 0.0), (5.0, 5.0));
        svg.path("c2", &[(0.0, 1.0), (2.0, 3.0)]);
        let text = svg.to_string();
        assert!(is_well_formed(&text), "{text}");
        assert!(text.contains("a &lt; b &amp;&amp; &quot;c&quot; &gt; d"), "{text}");
    }

    #[test]
    fn what_is_not_closed_is_not_well_formed() {
        for text in ["<a>", "<a></b>", "<a><b></a></b>", "<a x=\"></a>", "</a>"] {
            assert!(!is_well_formed(text), "{text}");
        }
        assert!(is_well_formed("<a><b x=\"1\"/>text</a>"));
    }
}
