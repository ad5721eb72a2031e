//! Sample predictions: the picture, what it was taken for, and how sure the model was.

use super::Sample;
use super::html::{base64, escape, percent};
use super::png::png_size;

/// Pictures smaller than this are drawn with hard pixel edges.
const SMALL_PIXELS: u32 = 97;

/// The gallery with its title; nothing without samples.
pub(super) fn render(samples: &[Sample]) -> String {
    if samples.is_empty() {
        return String::new();
    }
    let wrong = samples.iter().filter(|s| !s.is_correct()).count();
    let figures: String = samples.iter().map(figure).collect();
    format!(
        "<section><h2>Sample predictions</h2><p class=\"muted\">{} samples, {wrong} of them wrong. The bar is the probability that the model gave to its \
         prediction.</p><div class=\"gallery\">\n{figures}</div></section>\n",
        samples.len()
    )
}

fn figure(sample: &Sample) -> String {
    let (class, sign) = if sample.is_correct() {
        ("right", "✓")
    } else {
        ("wrong", "✗")
    };
    let small = png_size(&sample.png).is_none_or(|(w, h)| w.max(h) < SMALL_PIXELS);
    let truth = if sample.is_correct() {
        String::new()
    } else {
        format!("<span class=\"truth\">is {}</span>", escape(&sample.truth))
    };
    let width = if sample.probability.is_finite() {
        sample.probability.clamp(0.0, 1.0) * 100.0
    } else {
        0.0
    };
    format!(
        "<figure class=\"sample {class}\"><img{} alt=\"{}\" src=\"data:image/png;base64,{}\"><figcaption><span class=\"label\"><b aria-hidden=\"true\">{sign}</b> \
         {}</span><i class=\"bar\" style=\"--w:{width:.1}%\"></i><span class=\"num\">{}</span>{truth}</figcaption></figure>\n",
        if small { " class=\"pixels\"" } else { "" },
        escape(&format!(
            "{} predicted as {}",
            sample.truth, sample.predicted
        )),
        base64(&sample.png),
        escape(&sample.predicted),
        percent(sample.probability, 0),
    )
}
