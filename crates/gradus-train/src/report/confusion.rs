//! The confusion matrix as a heat map, the worst confusions, and the scores by class.

use super::html::{base64, count, escape, number, percent};
use super::png::encode_png;
use crate::metrics::EvalReport;

/// Most classes shown as a table of counts; more are shown as a picture.
const TABLE_CLASSES: usize = 26;
/// Most classes shown at all.
const PICTURE_CLASSES: usize = 1024;
/// Most rows of the table of scores.
const SCORE_ROWS: usize = 1000;

/// The matrix with its title; nothing if there are no classes.
pub(super) fn matrix(report: &EvalReport) -> String {
    let classes = report.classes.len();
    if classes == 0
        || report.confusion.len() != classes
        || report.confusion.iter().any(|row| row.len() != classes)
    {
        return String::new();
    }
    let map = match classes {
        n if n <= TABLE_CLASSES => table(report),
        n if n <= PICTURE_CLASSES => picture(report),
        n => format!(
            "<p class=\"muted\">{} classes are too many to draw.</p>",
            count(n as u64)
        ),
    };
    let invalid = match report.invalid {
        0 => String::new(),
        n => format!(
            "<p class=\"warn\">Examples whose logits held a NaN: {}. They count as wrong and stand in no column.</p>",
            count(n)
        ),
    };
    format!(
        "<section><h2>Confusion matrix</h2><div class=\"split\"><div class=\"card scroll\">{map}{invalid}</div>{}</div></section>\n",
        worst(report)
    )
}

/// Share of its row that a cell holds, and its colour class.
fn shade(row: &[u64], c: usize, diagonal: bool) -> (f64, &'static str) {
    let total: u64 = row.iter().sum();
    let share = if total == 0 {
        0.0
    } else {
        row[c] as f64 / total as f64
    };
    (share, if diagonal { "hit" } else { "miss" })
}

fn table(report: &EvalReport) -> String {
    let names: Vec<String> = report.classes.iter().map(|n| escape(n)).collect();
    let heads: String = names
        .iter()
        .map(|n| format!("<th scope=\"col\"><span>{n}</span></th>"))
        .collect();
    let mut rows = String::new();
    for (t, row) in report.confusion.iter().enumerate() {
        rows.push_str(&format!("<tr><th scope=\"row\">{}</th>", names[t]));
        for (p, &n) in row.iter().enumerate() {
            let (share, class) = shade(row, p, p == t);
            // Misses are few: a steeper scale lets 2 % be seen.
            let alpha = if p == t { share } else { share.sqrt() };
            let light = if alpha > 0.55 { " on" } else { "" };
            let told = format!(
                "{} taken for {}: {} ({})",
                names[t],
                names[p],
                count(n),
                percent(share, 1)
            );
            let text = if n == 0 { "·".into() } else { count(n) };
            let zero = if n == 0 { " zero" } else { "" };
            rows.push_str(&format!("<td class=\"{class}{light}{zero}\" style=\"--a:{alpha:.3}\" title=\"{told}\">{text}</td>"));
        }
        rows.push_str("</tr>\n");
    }
    format!(
        "<table class=\"matrix\"><thead><tr><td class=\"corner\"><span>true</span> \\ <span>predicted</span></td>{heads}</tr></thead><tbody>\n{rows}</tbody></table>"
    )
}

fn picture(report: &EvalReport) -> String {
    let side = u32::try_from(report.classes.len()).unwrap_or(0);
    let mut pixels = Vec::new();
    for (t, row) in report.confusion.iter().enumerate() {
        for p in 0..row.len() {
            let (share, _) = shade(row, p, p == t);
            let [r, g, b] = if p == t {
                [64, 110, 235]
            } else {
                [222, 80, 72]
            };
            pixels.extend([r, g, b, (share.sqrt() * 255.0).round() as u8]);
        }
    }
    match encode_png(side, side, 4, &pixels) {
        Ok(png) => format!(
            "<img class=\"heat\" alt=\"confusion matrix of {side} classes\" src=\"data:image/png;base64,{}\"><p class=\"muted\">Rows are true classes, columns \
             predicted ones, both in label order.</p>",
            base64(&png)
        ),
        Err(_) => String::new(),
    }
}

/// The most frequent confusions.
fn worst(report: &EvalReport) -> String {
    let mut pairs = Vec::new();
    for (t, row) in report.confusion.iter().enumerate() {
        pairs.extend(
            row.iter()
                .enumerate()
                .filter(|&(p, &n)| p != t && n > 0)
                .map(|(p, &n)| (n, t, p)),
        );
    }
    pairs.sort_unstable_by_key(|&(n, t, p)| (u64::MAX - n, t, p));
    if pairs.is_empty() {
        return String::new();
    }
    let item = |&(n, t, p): &(u64, usize, usize)| {
        let (share, _) = shade(&report.confusion[t], p, false);
        format!(
            "<li><span class=\"pair\"><b>{}</b> taken for <b>{}</b></span><span class=\"num\">{}</span><i class=\"bar bad\" style=\"--w:{:.1}%\"></i><span \
             class=\"muted\">{} of its class</span></li>",
            escape(&report.classes[t]),
            escape(&report.classes[p]),
            count(n),
            share * 100.0,
            percent(share, 1)
        )
    };
    format!(
        "<div class=\"card\"><h3>Most often confused</h3><ol class=\"worst\">{}</ol></div>",
        pairs.iter().take(7).map(item).collect::<String>()
    )
}

/// Precision, recall and F1 by class, with the averages below.
pub(super) fn scores(report: &EvalReport) -> String {
    if report.per_class.is_empty() {
        return String::new();
    }
    let auc = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.4}"));
    let cell = |x: f64| format!("<td class=\"num\">{}</td>", percent(x, 1));
    let row = |c: &crate::metrics::ClassReport| {
        format!(
            "<tr><th scope=\"row\">{}</th>{}{}<td class=\"num meter\" style=\"--w:{:.1}%\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
            escape(&c.class),
            cell(c.precision),
            cell(c.recall),
            if c.f1.is_finite() { c.f1 * 100.0 } else { 0.0 },
            percent(c.f1, 1),
            auc(c.roc_auc),
            count(c.support)
        )
    };
    let rows: String = report.per_class.iter().take(SCORE_ROWS).map(row).collect();
    let averages = [
        ("macro average", report.macro_avg),
        ("weighted average", report.weighted_avg),
        ("micro average", report.micro_avg),
    ];
    let mut foot = String::new();
    for (name, a) in averages {
        let auc = if name.starts_with("macro") {
            auc(report.roc_auc)
        } else {
            String::new()
        };
        foot.push_str(&format!(
            "<tr><th scope=\"row\">{name}</th>{}{}{}<td class=\"num\">{auc}</td><td class=\"num\">{}</td></tr>\n",
            cell(a.precision),
            cell(a.recall),
            cell(a.f1),
            count(report.examples)
        ));
    }
    let more = match report.per_class.len() {
        n if n > SCORE_ROWS => format!(
            "<p class=\"muted\">The first {SCORE_ROWS} of {} classes.</p>",
            number(n as f64)
        ),
        _ => String::new(),
    };
    format!(
        "<section><h2>Scores by class</h2><div class=\"card scroll\"><table class=\"scores\"><thead><tr><th>class</th><th class=\"num\">precision</th><th \
         class=\"num\">recall</th><th class=\"num\">F1</th><th class=\"num\">ROC-AUC</th><th class=\"num\">examples</th></tr></thead><tbody>\n{rows}</tbody>\
         <tfoot>\n{foot}</tfoot></table>{more}</div></section>\n"
    )
}
